// QLinearAdd and QLinearMul of bytes: a chunk at a time as floats, which stay near.
#include <algorithm>

#include "ops/cpu/attrs.h"
#include "ops/cpu/chain.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/convert.h"
#include "ops/elementwise.h"

namespace tessera::cpu {
namespace {

constexpr int64_t chunk = 1024, bytes_per_task = 1 << 14;
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

void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const View& out = args.out[0];
  if (out.elements() == 0) return;
  Space space(out.shape());
  for (const size_t i : operands) space.add(args.in[i].shape());
  space.collapse(false);
  const bool is_signed = out.type.dtype == DType::int8;
  const ConvertSimd& convert = convert_simd(level());
  const auto dequantize = convert.dequantize[is_signed ? 1 : 0];
  const MapSimd& simd = map_simd(level());
  ChainStep step;
  step.function = static_cast<uint16_t>(kernel.member);
  // What sets an operand's and the result's bytes apart.
  float scales[2];
  int32_t zeros[2];
  bool one[2];
  const int64_t length = space.row_length(), piece = std::min(length, chunk), pieces = (length + piece - 1) / piece;
  for (int k = 0; k < 2; ++k) {
    scales[k] = scale_of(args, operands[k]), zeros[k] = zero_of(args, operands[k]);
    one[k] = length > 1 && space.scalar_along_row(k);
  }
  const float scale = args.has_in(result) ? *args.in[result].as<const float>() : 1;
  const auto zero = static_cast<float>(zero_of(args, result - 1));
  threads.parallel(space.rows() * pieces, std::max<int64_t>(1, bytes_per_task / piece),
                   [&](int64_t begin, int64_t end, int) {
                     float values[2][chunk];
                     for (int64_t item = begin; item < end; ++item) {
                       const int64_t row = item / pieces, at = item % pieces * piece, n = std::min(piece, length - at);
                       for (int k = 0; k < 2; ++k) {
                         const std::byte* from = args.in[operands[k]].data + space.offset(k, row) + (one[k] ? 0 : at);
                         dequantize(from, zeros[k], scales[k], values[k], one[k] ? 1 : n);
                         if (one[k]) std::fill_n(values[k], n, values[k][0]);
                       }
                       apply(simd, step, values[0], values[1], Along::both, values[0], n);
                       convert.quantize(values[0], scale, zero, is_signed, out.data + row * length + at, n);
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
