// Cast between the number types of real models, QuantizeLinear and DequantizeLinear with 8-bit
// integers, per tensor or per axis.
#include <algorithm>
#include <cmath>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/pieces.h"
#include "ops/cpu/simd/convert.h"
#include "ops/cpu/simd/reduce.h"
#include "ops/quantization.h"
#include "runtime/base/rounding.h"

namespace tessera::cpu {
namespace {

constexpr int64_t elements_per_task = 1 << 14;

int number_of(DType type) {
  switch (type) {
    case DType::float32: return static_cast<int>(Number::float32);
    case DType::float16: return static_cast<int>(Number::float16);
    case DType::float64: return static_cast<int>(Number::float64);
    case DType::int32: return static_cast<int>(Number::int32);
    case DType::int64: return static_cast<int>(Number::int64);
    case DType::uint8: return static_cast<int>(Number::uint8);
    case DType::int8: return static_cast<int>(Number::int8);
    case DType::boolean: return static_cast<int>(Number::boolean);
    default: return -1;
  }
}

ConvertSimd::Convert converter(DType from, DType to) {
  const int f = number_of(from), t = number_of(to);
  return f < 0 || t < 0 ? nullptr : convert_simd(level()).convert[f][t];
}

bool accepts_cast(const CpuKernel&, const Problem& problem) {
  return converter(problem.in[0].dtype, problem.out[0].dtype) != nullptr;
}

void cast_span(const Args& args, int64_t elements, Threads& threads) {
  const View &in = args.in[0], &out = args.out[0];
  const auto convert = converter(in.type.dtype, out.type.dtype);
  const int64_t from = bits_of(in.type.dtype) / 8, to = bits_of(out.type.dtype) / 8;
  threads.parallel(elements, elements_per_task, [&](int64_t begin, int64_t end, int) {
    convert(in.data + begin * from, out.data + begin * to, end - begin);
  });
}

void run_cast(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  cast_span(args, args.out[0].elements(), threads);
}

// A scale per tensor or per index of one axis: spans of `inner` elements share it.
struct Scales {
  int64_t count = 1, inner = 1, axis = 1;

