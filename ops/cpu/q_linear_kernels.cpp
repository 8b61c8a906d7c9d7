// QLinearAdd and QLinearMul of bytes: a chunk at a time as floats, which stay near.
#include <algorithm>

#include "ops/cpu/attrs.h"
#include "ops/cpu/chain.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/pieces.h"
#include "ops/cpu/simd/convert.h"
#include "ops/elementwise.h"

namespace tessera::cpu {
namespace {

constexpr int64_t chunk = 1024, bytes_per_task = 1 << 14, least_careful = 64;
constexpr size_t operands[] = {0, 3}, result = 6;  // a scale and a zero point lie behind each

bool is_byte(const Type& type) { return type.dtype == DType::uint8 || type.dtype == DType::int8; }

bool accepts(const CpuKernel&, const Problem& problem) {
  const Shape& out = problem.out[0].shape;
  if (!is_byte(problem.out[0]) || out.rank() > Space::max_rank) return false;
  for (const size_t i : operands)
    if (!broadcasts_to(problem.in[i].shape, out)) return false;
  return true;
}

int32_t zero_of(const Args& args, size_t operand) {
  if (!args.has_in(operand + 2)) return 0;
  const View& zero = args.in[operand + 2];
  return zero.type.dtype == DType::int8 ? *zero.as<const int8_t>() : *zero.as<const uint8_t>();
}

float scale_of(const Args& args, size_t operand) {
  return args.has_in(operand + 1) ? *args.in[operand + 1].as<const float>() : 1;
}

// A node's bytes, as `run` reads them.
struct Pair {
  ChainStep step;
  bool is_signed;
  float scales[2], scale;
  int32_t zeros[2], zero;
  bool one[2];  // an operand is one number along rows

  Pair(const CpuKernel& kernel, const Args& args, const Space& space)
      : is_signed(args.out[0].type.dtype == DType::int8),
        scale(args.has_in(result) ? *args.in[result].as<const float>() : 1),
        zero(zero_of(args, result - 1)) {
    step.function = static_cast<uint16_t>(kernel.member);
    for (int k = 0; k < 2; ++k) {
      scales[k] = scale_of(args, operands[k]), zeros[k] = zero_of(args, operands[k]);
      one[k] = space.row_length() > 1 && space.scalar_along_row(k);
    }
  }
};

// Bytes at once, where scales are such that few sums are in doubt.
class AtOnce {
 public:
  AtOnce(const Pair& p, const ConvertSimd& convert) : pair_bytes_(convert.pair_bytes) {
    const bool product = p.step.function == elementwise::Mul;
    bytes_ = {product,
              p.is_signed,
              {p.scales[0] / p.scale, p.scales[1] / p.scale},
              {p.zeros[0], p.zeros[1]},
              p.zero,
              {p.one[0] ? 0 : 1, p.one[1] ? 0 : 1}};
    if (product) bytes_.scales[0] = p.scales[0] * p.scales[1] / p.scale, bytes_.scales[1] = 0;
    // Scales are not negative; sums and products stay where `magic` rounds them.
    const float sum = bytes_.scales[0] + bytes_.scales[1];
    if (!(bytes_.scales[0] > 1e-30f && bytes_.scales[1] >= 0 && sum < 8)) pair_bytes_ = nullptr;
  }
  bool possible() const { return pair_bytes_ != nullptr; }
  /// How many of the first n were done.
  int64_t operator()(const std::byte* const from[2], std::byte* to, int64_t n) const {
    std::byte repeated[2][64];
    const std::byte* in[2];
    for (int k = 0; k < 2; ++k) {
      if (!bytes_.steps[k]) std::fill_n(repeated[k], sizeof repeated[k], *from[k]);
      in[k] = bytes_.steps[k] ? from[k] : repeated[k];
    }
    return pair_bytes_(bytes_, in[0], in[1], to, n);
  }

 private:
  decltype(ConvertSimd::pair_bytes) pair_bytes_;
  BytePair bytes_;
};

void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const View& out = args.out[0];
  if (out.elements() == 0) return;
  Space space(out.shape());
  for (const size_t i : operands) space.add(args.in[i].shape());
  space.collapse(false);
  const Pair pair(kernel, args, space);
  const ConvertSimd& convert = convert_simd(level());
  const auto dequantize = convert.dequantize[pair.is_signed ? 1 : 0];
  const MapSimd& simd = map_simd(level());
  const AtOnce at_once(pair, convert);
  const auto as_floats = [&](const std::byte* const from[2], std::byte* to, int64_t n) {
    float values[2][chunk];
    for (int k = 0; k < 2; ++k) {
      dequantize(from[k], pair.zeros[k], pair.scales[k], values[k], pair.one[k] ? 1 : n);
      if (pair.one[k]) std::fill_n(values[k], n, values[k][0]);
    }
    apply(simd, pair.step, values[0], values[1], Along::both, values[0], n);
    convert.quantize(values[0], pair.scale, static_cast<float>(pair.zero), pair.is_signed, to, n);
  };
  const int64_t length = space.row_length();
  for_pieces(space.rows(), length, chunk, bytes_per_task, threads, [&](int64_t row, int64_t first, int64_t count) {
    // Where one doubt follows another, as where scales are powers of two apart, more are taken as floats.
    int64_t careful = least_careful;
    for (int64_t at = first, last = first + count, n; at < last; at += n) {
      const std::byte* from[2];
      for (int k = 0; k < 2; ++k) from[k] = args.in[operands[k]].data + space.offset(k, row) + (pair.one[k] ? 0 : at);
      std::byte* to = out.data + row * length + at;
      n = at_once.possible() ? at_once(from, to, last - at) : 0;
      if (n > 0) {
        careful = least_careful;
        continue;
      }
      n = at_once.possible() ? std::min(careful, last - at) : last - at;
      careful *= 4;
      as_floats(from, to, n);
    }
  });
}

constexpr CpuKernel kernel(Text op, int function) {
  return {.op = op, .name = "map.bytes", .domain = "com.microsoft", .member = function, .accepts = accepts, .run = run};
}
constexpr CpuKernel kernels[] = {kernel("QLinearAdd", elementwise::Add), kernel("QLinearMul", elementwise::Mul)};

}  // namespace

extern const KernelFile q_linear_kernels;
const KernelFile q_linear_kernels{kernels};

}  // namespace tessera::cpu
