// TopK; see shaders/top_k.comp.
#include "ops/move.h"
#include "ops/vulkan/kernel.h"
#include "runtime/base/rounding.h"

namespace tessera::vulkan {

#include "shaders/params/top_k.h"

namespace {

constexpr int64_t longest = 32768;  // every element is held against every other

struct Axis {
  ops::Around around;
  explicit Axis(const Problem& problem)
      : around(problem.in[0].shape,
               normalize_axis(AttrReader(problem.node).integer("axis"), problem.in[0].shape.rank())) {}
  int64_t rows() const { return around.outer * around.inner; }
  int64_t blocks() const { return ceil_div(around.extent, top_k_lanes); }
};

bool is_wanted(const Problem& problem, size_t i) {
  return i < problem.node.out.size() && problem.node.out[i] != absent;
}

bool accepts(const VkKernel&, const Problem& problem) {
  const Axis axis(problem);
  return is_float_input(problem, 0) && problem.node.epilogue.empty() && axis.around.extent <= longest &&
         axis.rows() * axis.blocks() < int64_t{1} << 31;
}

void record(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const Axis axis(problem);
  const size_t some = is_wanted(problem, 0) ? 0 : 1;
  TopKParams params;
  params.extent = word(axis.around.extent);
  params.inner = word(axis.around.inner);
  params.k = word(problem.out[some].shape.elements() / axis.rows());
  params.blocks = word(axis.blocks());
  params.count = word(axis.rows()) * params.blocks;
  Dispatch& dispatch = recorder.dispatch("top_k", params);
  dispatch.set("smallest", AttrReader(problem.node).integer("largest") == 0);
  dispatch.set("has_values", is_wanted(problem, 0));
  dispatch.set("has_places", is_wanted(problem, 1));
  dispatch.bind("src", recorder.in(0));
  if (is_wanted(problem, 0)) dispatch.bind("values", recorder.out(0));
  if (is_wanted(problem, 1)) dispatch.bind("places", recorder.out(1));
  spread(params.count, dispatch);
}

constexpr VkKernel list[] = {{"TopK", "", "top_k", {"top_k"}, accepts, record}};

}  // namespace

extern const KernelFile top_k_kernels;
const KernelFile top_k_kernels{list};

}  // namespace tessera::vulkan