  Scales(const AttrReader& attrs, const Shape& x, const Shape& scale) {
    inner = x.elements();
    if (scale.elements() != 1) {
      const auto at = static_cast<size_t>(axis_of(attrs, x.rank()));
      axis = x[at];
      inner = x.elements(at + 1, x.size());
    }
    count = inner ? x.elements() / inner : 0;
  }
};

bool accepts_scales(const Problem& problem) {
  const AttrReader attrs(problem.node);
  return is_float32(problem.in[1]) && attrs.integer("block_size") == 0 &&
         (problem.in[1].shape.elements() == 1 || problem.in[1].shape.size() == 1);
}

bool accepts_quantize(const CpuKernel&, const Problem& problem) {
  const DType to = problem.out[0].dtype;
  return is_float32(problem.in[0]) && (to == DType::uint8 || to == DType::int8) && accepts_scales(problem);
}

bool accepts_dequantize(const CpuKernel&, const Problem& problem) {
  const DType from = problem.in[0].dtype;
  return (from == DType::uint8 || from == DType::int8 || from == DType::int32) && is_float32(problem.out[0]) &&
         accepts_scales(problem);
}

int32_t zero_of(const Args& args, int64_t i) {
  if (args.in.size() < 3 || !args.has_in(2)) return 0;
  const View& zero = args.in[2];
  if (zero.type.dtype == DType::int32) {
    int32_t value;
    std::memcpy(&value, zero.data + i * 4, 4);
    return value;
  }
  return zero.type.dtype == DType::int8 ? zero.as<const int8_t>()[i] : zero.as<const uint8_t>()[i];
}

// Calls span(scale's index, first element, count) over pieces of the tensor.
template <class Span>
void for_spans(const Scales& s, Threads& threads, const Span& span) {
  if (s.count == 0) return;
  for_pieces(s.count, s.inner, elements_per_task, elements_per_task, threads,
             [&](int64_t row, int64_t at, int64_t n) { span(row % s.axis, row * s.inner + at, n); });
}

void run_quantize(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Scales scales(args, args.in[0].shape(), args.in[1].shape());
  const ConvertSimd& simd = convert_simd(level());
  const bool is_signed = args.out[0].type.dtype == DType::int8;
  for_spans(scales, threads, [&](int64_t scale, int64_t first, int64_t n) {
    simd.quantize(args.in[0].as<const float>() + first, args.in[1].as<const float>()[scale],
                  static_cast<float>(zero_of(args, scale)), is_signed, args.out[0].data + first, n);
  });
}

void run_dequantize(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const View& in = args.in[0];
  const Scales scales(args, in.shape(), args.in[1].shape());
  const int kind = in.type.dtype == DType::uint8 ? 0 : in.type.dtype == DType::int8 ? 1 : 2;
  const auto dequantize = convert_simd(level()).dequantize[kind];
  const int64_t size = kind == 2 ? 4 : 1;
  for_spans(scales, threads, [&](int64_t scale, int64_t first, int64_t n) {
    dequantize(in.data + first * size, zero_of(args, scale), args.in[1].as<const float>()[scale],
               args.out[0].as<float>() + first, n);
  });
}

// Scale and zero point from the least and the greatest element, and zero. NaNs do not count.
void run_dynamic(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  constexpr int64_t most = 64;
  const int64_t count = args.in[0].elements();
  const int64_t piece = std::max(elements_per_task, ceil_div(count, most)), pieces = ceil_div(count, piece);
  const auto* x = args.in[0].as<const float>();
  const ReduceSimd& reduce = reduce_simd(level());
  float lows[most], highs[most], low = 0, high = 0;
  threads.parallel(pieces, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = std::min(piece, count - i * piece);
      reduce.extremes(x + i * piece, n, &lows[i], &highs[i]);
      if (!std::isnan(lows[i])) continue;
      lows[i] = highs[i] = 0;
      for (int64_t k = i * piece; k < i * piece + n; ++k)
        lows[i] = std::min(lows[i], x[k]), highs[i] = std::max(highs[i], x[k]);
    }
  });
  for (int64_t i = 0; i < pieces; ++i) low = std::min(low, lows[i]), high = std::max(high, highs[i]);
  const float scale = high == low ? 1.0f : (high - low) / 255;
  const uint8_t zero = ops::dynamic_zero(low, scale);
  const ConvertSimd& simd = convert_simd(level());
  threads.parallel(pieces, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i)
      simd.quantize(x + i * piece, scale, zero, false, args.out[0].data + i * piece,
                    std::min(piece, count - i * piece));
  });
  *args.out[1].as<float>() = scale;
  *args.out[2].as<uint8_t>() = zero;
}

bool accepts_dynamic(const CpuKernel&, const Problem& problem) {
  return problem.node.out.size() == 3 && problem.node.out[1] != absent && problem.node.out[2] != absent;
}

// One scale for all: in blocks the same span of elements, if no channels are padding, whose zeros would
// become something else.
bool accepts_blocks(const Problem& problem) {
  return problem.in[0].shape.rank() == 4 && problem.in[0].shape[1] % block_size == 0 && !problem.constants[0] &&
         problem.in[1].shape.elements() == 1;
}
bool accepts_quantize_blocks(const CpuKernel& kernel, const Problem& problem) {
  return accepts_quantize(kernel, problem) && accepts_blocks(problem);
}
bool accepts_dequantize_blocks(const CpuKernel& kernel, const Problem& problem) {
  return problem.in[0].dtype != DType::int32 && accepts_dequantize(kernel, problem) && accepts_blocks(problem);
}

constexpr CpuKernel quantize{
    .op = "QuantizeLinear", .name = "quantize", .accepts = accepts_quantize, .run = run_quantize};
constexpr CpuKernel dequantize{
    .op = "DequantizeLinear", .name = "dequantize", .accepts = accepts_dequantize, .run = run_dequantize};

constexpr CpuKernel kernels[] = {
    {.op = "Cast", .name = "cast", .accepts = accepts_cast, .run = run_cast},
    {.op = "DynamicQuantizeLinear", .name = "dynamic_quantize", .accepts = accepts_dynamic, .run = run_dynamic},
    quantize,
    in_blocks(quantize, "quantize.nchw16c", accepts_quantize_blocks, run_quantize),
    dequantize,
    in_blocks(dequantize, "dequantize.nchw16c", accepts_dequantize_blocks, run_dequantize),
};

}  // namespace

extern const KernelFile convert_kernels;
const KernelFile convert_kernels{kernels};

}  // namespace tessera::cpu
