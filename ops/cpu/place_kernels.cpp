// ArgMax, ArgMin and TopK of float32 along rows, and the first two of columns: most numbers change nothing, which many
// of them at a time show.
#include <algorithm>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/reduce.h"
#include "ops/move.h"

namespace tessera::cpu {
namespace {

constexpr int64_t floats_per_task = 1 << 14, run = 64, columns = 256, most_kept = 64;

enum Member { largest, smallest };

// --- The place of the best --------------------------------------------------------------------------

bool accepts_arg(const CpuKernel&, const Problem& problem) { return is_float32(problem.in[0]); }

bool same(float x, float y) { return x == y || (x != x && y != y); }

// The first or the last number of a row that is the best.
int64_t find(const float* x, int64_t n, float best, bool last) {
  const auto in = [&](int64_t begin, int64_t end) {
    int found = 0;
    for (int64_t i = begin; i < end; ++i) found |= same(x[i], best);
    return found != 0;
  };
  if (last) {
    for (int64_t end = n; end > 0; end -= run)
      if (const int64_t begin = std::max<int64_t>(0, end - run); in(begin, end))
        for (int64_t i = end; i-- > begin;)
          if (same(x[i], best)) return i;
  } else {
    for (int64_t begin = 0; begin < n; begin += run)
      if (const int64_t end = std::min(n, begin + run); in(begin, end))
        for (int64_t i = begin; i < end; ++i)
          if (same(x[i], best)) return i;
  }
  return 0;
}

// The best of each of up to `columns` columns that are `stride` apart in all rows.
void best_of_columns(const float* x, int64_t rows, int64_t stride, int64_t n, bool least, bool last, int64_t* out) {
  float best[columns];
  int32_t place[columns];
  std::copy_n(x, n, best);
  std::fill_n(place, n, 0);
  for (int64_t k = 1; k < rows; ++k) {
    const float* row = x + k * stride;
    const auto here = static_cast<int32_t>(k);
    for (int64_t i = 0; i < n; ++i) {
      const float now = row[i], until = best[i];
      const bool none = (now != now) & (until == until);
      const bool equal = last & ((now == until) | ((now != now) & (until != until)));
      const bool better = none | (least ? now < until : now > until) | equal;
      best[i] = better ? now : until;
      place[i] = better ? here : place[i];
    }
  }
  for (int64_t i = 0; i < n; ++i) out[i] = place[i];
}

void run_arg(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const View& in = args.in[0];
  const ops::Around around(in.shape(), axis_of(args, in.shape().rank()));
  const bool last = args.integer("select_last_index") != 0, least = kernel.member == smallest;
  const auto* x = in.as<const float>();
  auto* y = args.out[0].as<int64_t>();
  const int64_t task = std::max<int64_t>(1, floats_per_task / around.extent);
  if (around.inner == 1) {
    const auto best = reduce_simd(level()).row[static_cast<int>(least ? Reduction::min : Reduction::max)];
    threads.parallel(around.outer, task, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const float* row = x + i * around.extent;
        y[i] = find(row, around.extent, best(row, around.extent), last);
      }
    });
    return;
  }
  const int64_t pieces = (around.inner + columns - 1) / columns;
  threads.parallel(around.outer * pieces, std::max<int64_t>(1, task / columns), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t o = i / pieces, at = i % pieces * columns;
      best_of_columns(x + o * around.extent * around.inner + at, around.extent, around.inner,
                      std::min(columns, around.inner - at), least, last, y + o * around.inner + at);
    }
  });
}

// --- The best few -----------------------------------------------------------------------------------

bool accepts_top(const CpuKernel&, const Problem& problem) {
  if (!is_float32(problem.in[0]) || problem.node.out.size() != 2) return false;
  if (problem.node.out[0] == absent || problem.node.out[1] == absent) return false;
  const Shape &in = problem.in[0].shape, &out = problem.out[0].shape;
  const int axis = axis_of(AttrReader(problem.node), in.rank());
  const int64_t k = out[static_cast<size_t>(axis)];
  return axis == in.rank() - 1 && k > 0 && k <= most_kept && in.elements() > 0;
}

// Whether x goes before y; of equal numbers the one that came first does.
bool goes_before(bool least, float x, float y) {
  if (least) return y != y ? x == x : x < y;
  return x != x ? y == y : y < x;
}

void top_of_row(const float* x, int64_t n, int64_t k, bool least, float* values, int64_t* places) {
  int64_t kept = 0;
  const auto insert = [&](int64_t i) {
    int64_t at = kept < k ? kept++ : k - 1;
    for (; at > 0 && goes_before(least, x[i], values[at - 1]); --at)
      values[at] = values[at - 1], places[at] = places[at - 1];
    values[at] = x[i], places[at] = i;
  };
  int64_t i = 0;
  for (; i < k; ++i) insert(i);
  for (; i < n; i += run) {
    const int64_t end = std::min(n, i + run);
    const float worst = values[k - 1];
    int any = 0;
    for (int64_t j = i; j < end; ++j) any |= least ? !(x[j] >= worst) : !(x[j] <= worst);
    for (int64_t j = i; any && j < end; ++j)
      if (goes_before(least, x[j], values[k - 1])) insert(j);
  }
}

void run_top(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const int64_t n = args.in[0].shape().back(), k = args.out[0].shape().back();
  const bool least = args.integer("largest") == 0;
  threads.parallel(args.in[0].elements() / n, std::max<int64_t>(1, floats_per_task / n),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i)
                       top_of_row(args.in[0].as<const float>() + i * n, n, k, least, args.out[0].as<float>() + i * k,
                                  args.out[1].as<int64_t>() + i * k);
                   });
}

constexpr CpuKernel kernels[] = {
    {.op = "ArgMax", .name = "place", .member = largest, .accepts = accepts_arg, .run = run_arg},
    {.op = "ArgMin", .name = "place", .member = smallest, .accepts = accepts_arg, .run = run_arg},
    {.op = "TopK", .name = "top", .accepts = accepts_top, .run = run_top},
};

}  // namespace

extern const KernelFile place_kernels;
const KernelFile place_kernels{kernels};

}  // namespace tessera::cpu
