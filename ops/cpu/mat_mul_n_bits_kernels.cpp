// MatMulNBits of float32. A few rows are multiplied with the columns' bits as they are; for more of them columns of 4
// or 8 bits become floats just before they are multiplied, a panel of them at a time, so that memory gives bits and not
// floats.
#include <algorithm>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/bits.h"
#include "ops/cpu/simd/gemm.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

constexpr int64_t few_rows = 4;

enum In { a_in, b_in, scales_in, zeros_in, order_in, bias_in };

struct Packing {
  int64_t k, n, bits, block, blocks;

  explicit Packing(const AttrReader& r)
      : k(r.integer("K")),
        n(r.integer("N")),
        bits(r.integer("bits")),
        block(r.integer("block_size")),
        blocks(ceil_div(k, block)) {}
  /// Floats of a column, and of a panel of them, in a thread's scratch.
  int64_t column() const { return round_up(blocks * block, 16); }
  int64_t floats(int64_t columns) const { return columns * (column() + round_up(k, 16)); }
};

bool accepts(const CpuKernel&, const Problem& problem) {
  const Packing p{AttrReader(problem.node)};
  if (has_input(problem, order_in)) return false;
  if ((p.bits != 4 && p.bits != 8) || !is_float32(problem.in[a_in]) || !is_float32(problem.in[scales_in])) return false;
  if (has_input(problem, zeros_in) && !is_float32(problem.in[zeros_in]) && problem.in[zeros_in].dtype != DType::uint8)
    return false;
  return !has_input(problem, bias_in) || is_float32(problem.in[bias_in]);
}

int64_t scratch(const CpuKernel&, const Problem& problem, int threads) {
  return Packing(AttrReader(problem.node)).floats(gemm_simd(level()).nr) * threads * int64_t{sizeof(float)};
}

class Columns {
 public:
  Columns(const Args& args, const Packing& p) : p_(p), simd_(bits_simd(level())) {
    weights_ = args.in[b_in].as<const uint8_t>();
    scales_ = args.in[scales_in].as<const float>();
    if (!args.has_in(zeros_in)) return;
    const View& zeros = args.in[zeros_in];
    (zeros.type.dtype == DType::uint8 ? packed_zeros_ : real_zeros_) = zeros.data;
  }

  void widen(int64_t c, float* out) const {
    const int64_t bytes = p_.block * p_.bits / 8;
    const auto widen = p_.bits == 4 ? simd_.widen4 : simd_.widen8;
    for (int64_t b = 0; b < p_.blocks; ++b, out += p_.block) {
      const int64_t at = c * p_.blocks + b;
      widen(weights_ + at * bytes, zero(c, b), scales_[at], out, p_.block);
    }
  }

  /// A row as products of columns read it.
  void split(const float* x, float* out) const {
    std::fill(std::copy_n(x, p_.k, out), out + p_.column(), 0.0f);
    for (float* group = out; p_.bits == 4 && group < out + p_.k; group += 32) {
      float own[32];
      std::copy_n(group, 32, own);
      for (int i = 0; i < 16; ++i) group[i] = own[2 * i], group[16 + i] = own[2 * i + 1];
    }
  }

  /// y[r * n + c] of `count` columns from `first` on, one of them or as many as are multiplied at a time.
  void multiply(int64_t first, int count, const float* x, int64_t rows, float* zeros, float* y) const {
    if (packed_zeros_ || real_zeros_) {
      for (int c = 0; c < count; ++c)
        for (int64_t b = 0; b < p_.blocks; ++b) zeros[c * p_.blocks + b] = zero(first + c, b);
    } else {
      std::fill_n(zeros, count * p_.blocks, zero(0, 0));
    }
    BitsDots dots{
        p_.blocks, p_.block, x, weights_ + first * p_.blocks * p_.block * p_.bits / 8, scales_ + first * p_.blocks,
        zeros};
    float sums[BitsSimd::columns];
    for (int64_t r = 0; r < rows; ++r, dots.x += p_.column()) {
      (p_.bits == 4 ? simd_.dots4 : simd_.dots8)[count > 1](dots, sums);
      std::copy_n(sums, count, y + r * p_.n + first);
    }
  }

