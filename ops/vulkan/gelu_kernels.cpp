// com.microsoft Gelu, FastGelu, BiasGelu and QuickGelu: a bias for the last axis, then a curve; see shaders/map.comp.

#include "ops/elementwise.h"
#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

#include "shaders/params/map.h"

namespace {

// VkKernel::functions has the curve.
std::vector<Fused> functions_of(const VkKernel& kernel, const Problem& problem) {
  std::vector<Fused> functions;
  if (problem.node.op_inputs() > 1 && problem.node.in[1] != absent)
    functions.push_back({.function = elementwise::Add, .operand = 1});
  const uint16_t curve = kernel.functions[0];
  const float a = curve == elementwise::Swish ? AttrReader(problem.node).real("alpha") : 0;
  functions.push_back({.function = curve, .a = a});
  functions.insert(functions.end(), problem.node.epilogue.begin(), problem.node.epilogue.end());
  return functions;
}

bool accepts_gelu(const VkKernel& kernel, const Problem& problem) {
  return is_float_input(problem, 0) && problem.in[0].shape.size() <= 4 &&
         epilogue_fits(problem, functions_of(kernel, problem), shape_before_epilogue(problem));
}

void record_gelu(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const auto functions = functions_of(kernel, problem);
  const Type& source = problem.in[0];
  const Loop loop = make_loop(problem, functions, shape_before_epilogue(problem), source);
  MapParams params{};
  params.epilogue = epilogue_params(problem, functions, loop);
  assign(params.extents, loop.extents());
  params.count = loop.count();
  assign(params.src_strides, loop.strides(source));
  Dispatch& dispatch = recorder.dispatch("map", params);
  add_epilogue(functions, recorder, dispatch);
  dispatch.bind("src", recorder.in(0));
  cover(params.count, dispatch);
}

constexpr VkKernel gelu(Text op, uint16_t curve) {
  return {op, "com.microsoft", "map", {"map"}, accepts_gelu, record_gelu, {curve}, in_both};
}
constexpr VkKernel list[] = {
    gelu("Gelu", elementwise::Gelu),
    gelu("BiasGelu", elementwise::Gelu),
    gelu("FastGelu", elementwise::GeluTanh),
    gelu("QuickGelu", elementwise::Swish),
};

}  // namespace

extern const KernelFile gelu_kernels;
const KernelFile gelu_kernels{list};

}  // namespace tessera::vulkan
