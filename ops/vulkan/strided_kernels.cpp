// Operators whose output is their input read along other axes; see shaders/strided.comp. Elements may be of any type.

#include <algorithm>
#include <array>
#include <optional>

#include "ops/slice.h"
#include "ops/vulkan/axes.h"
#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

#include "shaders/params/strided.h"
#include "shaders/params/transpose.h"

namespace {

/// Where the elements of the output lie in the input: the output seen under `shape`, and the step of each of its axes.
struct Strided {
  Shape shape, strides;
  int64_t offset = 0;
};
using StridedOf = Strided (*)(const Problem&);

Strided transposed(const Problem& problem) {
  const Shape& in = problem.in[0].shape;
  const Shape steps = ops::strides_of(in);
  const List<int64_t> perm = AttrReader(problem.node).integers("perm");
  Strided result{problem.out[0].shape, {}, 0};
  for (size_t i = 0; i < in.size(); ++i)
    result.strides.push_back(steps[perm.empty() ? in.size() - 1 - i : static_cast<size_t>(perm[i])]);
  return result;
}

Strided expanded(const Problem& problem) {
  return {problem.out[0].shape, ops::broadcast_strides(problem.in[0].shape, problem.out[0].shape), 0};
}

// Each axis becomes two, [repeats, extent], of which the first stands still.
Strided tiled(const Problem& problem) {
  const Shape &in = problem.in[0].shape, &out = problem.out[0].shape;
  const Shape steps = ops::strides_of(in);
  Strided result;
  for (size_t i = 0; i < in.size(); ++i) {
    for (const int64_t extent : {out[i] / in[i], in[i]}) result.shape.push_back(extent);
    for (const int64_t step : {int64_t{0}, steps[i]}) result.strides.push_back(step);
  }
  return result;
}

Strided sliced(const Problem& problem) {
  const Shape& in = problem.in[0].shape;
  Strided result{problem.out[0].shape, ops::strides_of(in), 0};
  const auto ranges = ops::slice_ranges(AttrReader(problem.node), in, [&](size_t i) { return known(problem, i); });
  for (size_t i = 0; i < in.size(); ++i) {
    result.offset += ranges[i].begin * result.strides[i];
    result.strides[i] *= ranges[i].step;
  }
  return result;
}

// [n, c, h, block, w, block] read as [n, block, block, c, h, w].
Strided squares_to_channels(const Problem& problem) {
  const Shape& in = problem.in[0].shape;
  const int64_t b = AttrReader(problem.node).integer("blocksize"), c = in[1], plane = in[2] * in[3];
  return {{in[0], b, b, c, in[2] / b, in[3] / b}, {c * plane, in[3], 1, plane, b * in[3], b}, 0};
}

// [n, block, block, c, h, w], or [n, c, block, block, h, w], read as [n, c, h, block, w, block].
Strided channels_to_squares(const Problem& problem) {
  const Shape &in = problem.in[0].shape, &out = problem.out[0].shape;
  const AttrReader attrs(problem.node);
  const int64_t b = attrs.integer("blocksize"), c = out[1], plane = in[2] * in[3];
  const bool crd = attrs.text("mode") == "CRD";
  const int64_t cell = crd ? plane : c * plane;
  return {{in[0], c, in[2], b, in[3], b}, {in[1] * plane, crd ? b * b * plane : plane, in[3], b * cell, 1, cell}, 0};
}

Axes axes_of(const Strided& strided) { return join_axes(strided.shape, List<Shape>(&strided.strides, 1)); }

// Neighbours that move together count as one element, of at most 8 bytes.
uint32_t widen(Axes& axes, int64_t& offset, uint32_t bytes) {
  constexpr uint32_t most = 8;
  Shape& strides = axes.strides[0];
  const size_t last = strides.size() - 1;
  const auto joins = [&] {
    if (strides[last] != 1 || axes.extents[last] % 2 || offset % 2) return false;
    return std::all_of(strides.begin(), strides.end() - 1, [](int64_t stride) { return stride % 2 == 0; });
  };
  for (; bytes < most && joins(); bytes *= 2) {
    axes.extents[last] /= 2;
    offset /= 2;
    for (size_t i = 0; i < last; ++i) strides[i] /= 2;
  }
  return bytes;
}

template <StridedOf of>
bool accepts(const VkKernel&, const Problem& problem) {
  return moves_elements(problem) && knows_inputs(problem, 1) && axes_of(of(problem)).extents.size() <= max_axes;
}

template <StridedOf of>
void record(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const Strided strided = of(problem);
  Axes axes = axes_of(strided);
  int64_t offset = strided.offset;
  const uint32_t bytes = widen(axes, offset, element_bytes(problem.out[0]));
  StridedParams params{};
  assign(params.extents, axes.extents);
  params.count = static_cast<uint32_t>(axes.extents.elements());
  assign(params.strides, axes.strides[0]);
  params.offset = static_cast<uint32_t>(offset);

  Dispatch& dispatch = recorder.dispatch("strided", params);
  dispatch.set("bytes", bytes);
  dispatch.set("axes", static_cast<uint32_t>(axes.extents.size()));
  dispatch.bind("dst", recorder.out(0));
  dispatch.bind("src", recorder.in(0));
  cover_words(params.count, bytes, dispatch);
}

// --- Transposed matrices -----------------------------------------------------------------------

/// The axis whose neighbours lie together in the input; none where it is the output's last axis too, or too short for
/// a tile to be worth it.
std::optional<size_t> row_axis(const Axes& axes) {
  constexpr int64_t least = 8;
  const size_t last = axes.extents.size() - 1;
  for (size_t i = 0; i < last; ++i)
    if (axes.strides[0][i] == 1 && axes.extents[i] >= least && axes.extents[last] >= least) return i;
  return std::nullopt;
}

bool accepts_transpose(const VkKernel& kernel, const Problem& problem) {
  return accepts<transposed>(kernel, problem) && bits_of(problem.in[0].dtype) == 32 &&
         row_axis(axes_of(transposed(problem)));
}

void record_transpose(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const Axes axes = axes_of(transposed(problem));
  const size_t row = *row_axis(axes), column = axes.extents.size() - 1;
  const Shape &extents = axes.extents, &from = axes.strides[0], to = ops::strides_of(extents);
  TransposeParams params{};
  params.rows = static_cast<uint32_t>(extents[row]);
  params.columns = static_cast<uint32_t>(extents[column]);
  params.src_stride = static_cast<uint32_t>(from[column]);
  params.dst_stride = static_cast<uint32_t>(to[row]);
  params.batches = static_cast<uint32_t>(extents.elements() / extents[row] / extents[column]);
  std::fill(std::begin(params.extents), std::end(params.extents), 1);
  size_t next = 4;
  for (size_t i = extents.size(); i-- > 0;) {
    if (i == row || i == column) continue;
    params.extents[--next] = static_cast<uint32_t>(extents[i]);
    params.src_strides[next] = static_cast<uint32_t>(from[i]);
    params.dst_strides[next] = static_cast<uint32_t>(to[i]);
  }
  Dispatch& dispatch = recorder.dispatch("transpose", params);
  dispatch.bind("dst", recorder.out(0));
  dispatch.bind("src", recorder.in(0));
  spread(groups_of(params.rows, transpose_tile) * groups_of(params.columns, transpose_tile) * params.batches, dispatch);
}

template <StridedOf of>
constexpr VkKernel strided(Text op) {
  return {op, "", "strided", {"strided"}, accepts<of>, record<of>, {}, in_half, 0, true};
}

constexpr VkKernel list[] = {
    {"Transpose", "", "transpose", {"transpose"}, accepts_transpose, record_transpose},
    strided<transposed>("Transpose"),
    strided<expanded>("Expand"),
    strided<tiled>("Tile"),
    strided<sliced>("Slice"),
    strided<squares_to_channels>("SpaceToDepth"),
    strided<channels_to_squares>("DepthToSpace"),
};

}  // namespace

extern const KernelFile strided_kernels;
const KernelFile strided_kernels{list};

}  // namespace tessera::vulkan
