// MatMul of float64: panels of columns are packed by each thread, a piece of the depth at a time.
#include <algorithm>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/wide.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

// Matrices of two axes or more, those of the right operand perhaps shared.
bool accepts(const CpuKernel&, const Problem& problem) {
  const Shape &a = problem.in[0].shape, &b = problem.in[1].shape;
  if (problem.out[0].dtype != DType::float64 || a.rank() < 2 || b.rank() < 2 || problem.out[0].shape.elements() == 0)
    return false;
  return b.rank() == 2 || (a.rank() == b.rank() && std::equal(a.begin(), a.end() - 2, b.begin()));
}

int64_t panel_bytes() { return WideSimd::depth * wide_simd(level()).columns * int64_t{sizeof(double)}; }

int64_t scratch(const CpuKernel&, const Problem&, int threads) { return panel_bytes() * threads; }

void run(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const WideSimd& simd = wide_simd(level());
  const Shape &a = args.in[0].shape(), &b = args.in[1].shape();
  const int64_t depth = a.back(), n = b.back(), shared = b.rank() == 2;
  const int64_t m = shared ? a.elements() / std::max<int64_t>(1, depth) : a[a.size() - 2];
  const int64_t batch = shared ? 1 : a.elements(0, a.size() - 2), panels = ceil_div(n, simd.columns);
  const auto *left = args.in[0].as<const double>(), *right = args.in[1].as<const double>();
  auto* out = args.out[0].as<double>();
  if (depth == 0) {
    std::fill_n(out, args.out[0].elements(), 0.0);
    return;
  }
  threads.parallel(batch * panels, 1, [&](int64_t begin, int64_t end, int worker) {
    auto* panel = reinterpret_cast<double*>(args.scratch + worker * panel_bytes());
    for (int64_t item = begin; item < end && !stop_requested(); ++item) {
      const int64_t matrix = item / panels, first = item % panels * simd.columns;
      const int columns = static_cast<int>(std::min<int64_t>(simd.columns, n - first));
      for (int64_t k = 0; k < depth; k += WideSimd::depth) {
        const int64_t piece = std::min(WideSimd::depth, depth - k);
        for (int64_t i = 0; i < piece; ++i) {
          const double* from = right + (matrix * depth + k + i) * n + first;
          std::fill(std::copy_n(from, columns, panel + i * simd.columns), panel + (i + 1) * simd.columns, 0.0);
        }
        for (int64_t row = 0; row < m; row += simd.rows)
          simd.tile(left + (matrix * m + row) * depth + k, depth, panel, piece,
                    static_cast<int>(std::min<int64_t>(simd.rows, m - row)), columns, k > 0,
                    out + (matrix * m + row) * n + first, n);
      }
    }
  });
}

constexpr CpuKernel kernels[] = {
    {.op = "MatMul", .name = "matmul.double", .accepts = accepts, .scratch = scratch, .run = run}};

}  // namespace

extern const KernelFile wide_kernels;
const KernelFile wide_kernels{kernels};

}  // namespace tessera::cpu
