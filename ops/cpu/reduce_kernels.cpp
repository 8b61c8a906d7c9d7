// Reductions of float32 over one run of axes, global pooling, Softmax and LogSoftmax.
#include <algorithm>
#include <cmath>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/reduce.h"
#include "runtime/base/rounding.h"

namespace tessera::cpu {
namespace {

constexpr int64_t floats_per_task = 1 << 14;
constexpr int max_rank = 8;

// A kernel's form is its Reduction; its member is what becomes of each result, of the axes that are named or of all
// behind the channels.
enum Member { plain, mean, root, logarithm, global = 4 };

float finish(const CpuKernel& kernel, float value, int64_t count) {
  switch (kernel.member % global) {
    case mean: return value / static_cast<float>(count);
    case root: return std::sqrt(value);
    case logarithm: return std::log(value);
    default: return value;
  }
}

// The tensor as [outer, reduced, inner].
struct Folded {
  int64_t outer = 1, reduced = 1, inner = 1;
  bool one_run = true;  ///< the reduced axes are neighbours (axes of one element aside)
};

struct Axes {
  bool known = true;
  bool reduced[max_rank] = {};
};

Axes no_axes(bool noop, int rank) {
  Axes axes;
  std::fill_n(axes.reduced, rank, !noop);
  return axes;
}

// Reduced axes from the attribute, from input 1, or those of a global pooling.
Axes axes_of(const CpuKernel& kernel, const AttrReader& attrs, int rank, bool has_input, const View* input) {
  if (kernel.member >= global) {
    Axes axes;
    std::fill(axes.reduced + 2, axes.reduced + rank, true);
    return axes;
  }
  Integers list;
  if (attrs.has("axes"))
    list = Integers(attrs.integers("axes"));
  else if (has_input && !input)
    return {.known = false};
  else if (input)
    list = Integers(*input);
  if (list.count == 0) return no_axes(attrs.integer("noop_with_empty_axes") != 0, rank);
  Axes axes;
  for (int i = 0; i < list.count; ++i) axes.reduced[list[i] < 0 ? list[i] + rank : list[i]] = true;
  return axes;
}

Folded fold(const Shape& shape, const Axes& axes) {
  Folded f;
  int stage = 0;  // 0: before the reduced run, 1: inside, 2: after
  for (int d = 0; d < shape.rank(); ++d) {
    const int64_t extent = shape[static_cast<size_t>(d)];
    if (extent == 1) continue;
    if (axes.reduced[d]) {
      if (stage == 2) f.one_run = false;
      stage = 1;
      f.reduced *= extent;
    } else {
      if (stage == 1) stage = 2;
      (stage == 0 ? f.outer : f.inner) *= extent;
    }
  }
  return f;
}

Axes axes_of(const CpuKernel& kernel, const Problem& problem) {
  const bool given = has_input(problem, 1);
  const View view = given && problem.constants[1] ? problem.constants[1]->view() : View{};
  return axes_of(kernel, AttrReader(problem.node), problem.in[0].shape.rank(), given,
                 given && problem.constants[1] ? &view : nullptr);
}

bool accepts(const CpuKernel& kernel, const Problem& problem) {
  const Shape& shape = problem.in[0].shape;
  if (!is_float32(problem.in[0]) || shape.rank() > max_rank) return false;
  const Axes axes = axes_of(kernel, problem);
  return axes.known && fold(shape, axes).one_run;
}

void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const View& out = args.out[0];
  if (out.elements() == 0) return;
  const Shape& shape = args.in[0].shape();
  const bool given = args.node().op_inputs() > 1 && args.has_in(1);
  const Folded f = fold(shape, axes_of(kernel, args, shape.rank(), given, given ? &args.in[1] : nullptr));
  const int which = kernel.form;
  const ReduceSimd& simd = reduce_simd(level());
  const auto* x = args.in[0].as<const float>();
  auto* y = out.as<float>();
  if (f.inner == 1) {
    threads.parallel(f.outer, std::max<int64_t>(1, floats_per_task / std::max<int64_t>(1, f.reduced)),
                     [&](int64_t begin, int64_t end, int) {
                       for (int64_t i = begin; i < end; ++i)
                         y[i] = finish(kernel, simd.row[which](x + i * f.reduced, f.reduced), f.reduced);
                     });
    return;
  }
  // Columns at a time: whole rows if other threads have work without them.
  const int64_t sharing = ceil_div(threads.count(), f.outer);
  const int64_t strip = std::min<int64_t>(4096, round_up(ceil_div(f.inner, sharing), 256));
  const int64_t strips = (f.inner + strip - 1) / strip;
  const int64_t work = std::max<int64_t>(1, std::min(strip, f.inner) * f.reduced);
  threads.parallel(f.outer * strips, std::max<int64_t>(1, floats_per_task / work),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) {
                       const int64_t outer = i / strips, at = i % strips * strip;
                       const int64_t n = std::min(strip, f.inner - at);
                       float* to = y + outer * f.inner + at;
                       simd.columns[which](x + outer * f.reduced * f.inner + at, f.inner, f.reduced, to, n);
                       if (kernel.member % global != plain)
                         for (int64_t j = 0; j < n; ++j) to[j] = finish(kernel, to[j], f.reduced);
                     }
                   });
}

