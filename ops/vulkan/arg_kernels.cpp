// ArgMax and ArgMin; see shaders/arg.comp.

#include <algorithm>
#include <bit>

#include "ops/move.h"
#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {

#include "shaders/params/arg.h"

namespace {

bool accepts(const VkKernel&, const Problem& problem) {
  return is_float_input(problem, 0) && problem.node.epilogue.empty();
}

void record(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const AttrReader attrs(problem.node);
  const Shape& in = problem.in[0].shape;
  const ops::Around around(in, normalize_axis(attrs.integer("axis"), in.rank()));
  ArgParams params;
  params.count = static_cast<uint32_t>(around.outer * around.inner);
  params.inner = static_cast<uint32_t>(around.inner);
  params.extent = static_cast<uint32_t>(around.extent);
  // Neighbours in memory are read by neighbouring invocations: along the axis, or along the results.
  const uint32_t apart = arg_lanes / std::min(arg_lanes, std::bit_ceil(params.inner));
  const uint32_t together = std::min(apart, std::bit_ceil(params.extent));

  Dispatch& dispatch = recorder.dispatch("arg", params);
  dispatch.set("together", together);
  dispatch.set("lowest", kernel.functions[0]);
  dispatch.set("last", attrs.integer("select_last_index") != 0);
  dispatch.bind("dst", recorder.out(0));
  dispatch.bind("src", recorder.in(0));
  spread(groups_of(params.count, arg_lanes / together), dispatch);
}

constexpr VkKernel list[] = {
    {"ArgMax", "", "arg", {"arg"}, accepts, record, {0}},
    {"ArgMin", "", "arg", {"arg"}, accepts, record, {1}},
};

}  // namespace

extern const KernelFile arg_kernels;
const KernelFile arg_kernels{list};

}  // namespace tessera::vulkan
