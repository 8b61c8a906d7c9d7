// Elementwise functions of two floats that are broadcast along more axes than an epilogue knows, or as opsets before 7
// had it; see shaders/broadcast.comp.

#include "ops/elementwise.h"
#include "ops/pairs.h"
#include "ops/vulkan/axes.h"
#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

#include "shaders/params/broadcast.h"

namespace {

Axes axes_of(const Problem& problem) {
  const Shape &x = problem.in[0].shape, &out = problem.out[0].shape;
  const bool old = problem.node.op->since < 7;
  const Shape y = old ? ops::old_operand_shape(AttrReader(problem.node), x, problem.in[1].shape) : problem.in[1].shape;
  const Shape strides[] = {ops::broadcast_strides(x, out), ops::broadcast_strides(y, out)};
  return join_axes(out, strides);
}

// The slopes of an old PRelu follow a rule of their own.
bool accepts(const VkKernel& kernel, const Problem& problem) {
  if (kernel.functions[0] == elementwise::PRelu && problem.node.op->since < 7) return false;
  return problem.node.op_inputs() == 2 && is_float_input(problem, 0) && is_float_input(problem, 1) &&
         problem.node.epilogue.empty() && axes_of(problem).extents.size() <= max_axes;
}

void record(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const Axes axes = axes_of(problem);
  BroadcastParams params{};
  assign(params.extents, axes.extents);
  params.count = static_cast<uint32_t>(axes.extents.elements());
  assign(params.strides_x, axes.strides[0]);
  assign(params.strides_y, axes.strides[1]);

  Dispatch& dispatch = recorder.dispatch("broadcast", params);
  dispatch.set("function", kernel.functions[0]);
  dispatch.set("axes", static_cast<uint32_t>(axes.extents.size()));
  dispatch.bind("dst", recorder.out(0));
  dispatch.bind("operand_x", recorder.in(0));
  dispatch.bind("operand_y", recorder.in(1));
  cover(params.count, dispatch);
}

constexpr int behind_map = -1;
constexpr VkKernel broadcast(Text op, uint16_t function) {
  return {op, "", "broadcast", {"broadcast"}, accepts, record, {function}, in_half, behind_map};
}

constexpr VkKernel list[] = {
#define TESSERA_UNARY(id, Op, CLASS, expression)
#define TESSERA_BINARY(id, Op, CLASS, expression) broadcast(#Op, id),
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
};

}  // namespace

extern const KernelFile broadcast_kernels;
const KernelFile broadcast_kernels{list};

}  // namespace tessera::vulkan