 private:
  float zero(int64_t c, int64_t b) const {
    if (real_zeros_) return reinterpret_cast<const float*>(real_zeros_)[c * p_.blocks + b];
    if (!packed_zeros_) return p_.bits == 4 ? 8.0f : 128.0f;
    const int64_t row = ceil_div(p_.blocks * p_.bits, 8);
    const auto byte = static_cast<int>(packed_zeros_[c * row + b * p_.bits / 8]);
    return static_cast<float>(p_.bits == 8 ? byte : b % 2 ? byte >> 4 : byte & 15);
  }

  const Packing& p_;
  const BitsSimd& simd_;
  const uint8_t* weights_ = nullptr;
  const float* scales_ = nullptr;
  const std::byte *packed_zeros_ = nullptr, *real_zeros_ = nullptr;
};

// Of each thread: the rows, and the zero points of the columns at hand.
void run_few_rows(const Args& args, const Packing& p, const Columns& columns, int64_t rows, Threads& threads) {
  constexpr int64_t step = BitsSimd::columns;
  const auto* x = args.in[a_in].as<const float>();
  const float* bias = args.has_in(bias_in) ? args.in[bias_in].as<const float>() : nullptr;
  auto* y = args.out[0].as<float>();
  const int64_t room = p.floats(gemm_simd(level()).nr), groups = ceil_div(p.n, step);
  threads.parallel(groups, std::max<int64_t>(1, (1 << 16) / p.column()), [&](int64_t begin, int64_t end, int worker) {
    float* own = reinterpret_cast<float*>(args.scratch) + worker * room;
    float* zeros = own + rows * p.column();
    for (int64_t r = 0; r < rows; ++r) columns.split(x + r * p.k, own + r * p.column());
    for (int64_t i = begin; i < end && !stop_requested(); ++i) {
      const int64_t first = i * step, last = std::min(first + step, p.n);
      if (last - first == step)
        columns.multiply(first, step, own, rows, zeros, y);
      else
        for (int64_t c = first; c < last; ++c) columns.multiply(c, 1, own, rows, zeros, y);
      for (int64_t r = 0; bias && r < rows; ++r)
        for (int64_t c = first; c < last; ++c) y[r * p.n + c] += bias[c];
    }
  });
}

void run(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  if (args.out[0].elements() == 0) return;
  const Packing p(args);
  const Columns columns(args, p);
  const GemmSimd& simd = gemm_simd(level());
  const int64_t rows = args.in[a_in].elements() / p.k;
  if (rows <= few_rows && p.block % 32 == 0) return run_few_rows(args, p, columns, rows, threads);
  const auto* x = args.in[a_in].as<const float>();
  const float* bias = args.has_in(bias_in) ? args.in[bias_in].as<const float>() : nullptr;
  auto* y = args.out[0].as<float>();
  threads.parallel(ceil_div(p.n, simd.nr), 1, [&](int64_t begin, int64_t end, int worker) {
    float* own = reinterpret_cast<float*>(args.scratch) + worker * p.floats(simd.nr);
    float* panel = own + simd.nr * p.column();
    for (int64_t i = begin; i < end && !stop_requested(); ++i) {
      const int64_t first = i * simd.nr, count = std::min<int64_t>(simd.nr, p.n - first);
      for (int64_t c = 0; c < count; ++c) columns.widen(first + c, own + c * p.column());
      simd.pack_b(own, 1, p.column(), p.k, static_cast<int>(count), 1, panel);
      for (int64_t r = 0; r < rows; r += simd.mr)
        simd.tile({.rows = static_cast<int>(std::min<int64_t>(simd.mr, rows - r)),
                   .columns = static_cast<int>(count),
                   .depth = p.k,
                   .a = x + r * p.k,
                   .a_row = p.k,
                   .a_depth = 1,
                   .b = panel,
                   .b_stride = simd.nr,
                   .c = y + r * p.n + first,
                   .ldc = p.n,
                   .start = bias ? bias + first : nullptr});
    }
  });
}

constexpr CpuKernel kernels[] = {{.op = "MatMulNBits",
                                  .name = "bits",
                                  .domain = "com.microsoft",
                                  .accepts = accepts,
                                  .scratch = scratch,
                                  .run = run}};

}  // namespace

extern const KernelFile mat_mul_n_bits_kernels;
const KernelFile mat_mul_n_bits_kernels{kernels};

}  // namespace tessera::cpu
