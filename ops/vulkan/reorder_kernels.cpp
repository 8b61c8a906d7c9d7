// Reorder: values go from one layout into another; see shaders/reorder.comp.

#include "ops/vulkan/matrix_tiles.h"

namespace tessera::vulkan {

#include "shaders/params/reorder.h"

namespace {

bool is_own(Layout layout) { return layout == Layout::row_major || layout == half || layout == half16; }

bool accepts_reorder(const VkKernel&, const Problem& problem) {
  return is_float_input(problem, 0) && is_own(problem.in[0].layout) && is_own(problem.out[0].layout);
}

// Where neither has blocks, all elements are one row.
Loop loop_of(const Type& from, const Type& to) {
  if (from.layout.block() > 1 || to.layout.block() > 1) return loop_over(to.shape, to.layout);
  return {{1, 1, 1, static_cast<uint32_t>(to.shape.elements())}, true};
}

void record_reorder(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const Type &from = problem.in[0], &to = problem.out[0];
  const Loop loop = loop_of(from, to);
  ReorderParams params;
  assign(params.extents, loop.extents());
  params.count = loop.count();
  assign(params.src_strides, loop.strides(from));
  const bool halves = from.layout.stored(from.dtype) == DType::float16;

  Dispatch& dispatch = recorder.dispatch("reorder", params);
  dispatch.set("from_half", halves);
  const bool by_vectors = from.layout.block() == 1 && to.layout.block() > 1;
  if (by_vectors) dispatch.set("by_vectors", 1);
  dispatch.bind(halves ? "halves" : "full", recorder.in(0));
  dispatch.bind("dst", recorder.out(0));
  cover(by_vectors ? groups_of(params.count / block_size, 8) * block_vectors * 8 : params.count, dispatch);
}

constexpr VkKernel list[] = {
    {"Reorder", internal_domain, "reorder", {"reorder"}, accepts_reorder, record_reorder, {}, {}},
};

}  // namespace

extern const KernelFile reorder_kernels;
const KernelFile reorder_kernels{list};

}  // namespace tessera::vulkan
