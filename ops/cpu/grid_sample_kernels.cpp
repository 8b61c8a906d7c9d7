// GridSample of float32 pictures: a point's taps are found once, and read in every channel.
#include <algorithm>
#include <limits>
#include <new>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/grid_sample.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

// Points whose taps are known at a time; as many are found, or read in a channel, without asking for the next.
constexpr int64_t most_points = 1 << 18, piece = 1 << 10;

bool accepts(const CpuKernel&, const Problem& problem) {
  const Shape& x = problem.in[0].shape;
  return is_float32(problem.in[0]) && is_float32(problem.in[1]) && x.rank() == 4 && x.elements() > 0 &&
         x[2] * x[3] <= std::numeric_limits<int32_t>::max() && problem.out[0].shape.elements() > 0;
}

// The taps of a point that count: those outside of the picture, and those without weight, are left out.
template <int most>
struct Taps {
  int32_t count = 0, offset[most];
  float weight[most];

  Taps(const ops::SampleTaps& rows, const ops::SampleTaps& columns) {
    for (int i = 0; i < rows.count; ++i)
      for (int j = 0; j < columns.count; ++j)
        if (rows.offset[i] >= 0 && columns.offset[j] >= 0 && rows.weight[i] != 0 && columns.weight[j] != 0) {
          offset[count] = static_cast<int32_t>(rows.offset[i] + columns.offset[j]);
          weight[count++] = static_cast<float>(rows.weight[i] * columns.weight[j]);
        }
  }

  float read(const float* plane) const {
    float sum = 0;
    for (int i = 0; i < count; ++i) sum += weight[i] * plane[offset[i]];
    return sum;
  }
};

// Four of them that are a square of neighbours, as nearly all are: less to read in every channel.
struct Square {
  int32_t first = -1;  // none
  float weight[4];

  Square(const Taps<4>& taps, int64_t width) {
    if (taps.count != 4 || taps.offset[1] != taps.offset[0] + 1 || taps.offset[2] != taps.offset[0] + width) return;
    first = taps.offset[0];
    std::copy_n(taps.weight, 4, weight);
  }
  float read(const float* plane, int64_t width) const {
    const float *above = plane + first, *below = above + width;
    return (weight[0] * above[0] + weight[1] * above[1]) + (weight[2] * below[0] + weight[3] * below[1]);
  }
};

template <class F>
auto by_mode(const AttrReader& attrs, const F& f) {
  switch (ops::SampleRule(attrs).mode) {
    case ops::SampleMode::nearest: return f.template operator()<1>();
    case ops::SampleMode::linear: return f.template operator()<4>();
    default: return f.template operator()<16>();
  }
}

int64_t points_of(const Shape& out) { return out[2] * out[3]; }

int64_t scratch(const CpuKernel&, const Problem& problem, int) {
  const int64_t points = std::min(points_of(problem.out[0].shape), most_points);
  return by_mode(AttrReader(problem.node), [&]<int most>() {
    return points * static_cast<int64_t>(sizeof(Taps<most>) + (most == 4 ? sizeof(Square) : 0));
  });
}

// A channel at a time, so that its plane stays near.
template <int most>
void sample(const Args& args, Threads& threads) {
  const ops::SampleRule rule(args);
  const Shape& x = args.in[0].shape();
  const int64_t plane = x[2] * x[3], points = points_of(args.out[0].shape());
  auto* taps = reinterpret_cast<Taps<most>*>(args.scratch);
  auto* squares = reinterpret_cast<Square*>(taps + std::min(points, most_points));
  for (int64_t b = 0; b < x[0]; ++b)
    for (int64_t first = 0; first < points && !stop_requested(); first += most_points) {
      const int64_t count = std::min(most_points, points - first), pieces = ceil_div(count, piece);
      const auto end_of = [&](int64_t p) { return std::min((p + 1) * piece, count); };
      const auto* grid = args.in[1].as<const float>() + (b * points + first) * 2;
      threads.parallel(pieces, 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin * piece; i < end_of(end - 1); ++i) {
          new (taps + i) Taps<most>(ops::sample_taps(rule, static_cast<double>(grid[2 * i + 1]), x[2], x[3]),
                                    ops::sample_taps(rule, static_cast<double>(grid[2 * i]), x[3], 1));
          if constexpr (most == 4) new (squares + i) Square(taps[i], x[3]);
        }
      });
      threads.parallel(x[1] * pieces, 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t item = begin; item < end && !stop_requested(); ++item) {
          const int64_t c = b * x[1] + item / pieces, p = item % pieces;
          const float* in = args.in[0].as<const float>() + c * plane;
          float* out = args.out[0].as<float>() + c * points + first;
          for (int64_t i = p * piece; i < end_of(p); ++i)
            if constexpr (most == 4)
              out[i] = squares[i].first >= 0 ? squares[i].read(in, x[3]) : taps[i].read(in);
            else
              out[i] = taps[i].read(in);
        }
      });
    }
}

void run(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  by_mode(args, [&]<int most>() { sample<most>(args, threads); });
}

constexpr CpuKernel kernel(Text domain) {
  return {.op = "GridSample", .name = "sample", .domain = domain, .accepts = accepts, .scratch = scratch, .run = run};
}
constexpr CpuKernel kernels[] = {kernel(""), kernel("com.microsoft")};

}  // namespace

extern const KernelFile grid_sample_kernels;
const KernelFile grid_sample_kernels{kernels};

}  // namespace tessera::cpu
