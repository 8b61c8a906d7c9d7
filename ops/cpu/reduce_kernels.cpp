// Reductions of float32 over one run of axes, global pooling, Softmax and LogSoftmax.
#include <algorithm>
#include <cmath>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/reduce.h"

namespace tessera::cpu {
namespace {

constexpr int64_t floats_per_task = 1 << 14;
constexpr int max_rank = 8;

// An operator as a reduction and what is done to each result.
struct Rule {
  Text op;
  Reduction reduction;
  enum After : uint8_t { none, mean, root, log } after;
};
constexpr Rule rules[] = {
    {"ReduceSum", Reduction::sum, Rule::none},      {"ReduceMean", Reduction::sum, Rule::mean},
    {"ReduceMax", Reduction::max, Rule::none},      {"ReduceMin", Reduction::min, Rule::none},
    {"ReduceProd", Reduction::product, Rule::none}, {"ReduceSumSquare", Reduction::sum_squares, Rule::none},
    {"ReduceL1", Reduction::sum_abs, Rule::none},   {"ReduceL2", Reduction::sum_squares, Rule::root},
    {"ReduceLogSum", Reduction::sum, Rule::log},    {"GlobalAveragePool", Reduction::sum, Rule::mean},
    {"GlobalMaxPool", Reduction::max, Rule::none},
};

const Rule& rule_of(Text op) {
  return *std::find_if(std::begin(rules), std::end(rules), [&](const Rule& rule) { return rule.op == op; });
}

float finish(const Rule& rule, float value, int64_t count) {
  switch (rule.after) {
    case Rule::mean: return value / static_cast<float>(count);
    case Rule::root: return std::sqrt(value);
    case Rule::log: return std::log(value);
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
Axes axes_of(const AttrReader& attrs, int rank, bool has_input, const View* input) {
  const Text op = attrs.node().op->name;
  if (op == "GlobalAveragePool" || op == "GlobalMaxPool") {
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

Axes axes_of(const Problem& problem) {
  const bool given = has_input(problem, 1);
  const View view = given && problem.constants[1] ? problem.constants[1]->view() : View{};
  return axes_of(AttrReader(problem.node), problem.in[0].shape.rank(), given,
                 given && problem.constants[1] ? &view : nullptr);
}

bool accepts(const Problem& problem) {
  const Shape& shape = problem.in[0].shape;
  if (!is_float32(problem.in[0]) || shape.rank() > max_rank) return false;
  const Axes axes = axes_of(problem);
  return axes.known && fold(shape, axes).one_run;
}

void run(const Args& args, Threads& threads) noexcept {
  const View& out = args.out[0];
  if (out.elements() == 0) return;
  const Shape& shape = args.in[0].shape();
  const bool given = args.node().op_inputs() > 1 && args.has_in(1);
  const Folded f = fold(shape, axes_of(args, shape.rank(), given, given ? &args.in[1] : nullptr));
  const Rule& rule = rule_of(args.node().op->name);
  const int which = static_cast<int>(rule.reduction);
  const ReduceSimd& simd = reduce_simd(level());
  const auto* x = args.in[0].as<const float>();
  auto* y = out.as<float>();
  if (f.inner == 1) {
    threads.parallel(f.outer, std::max<int64_t>(1, floats_per_task / std::max<int64_t>(1, f.reduced)),
                     [&](int64_t begin, int64_t end, int) {
                       for (int64_t i = begin; i < end; ++i)
                         y[i] = finish(rule, simd.row[which](x + i * f.reduced, f.reduced), f.reduced);
                     });
    return;
  }
  constexpr int64_t strip = 256;  // columns at a time
  const int64_t strips = (f.inner + strip - 1) / strip;
  const int64_t work = std::max<int64_t>(1, std::min(strip, f.inner) * f.reduced);
  threads.parallel(f.outer * strips, std::max<int64_t>(1, floats_per_task / work),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) {
                       const int64_t outer = i / strips, at = i % strips * strip;
                       const int64_t n = std::min(strip, f.inner - at);
                       float* to = y + outer * f.inner + at;
                       simd.columns[which](x + outer * f.reduced * f.inner + at, f.inner, f.reduced, to, n);
                       if (rule.after != Rule::none)
                         for (int64_t j = 0; j < n; ++j) to[j] = finish(rule, to[j], f.reduced);
                     }
                   });
}

// Over height and width of a blocked tensor, keeping both as extents of one.
bool accepts_blocked(const Problem& problem) {
  if (!is_float32(problem.in[0]) || problem.in[0].shape.size() != 4 || problem.out[0].shape.size() != 4) return false;
  if (problem.constants[0]) return false;
  const Axes axes = axes_of(problem);
  const bool log = rule_of(problem.node.op->name).after == Rule::log;  // log(0) is no padding
  return axes.known && !log && !axes.reduced[0] && !axes.reduced[1] && axes.reduced[2] && axes.reduced[3] &&
         problem.in[0].shape.elements() > 0;
}

void run_blocked(const Args& args, Threads& threads) noexcept {
  const Shape& shape = args.in[0].shape();
  const Rule& rule = rule_of(args.node().op->name);
  const ReduceSimd& simd = reduce_simd(level());
  const int64_t plane = shape[2] * shape[3], blocks = blocks_of(shape);
  const auto* x = args.in[0].as<const float>();
  auto* y = args.out[0].as<float>();
  const int rest = static_cast<int>(shape[1] % 16);
  threads.parallel(shape[0] * blocks, std::max<int64_t>(1, floats_per_task / (plane * 16)),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) {
                       float* to = y + i * 16;
                       simd.columns[static_cast<int>(rule.reduction)](x + i * plane * 16, 16, plane, to, 16);
                       for (int c = 0; c < 16; ++c) to[c] = finish(rule, to[c], plane);
                       if (rest && i % blocks == blocks - 1) std::fill(to + rest, to + 16, 0.0f);
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

bool accepts_softmax(const Problem& problem) { return is_float32(problem.in[0]); }

void run_softmax(const Args& args, Threads& threads) noexcept {
  const Shape& shape = args.in[0].shape();
  if (args.out[0].elements() == 0) return;
  const Folded f = fold_softmax(args, shape);
  const bool logarithm = args.node().op->name == "LogSoftmax";
  const ReduceSimd& simd = reduce_simd(level());
  const auto* x = args.in[0].as<const float>();
  auto* y = args.out[0].as<float>();
  if (f.inner == 1) {
    threads.parallel(f.outer, std::max<int64_t>(1, floats_per_task / 4 / f.reduced),
                     [&](int64_t begin, int64_t end, int) {
                       for (int64_t i = begin; i < end; ++i)
                         simd.softmax(x + i * f.reduced, y + i * f.reduced, f.reduced, logarithm);
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
                       simd.softmax_columns(x + at, y + at, f.inner, f.reduced, n, logarithm);
                     }
                   });
}

#define TESSERA_REDUCE(Op)                                      \
  {.op = Op, .name = "reduce", .accepts = accepts, .run = run}, \
      {.op = Op,                                                \
       .name = "reduce.nchw16c",                                \
       .in = nchw16c,                                           \
       .out = nchw16c,                                          \
       .accepts = accepts_blocked,                              \
       .run = run_blocked},

constexpr CpuKernel kernels[] = {
    TESSERA_REDUCE("ReduceSum") TESSERA_REDUCE("ReduceMean") TESSERA_REDUCE("ReduceMax") TESSERA_REDUCE("ReduceMin")
        TESSERA_REDUCE("ReduceProd") TESSERA_REDUCE("ReduceSumSquare") TESSERA_REDUCE("ReduceL1") TESSERA_REDUCE(
            "ReduceL2") TESSERA_REDUCE("ReduceLogSum") TESSERA_REDUCE("GlobalAveragePool")
            TESSERA_REDUCE("GlobalMaxPool"){
                .op = "Softmax", .name = "softmax", .in_place = true, .accepts = accepts_softmax, .run = run_softmax},
    {.op = "LogSoftmax", .name = "log_softmax", .in_place = true, .accepts = accepts_softmax, .run = run_softmax},
};

}  // namespace

extern const KernelFile reduce_kernels;
const KernelFile reduce_kernels{kernels};

}  // namespace tessera::cpu
