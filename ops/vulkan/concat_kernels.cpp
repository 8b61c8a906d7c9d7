// Concatenations by whole words, of whatever they are parts; see shaders/strided.comp. Of kernels that are as good
// otherwise the first one is taken: that of map_kernels.cpp stands behind this one.

#include <algorithm>

#include "ops/move.h"
#include "ops/vulkan/axes.h"

namespace tessera::vulkan {

#include "shaders/params/strided.h"

namespace {

// Where an input of Concat lies in the output: rows of it, in elements of as many bytes.
struct Part {
  int64_t row, first, pitch, rows;
  uint32_t bytes;
};

std::vector<Part> parts_of(const Problem& problem) {
  const Shape& out = problem.out[0].shape;
  const int axis = normalize_axis(AttrReader(problem.node).integer("axis"), out.rank());
  const ops::Around whole(out, axis);
  std::vector<Part> parts;
  int64_t first = 0;
  for (const Type& in : problem.in) {
    const int64_t row = in.shape[static_cast<size_t>(axis)] * whole.inner;
    Part part{row, first, whole.extent * whole.inner, whole.outer, element_bytes(in)};
    first += row;
    for (; part.bytes < 8 && (part.row | part.first | part.pitch) % 2 == 0; part.bytes *= 2)
      part.row /= 2, part.first /= 2, part.pitch /= 2;
    parts.push_back(part);
  }
  return parts;
}

// Whole words, that is.
bool accepts(const VkKernel&, const Problem& problem) {
  if (!problem.node.epilogue.empty() || problem.out[0].layout.block() > 1) return false;
  const auto same = [&](const Type& in) {
    return element_bytes(in) > 0 && element_bytes(in) == element_bytes(problem.out[0]) && in.layout.block() == 1;
  };
  if (!std::all_of(problem.in.begin(), problem.in.end(), same)) return false;
  const auto parts = parts_of(problem);
  return std::all_of(parts.begin(), parts.end(), [](const Part& part) { return part.bytes >= 4; });
}

void record(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const auto parts = parts_of(problem);
  for (size_t i = 0; i < parts.size(); ++i) {
    StridedParams params{};
    params.count = word(parts[i].rows * parts[i].row);
    params.extents[0] = params.count;
    params.strides[0] = 1;
    params.row = word(parts[i].row), params.pitch = word(parts[i].pitch), params.first = word(parts[i].first);
    Dispatch& dispatch = recorder.dispatch("strided", params);
    dispatch.set("bytes", parts[i].bytes);
    dispatch.set("rows_apart", 1);
    dispatch.bind("dst", recorder.out(0));
    dispatch.bind("src", recorder.in(i));
    cover_words(params.count, parts[i].bytes, dispatch);
  }
}

constexpr VkKernel list[] = {
    {"Concat", "", "concat.words", {"strided"}, accepts, record, {}, in_half, 0, true},
};

}  // namespace

extern const KernelFile concat_kernels;
const KernelFile concat_kernels{list};

}  // namespace tessera::vulkan