// Over height and width of a blocked tensor, keeping both as extents of one.
bool accepts_blocked(const CpuKernel& kernel, const Problem& problem) {
  if (!is_float32(problem.in[0]) || problem.in[0].shape.size() != 4 || problem.out[0].shape.size() != 4) return false;
  if (problem.constants[0]) return false;
  const Axes axes = axes_of(kernel, problem);
  const bool log = kernel.member == logarithm;  // log(0) is no padding
  return axes.known && !log && !axes.reduced[0] && !axes.reduced[1] && axes.reduced[2] && axes.reduced[3] &&
         problem.in[0].shape.elements() > 0;
}

void run_blocked(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const Shape& shape = args.in[0].shape();
  const ReduceSimd& simd = reduce_simd(level());
  const int64_t plane = shape[2] * shape[3], blocks = blocks_of(shape);
  const auto* x = args.in[0].as<const float>();
  auto* y = args.out[0].as<float>();
  const int rest = static_cast<int>(shape[1] % block_size);
  threads.parallel(shape[0] * blocks, std::max<int64_t>(1, floats_per_task / (plane * block_size)),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) {
                       float* to = y + i * block_size;
                       simd.columns[kernel.form](x + i * plane * block_size, block_size, plane, to, block_size);
                       for (int c = 0; c < block_size; ++c) to[c] = finish(kernel, to[c], plane);
                       if (rest && i % blocks == blocks - 1) std::fill(to + rest, to + block_size, 0.0f);
                     }
                   });
}

// Softmax: [outer, axis, inner]. Before opset 13 everything from the axis on counts as one axis.
Folded fold_softmax(const AttrReader& attrs, const Shape& shape) {
  const bool flattens = attrs.node().opset < 13;
  const int axis = axis_of(attrs, shape.rank());
  Folded f;
  for (int d = 0; d < shape.rank(); ++d) {
    const int64_t extent = shape[static_cast<size_t>(d)];
    (d < axis ? f.outer : d == axis || flattens ? f.reduced : f.inner) *= extent;
  }
  return f;
}

bool accepts_softmax(const CpuKernel&, const Problem& problem) { return is_float32(problem.in[0]); }

void run_softmax(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const Shape& shape = args.in[0].shape();
  if (args.out[0].elements() == 0) return;
  const Folded f = fold_softmax(args, shape);
  const bool logs = kernel.member == logarithm;
  const ReduceSimd& simd = reduce_simd(level());
  const auto* x = args.in[0].as<const float>();
  auto* y = args.out[0].as<float>();
  if (f.inner == 1) {
    threads.parallel(f.outer, std::max<int64_t>(1, floats_per_task / 4 / f.reduced),
                     [&](int64_t begin, int64_t end, int) {
                       for (int64_t i = begin; i < end; ++i)
                         simd.softmax(x + i * f.reduced, y + i * f.reduced, f.reduced, logs);
                     });
    return;
  }
  constexpr int64_t strip = 64;
  const int64_t strips = (f.inner + strip - 1) / strip;
  threads.parallel(f.outer * strips, std::max<int64_t>(1, floats_per_task / 4 / (strip * f.reduced)),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) {
                       const int64_t at = i / strips * f.reduced * f.inner + i % strips * strip;
                       const int64_t n = std::min(strip, f.inner - i % strips * strip);
                       simd.softmax_columns(x + at, y + at, f.inner, f.reduced, n, logs);
                     }
                   });
}

constexpr CpuKernel reduce(Text op, Reduction form, int member) {
  return {.op = op, .name = "reduce", .form = static_cast<int>(form), .member = member, .accepts = accepts, .run = run};
}
constexpr CpuKernel blocked(const CpuKernel& kernel) {
  return in_blocks(kernel, "reduce.nchw16c", accepts_blocked, run_blocked);
}
constexpr CpuKernel softmax(Text op, Text name, Member member) {
  return {.op = op, .name = name, .member = member, .in_place = true, .accepts = accepts_softmax, .run = run_softmax};
}

#define TESSERA_REDUCE(Op, form, member) \
  reduce(Op, Reduction::form, member), blocked(reduce(Op, Reduction::form, member))

constexpr CpuKernel kernels[] = {
    TESSERA_REDUCE("ReduceSum", sum, plain),
    TESSERA_REDUCE("ReduceMean", sum, mean),
    TESSERA_REDUCE("ReduceMax", max, plain),
    TESSERA_REDUCE("ReduceMin", min, plain),
    TESSERA_REDUCE("ReduceProd", product, plain),
    TESSERA_REDUCE("ReduceSumSquare", sum_squares, plain),
    TESSERA_REDUCE("ReduceL1", sum_abs, plain),
    TESSERA_REDUCE("ReduceL2", sum_squares, root),
    TESSERA_REDUCE("ReduceLogSum", sum, logarithm),
    TESSERA_REDUCE("GlobalAveragePool", sum, global + mean),
    TESSERA_REDUCE("GlobalMaxPool", max, global + plain),
    softmax("Softmax", "softmax", plain),
    softmax("LogSoftmax", "log_softmax", logarithm),
};

}  // namespace

extern const KernelFile reduce_kernels;
const KernelFile reduce_kernels{kernels};

}  // namespace tessera::cpu
