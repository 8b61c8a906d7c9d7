// Operators that move elements without computing: Transpose, Slice, Split, Concat, Expand, Tile,
// DepthToSpace, SpaceToDepth. Each is a StridedCopy.
#include <algorithm>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/strided.h"

namespace tessera::cpu {
namespace {

constexpr int max_rank = 8;

struct Strides {
  int64_t of[max_rank] = {};
  explicit Strides(const Shape& shape) {
    int64_t stride = 1;
    for (int d = shape.rank() - 1; d >= 0; --d) {
      of[d] = stride;
      stride *= shape[static_cast<size_t>(d)];
    }
  }
  int64_t operator[](size_t d) const { return of[d]; }
};

bool movable(const CpuKernel&, const Problem& problem) {
  return movable_bytes(problem.in[0].dtype) > 0 && problem.in[0].shape.rank() <= max_rank &&
         problem.out[0].shape.rank() <= max_rank;
}

// Constants are not in blocks; other types than these are never laid in them.
bool blocked(const Problem& problem) {
  return (is_float32(problem.in[0]) || bits_of(problem.in[0].dtype) == 8) && !problem.constants[0] &&
         problem.in[0].shape.size() == 4 && problem.out[0].shape.size() == 4;
}

int bytes_of(const View& view) { return movable_bytes(view.type.dtype); }

void transpose(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Shape& from = args.in[0].shape();
  const Strides source(from), target(args.out[0].shape());
  const List<int64_t> perm = args.integers("perm");
  StridedCopy copy(bytes_of(args.in[0]));
  for (size_t d = 0; d < from.size(); ++d) {
    const size_t axis = perm.empty() ? from.size() - 1 - d : static_cast<size_t>(perm[d]);
    copy.axis(from[axis], source[axis], target[d]);
  }
  copy.run(args.in[0].data, args.out[0].data, threads);
}

enum Member { other, crop };

// Where a slice begins and how it strides, by axis.
struct Window {
  int64_t start[max_rank] = {}, step[max_rank];

  Window(const CpuKernel& kernel, const Args& args) {
    const Shape& shape = args.in[0].shape();
    std::fill(step, step + max_rank, 1);
    if (kernel.member == crop) {  // borders left, top, right, bottom
      const List<int64_t> border = args.integers("border");
      start[2] = border[1], start[3] = border[0];
      return;
    }
    Integers starts, axes, steps;
    if (args.node().opset < 10) {
      starts = Integers(args.integers("starts"));
      axes = Integers(args.integers("axes"));
    } else {
      starts = Integers(args.in[1]);
      if (args.has_in(3)) axes = Integers(args.in[3]);
      if (args.has_in(4)) steps = Integers(args.in[4]);
    }
    for (int i = 0; i < starts.count; ++i) {
      int64_t axis = axes.count ? axes[i] : i;
      if (axis < 0) axis += shape.rank();
      const int64_t extent = shape[static_cast<size_t>(axis)];
      const bool backwards = steps.count && steps[i] < 0;
      start[axis] = starts[i] < 0 ? starts[i] + extent : starts[i];
      start[axis] = std::clamp<int64_t>(start[axis], 0, backwards ? extent - 1 : extent);
      // A step that is never taken may be of any size.
      step[axis] = steps.count && args.out[0].shape()[static_cast<size_t>(axis)] > 1 ? steps[i] : 1;
    }
  }
};

bool accepts_slice(const CpuKernel& kernel, const Problem& problem) {
  return movable(kernel, problem) &&
         (!has_input(problem, 1) || problem.in[1].dtype == DType::int64 || problem.in[1].dtype == DType::int32);
}

void slice(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const Shape& out = args.out[0].shape();
  if (out.elements() == 0) return;
  const Window window(kernel, args);
  const Strides source(args.in[0].shape()), target(out);
  StridedCopy copy(bytes_of(args.in[0]));
  int64_t begin = 0;
  for (size_t d = 0; d < out.size(); ++d) {
    begin += window.start[d] * source[d];
    copy.axis(out[d], window.step[d] * source[d], target[d]);
  }
  copy.run(args.in[0].data + begin * bytes_of(args.in[0]), args.out[0].data, threads);
}

// A blocked slice cuts height and width only: the other axes keep their extent and run forwards.
bool accepts_blocked_slice(const CpuKernel& kernel, const Problem& problem) {
  if (!accepts_slice(kernel, problem) || !blocked(problem)) return false;
  if (has_input(problem, 4)) {
    const Tensor* steps = problem.constants[4];
    if (!steps) return false;
    const Integers values(steps->view());
    if (std::any_of(values.values, values.values + values.count, [](int64_t step) { return step < 0; })) return false;
  }
  const Shape &in = problem.in[0].shape, &out = problem.out[0].shape;
  return in[0] == out[0] && in[1] == out[1];
}

void blocked_slice(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const Shape &in = args.in[0].shape(), &out = args.out[0].shape();
  if (out.elements() == 0) return;
  const Window window(kernel, args);
  const int bytes = bytes_of(args.in[0]);
  StridedCopy copy(bytes);
  copy.axis(out[0] * blocks_of(out), in[2] * in[3] * block_size, out[2] * out[3] * block_size);
  copy.axis(out[2], window.step[2] * in[3] * block_size, out[3] * block_size);
  copy.axis(out[3], window.step[3] * block_size, block_size);
  copy.axis(block_size, 1, 1);
  const int64_t begin = (window.start[2] * in[3] + window.start[3]) * block_size;
  copy.run(args.in[0].data + begin * bytes, args.out[0].data, threads);
}

bool accepts_crop(const CpuKernel& kernel, const Problem& problem) {
  return movable(kernel, problem) && problem.in[0].shape.size() == 4;
}
bool accepts_blocked_crop(const CpuKernel& kernel, const Problem& problem) {
  return accepts_crop(kernel, problem) && blocked(problem);
}

// The part of a tensor that Split and Concat move as one: everything before `axis` times the rest.
struct Parts {
  int64_t outer = 1, inner = 1, whole = 0;  // whole: extent of the joined axis in units of inner

