// MatMul and Gemm through a statically linked serial OpenBLAS, in builds with TESSERA_OPENBLAS; the
// list is empty in all others. Our own packed product is faster wherever it was measured, so these are
// offered only where the environment says TESSERA_OPENBLAS=1. Rows are divided in fixed blocks, so that
// results do not depend on the number of threads.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "ops/cpu/attrs.h"
#include "ops/cpu/chain.h"
#include "ops/cpu/kernel.h"

#ifdef TESSERA_OPENBLAS
extern "C" void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a,
                            int lda, const float* b, int ldb, float beta, float* c, int ldc);
#endif

namespace tessera::cpu {
namespace {

#ifdef TESSERA_OPENBLAS

constexpr int row_major = 101, as_is = 111, transposed = 112;
constexpr int64_t row_block = 192;
constexpr int64_t large = 1 << 18;  // multiplications from which on the call pays

enum Member { matmul, gemm };

// One product of [m,k] by [k,n]: leading axes of A are rows, B is one matrix.
struct Matrices {
  int64_t m = 0, n = 0, k = 0;
  bool trans_a = false, trans_b = false;
  float alpha = 1;

  Matrices(const CpuKernel& kernel, const AttrReader& attrs, const Shape& a, const Shape& b) {
    if (kernel.member == gemm) {
      trans_a = attrs.integer("transA") != 0;
      trans_b = attrs.integer("transB") != 0;
      alpha = attrs.real("alpha");
    }
    k = trans_b ? b[1] : b[0];
    n = trans_b ? b[0] : b[1];
    m = trans_a ? a[1] : a.elements(0, a.size() - 1);
  }
};

bool wanted() {
  static const bool asked = [] {
    const char* value = std::getenv("TESSERA_OPENBLAS");
    return value && std::strcmp(value, "1") == 0;
  }();
  return asked;
}

bool fits_int(int64_t value) { return value < (int64_t{1} << 31); }

bool accepts(const CpuKernel& kernel, const Problem& problem) {
  if (!wanted()) return false;
  const Shape &a = problem.in[0].shape, &b = problem.in[1].shape;
  for (size_t i = 0; i < problem.node.op_inputs(); ++i)
    if (problem.node.in[i] != absent && !is_float32(problem.in[i])) return false;
  if (a.size() < 2 || b.size() != 2 || problem.out[0].shape.rank() > Space::max_rank) return false;
  if (has_input(problem, 2) && !broadcasts_to(problem.in[2].shape, problem.out[0].shape)) return false;
  const Matrices m(kernel, AttrReader(problem.node), a, b);
  return m.m * m.n * m.k >= large && m.m > 1 && m.n > 1 && fits_int(m.m * m.k) && fits_int(m.n * m.k) &&
         fits_int(m.m * m.n);
}

void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const View& out = args.out[0];
  const Matrices p(kernel, args, args.in[0].shape(), args.in[1].shape());
  const MapSimd& map = map_simd(level());
  Space space(out.shape());
  const float beta = kernel.member == gemm ? args.real("beta") : 0;
  const bool bias = beta != 0 && args.node().op_inputs() > 2 && args.has_in(2);
  const int bias_operand = bias ? space.add(args.in[2].shape()) : 0;
  const Chain chain(args, &space);
  space.collapse(true);
  const auto m = static_cast<int>(p.m), n = static_cast<int>(p.n), k = static_cast<int>(p.k);
  const auto block = [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row += row_block) {
      const int rows = static_cast<int>(std::min(row_block, end - row));
      const float* a = args.in[0].as<const float>() + (p.trans_a ? row : row * p.k);
      float* c = out.as<float>() + row * p.n;
      cblas_sgemm(row_major, p.trans_a ? transposed : as_is, p.trans_b ? transposed : as_is, rows, n, k, p.alpha, a,
                  p.trans_a ? m : k, args.in[1].as<const float>(), p.trans_b ? k : n, 0, c, n);
      for (int64_t r = 0; r < rows; ++r) {
        float* values = c + r * p.n;
        if (bias) {
          const bool one = space.scalar_along_row(bias_operand);
          map.add_scaled(args.in[2].as<const float>() + space.offset(bias_operand, row + r), one, beta, values, p.n);
        }
        apply_to_row(map, chain, space, args.in, row + r, 0, values, p.n);
      }
    }
  };
  threads.parallel(p.m, row_block, block);
}

constexpr CpuKernel of(Text op, Member member) {
  return {.op = op,
          .name = "openblas",
          .member = member,
          .rank = 2,
          .accepts = accepts,
          .accepts_epilogue = chain_fits,
          .run = run};
}
constexpr CpuKernel blas_kernels[] = {of("MatMul", matmul), of("Gemm", gemm)};
constexpr List<CpuKernel> kernels{blas_kernels};

#else

constexpr List<CpuKernel> kernels{};

#endif

}  // namespace

extern const KernelFile openblas_kernels;
const KernelFile openblas_kernels{kernels};

}  // namespace tessera::cpu
