// Pools over windows; see shaders/pool.comp.

#include "ops/pool.h"
#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

#include "shaders/params/pool.h"

namespace {

// VkKernel::functions has the kind of pool.
uint32_t kind_of(const VkKernel& kernel) { return kernel.functions[0]; }

// The places of the largest are left to the CPU.
bool accepts_pool(const VkKernel&, const Problem& problem) {
  const bool places = problem.out.size() > 1 && problem.node.out[1] != absent;
  return !places && problem.out.size() == 1 && is_float_input(problem, 0) &&
         epilogue_fits(problem, problem.node.epilogue, shape_before_epilogue(problem));
}

void record_pool(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const AttrReader attrs(problem.node);
  const ops::Window window = ops::pool_window(attrs, problem.in[0].shape);
  const Shape before = shape_before_epilogue(problem);
  const Type& source = problem.in[0];
  const Loop loop =
      before.size() <= 4 ? loop_over(before, problem.out[0].layout) : Loop{{1, 1, 1, word(before.elements())}, true};
  PoolParams params{};
  params.epilogue = epilogue_params(problem, problem.node.epilogue, loop);
  assign(params.extents, loop.extents());
  params.count = loop.count();
  assign(params.src_strides, loop.strides(source));
  for (size_t i = 0; i < 3; ++i) {
    const ops::WindowAxis& axis = window.axis[i];
    params.in_size[i] = word(axis.in), params.out_size[i] = word(axis.out);
    params.kernel[i] = word(axis.kernel), params.stride[i] = word(axis.stride);
    params.dilation[i] = word(axis.dilation);
    params.pad_begin[i] = static_cast<int32_t>(axis.pad_begin), params.pad_end[i] = static_cast<int32_t>(axis.pad_end);
  }
  if (kind_of(kernel) == pool_average) params.counts_pads = attrs.integer("count_include_pad") != 0;
  if (kind_of(kernel) == pool_norm)
    params.power = problem.node.op->since < 2 ? attrs.real("p") : static_cast<float>(attrs.integer("p"));

  Dispatch& dispatch = recorder.dispatch("pool", params);
  add_epilogue(problem.node.epilogue, recorder, dispatch);
  dispatch.set("kind", kind_of(kernel));
  dispatch.set("pictures", before.size() == 4);
  dispatch.bind("src", recorder.in(0));
  cover(params.count, dispatch);
}

constexpr VkKernel pool(Text op, uint16_t kind) {
  return {op, "", "pool", {"pool"}, accepts_pool, record_pool, {kind}, in_both};
}
constexpr VkKernel list[] = {
    pool("MaxPool", pool_max),
    pool("AveragePool", pool_average),
    pool("LpPool", pool_norm),
};

}  // namespace

extern const KernelFile pool_kernels;
const KernelFile pool_kernels{list};

}  // namespace tessera::vulkan
