// GridSample of float32 pictures: a point's taps are found once, and read in every channel.
#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/grid_sample.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

constexpr int64_t points_at_once = 64;

bool accepts(const CpuKernel&, const Problem& problem) {
  const Shape& x = problem.in[0].shape;
  return is_float32(problem.in[0]) && is_float32(problem.in[1]) && x.rank() == 4 && x.elements() > 0 &&
         problem.out[0].shape.elements() > 0;
}

// The taps of a point that count: those outside of the picture, and those without weight, are left out.
struct Taps {
  int count = 0;
  int64_t offset[16];
  float weight[16];

  Taps() = default;
  Taps(const ops::SampleTaps& rows, const ops::SampleTaps& columns) {
    for (int i = 0; i < rows.count; ++i)
      for (int j = 0; j < columns.count; ++j)
        if (rows.offset[i] >= 0 && columns.offset[j] >= 0 && rows.weight[i] != 0 && columns.weight[j] != 0) {
          offset[count] = rows.offset[i] + columns.offset[j];
          weight[count++] = static_cast<float>(rows.weight[i] * columns.weight[j]);
        }
  }

  float read(const float* plane) const {
    if (count == 4)
      return (weight[0] * plane[offset[0]] + weight[1] * plane[offset[1]]) +
             (weight[2] * plane[offset[2]] + weight[3] * plane[offset[3]]);
    float sum = 0;
    for (int i = 0; i < count; ++i) sum += weight[i] * plane[offset[i]];
    return sum;
  }
};

void run(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const ops::SampleRule rule(args);
  const Shape& x = args.in[0].shape();
  const int64_t plane = x[2] * x[3], points = args.out[0].shape()[2] * args.out[0].shape()[3];
  const int64_t pieces = (points + points_at_once - 1) / points_at_once;
  const auto* grid = args.in[1].as<const float>();
  threads.parallel(x[0] * pieces, 1, [&](int64_t begin, int64_t end, int) {
    Taps taps[points_at_once];
    for (int64_t item = begin; item < end && !stop_requested(); ++item) {
      const int64_t b = item / pieces, first = item % pieces * points_at_once;
      const int64_t count = std::min(points_at_once, points - first);
      for (int64_t i = 0; i < count; ++i) {
        const float* at = grid + (b * points + first + i) * 2;
        taps[i] = Taps(ops::sample_taps(rule, static_cast<double>(at[1]), x[2], x[3]),
                       ops::sample_taps(rule, static_cast<double>(at[0]), x[3], 1));
      }
      for (int64_t c = b * x[1]; c < (b + 1) * x[1]; ++c) {
        const float* in = args.in[0].as<const float>() + c * plane;
        float* out = args.out[0].as<float>() + c * points + first;
        for (int64_t i = 0; i < count; ++i) out[i] = taps[i].read(in);
      }
    }
  });
}

constexpr CpuKernel kernel(Text domain) {
  return {.op = "GridSample", .name = "sample", .domain = domain, .accepts = accepts, .run = run};
}
constexpr CpuKernel kernels[] = {kernel(""), kernel("com.microsoft")};

}  // namespace

extern const KernelFile grid_sample_kernels;
const KernelFile grid_sample_kernels{kernels};

}  // namespace tessera::cpu