  // In nchw16c the channel axis counts blocks, and one element of it is a plane of 16 channels.
  Parts(const Shape& joined, int axis, bool blocked) {
    for (int d = 0; d < joined.rank(); ++d) {
      const int64_t extent = stored(joined, d, blocked);
      if (d < axis)
        outer *= extent;
      else if (d > axis)
        inner *= extent;
      else
        whole = extent;
    }
    if (blocked) inner *= block_size;
  }
  static int64_t stored(const Shape& shape, int d, bool blocked) {
    return blocked && d == 1 ? blocks_of(shape) : shape[static_cast<size_t>(d)];
  }
};

// Every part but the last ends at a whole block of channels, if they are cut at all.
template <class Types>
bool cuts_at_blocks(const Types& types, int axis) {
  if (axis != 1) return true;
  for (size_t i = 0; i + 1 < types.size(); ++i)
    if (types[i].shape[1] % block_size) return false;
  return true;
}

bool accepts_blocked_split(const CpuKernel& kernel, const Problem& problem) {
  return movable(kernel, problem) && blocked(problem) &&
         cuts_at_blocks(problem.out, axis_of(AttrReader(problem.node), 4));
}

void split(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const bool blocked = kernel.in.block() > 1;
  const int axis = axis_of(args, args.in[0].shape().rank());
  const Parts parts(args.in[0].shape(), axis, blocked);
  int64_t at = 0;
  for (const View& out : args.out) {
    const int64_t extent = Parts::stored(out.shape(), axis, blocked), run = extent * parts.inner;
    StridedCopy copy(bytes_of(args.in[0]));
    copy.axis(parts.outer, parts.whole * parts.inner, run);
    copy.axis(run, 1, 1);
    copy.run(args.in[0].data + at * bytes_of(args.in[0]), out.data, threads);
    at += run;
  }
}

bool accepts_blocked_concat(const CpuKernel& kernel, const Problem& problem) {
  return movable(kernel, problem) && blocked(problem) &&
         cuts_at_blocks(problem.in, axis_of(AttrReader(problem.node), 4)) &&
         std::all_of(problem.constants.begin(), problem.constants.end(), [](const Tensor* c) { return !c; });
}

void concat(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const bool blocked = kernel.in.block() > 1;
  const View& out = args.out[0];
  const int axis = axis_of(args, out.shape().rank());
  const Parts parts(out.shape(), axis, blocked);
  int64_t at = 0;
  for (const View& in : args.in) {
    const int64_t run = Parts::stored(in.shape(), axis, blocked) * parts.inner;
    StridedCopy copy(bytes_of(out));
    copy.axis(parts.outer, run, parts.whole * parts.inner);
    copy.axis(run, 1, 1);
    copy.run(in.data, out.data + at * bytes_of(out), threads);
    at += run;
  }
}

void expand(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Shape &in = args.in[0].shape(), &out = args.out[0].shape();
  const Strides source(in), target(out);
  StridedCopy copy(bytes_of(args.in[0]));
  const size_t shift = out.size() - in.size();
  for (size_t d = 0; d < out.size(); ++d) {
    const bool repeats = d < shift || in[d - shift] == 1;
    copy.axis(out[d], repeats ? 0 : source[d - shift], target[d]);
  }
  copy.run(args.in[0].data, args.out[0].data, threads);
}

bool accepts_tile(const CpuKernel& kernel, const Problem& problem) {
  return movable(kernel, problem) && problem.node.opset >= 6;
}

void tile(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Shape &in = args.in[0].shape(), &out = args.out[0].shape();
  if (out.elements() == 0) return;
  const Strides source(in), target(out);
  StridedCopy copy(bytes_of(args.in[0]));
  for (size_t d = 0; d < out.size(); ++d) {
    copy.axis(out[d] / in[d], 0, in[d] * target[d]);
    copy.axis(in[d], source[d], target[d]);
  }
  copy.run(args.in[0].data, args.out[0].data, threads);
}

bool is_spatial(const CpuKernel& kernel, const Problem& problem) {
  return movable(kernel, problem) && problem.in[0].shape.size() == 4;
}

void depth_to_space(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Shape &in = args.in[0].shape(), &out = args.out[0].shape();
  const int64_t block = args.integer("blocksize"), h = in[2], w = in[3], c = out[1];
  const bool crd = args.text("mode") == "CRD";
  const int64_t cell = crd ? h * w : c * h * w;  // from one place in a block to the next
  const Strides target(out);
  StridedCopy copy(bytes_of(args.in[0]));
  copy.axis(in[0], in[1] * h * w, target[0]);
  copy.axis(c, crd ? block * block * h * w : h * w, target[1]);
  copy.axis(h, w, block * target[2]);
  copy.axis(block, block * cell, target[2]);
  copy.axis(w, 1, block);
  copy.axis(block, cell, 1);
  copy.run(args.in[0].data, args.out[0].data, threads);
}

void space_to_depth(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Shape &in = args.in[0].shape(), &out = args.out[0].shape();
  const int64_t block = args.integer("blocksize"), plane = out[2] * out[3];
  const Strides source(in);
  StridedCopy copy(bytes_of(args.in[0]));
  copy.axis(in[0], source[0], out[1] * plane);
  copy.axis(block, source[2], block * in[1] * plane);
  copy.axis(block, 1, in[1] * plane);
  copy.axis(in[1], source[1], plane);
  copy.axis(out[2], block * source[2], out[3]);
  copy.axis(out[3], block, 1);
  copy.run(args.in[0].data, args.out[0].data, threads);
}

constexpr CpuKernel slices{.op = "Slice", .name = "slice", .accepts = accepts_slice, .run = slice};
constexpr CpuKernel crops{.op = "Crop", .name = "slice", .member = crop, .accepts = accepts_crop, .run = slice};
constexpr CpuKernel splits{.op = "Split", .name = "split", .accepts = movable, .run = split};
constexpr CpuKernel concats{.op = "Concat", .name = "concat", .accepts = movable, .run = concat};

constexpr CpuKernel kernels[] = {
    {.op = "Transpose", .name = "transpose", .accepts = movable, .run = transpose},
    slices,
    in_blocks(slices, "slice.nchw16c", accepts_blocked_slice, blocked_slice),
    crops,
    in_blocks(crops, "slice.nchw16c", accepts_blocked_crop, blocked_slice),
    splits,
    in_blocks(splits, "split.nchw16c", accepts_blocked_split, split),
    concats,
    in_blocks(concats, "concat.nchw16c", accepts_blocked_concat, concat),
    {.op = "Expand", .name = "expand", .accepts = movable, .run = expand},
    {.op = "Tile", .name = "tile", .accepts = accepts_tile, .run = tile},
    {.op = "DepthToSpace", .name = "depth_to_space", .accepts = is_spatial, .run = depth_to_space},
    {.op = "SpaceToDepth", .name = "space_to_depth", .accepts = is_spatial, .run = space_to_depth},
};

}  // namespace

extern const KernelFile move_kernels;
const KernelFile move_kernels{kernels};

}  // namespace tessera::cpu
