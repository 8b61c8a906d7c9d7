#include "ops/cpu/quantized_steps.h"

#include <algorithm>
#include <limits>

#include "ops/cpu/attrs.h"
#include "ops/elementwise.h"
#include "runtime/base/rounding.h"

namespace tessera::cpu {
namespace {

bool is_bytes(DType type) { return type == DType::uint8 || type == DType::int8; }

float low_of(bool is_signed) { return is_signed ? -128.0f : 0.0f; }
float high_of(bool is_signed) { return is_signed ? 127.0f : 255.0f; }

float byte_of(const View& view) {
  return view.type.dtype == DType::int8 ? static_cast<float>(*view.as<const int8_t>())
                                        : static_cast<float>(*view.as<const uint8_t>());
}

// Whether there is a step for it, with an operand of that kind.
bool has_step(const Fused& fused, const Problem& problem, bool gemm) {
  using namespace elementwise;
  if (fused.kind != Fused::Kind::function) return !fused.shuffles();
  switch (fused.function) {
    case Relu:
    case LeakyRelu:
    case Clip: return true;
    case Add:
    case Mul:
    case PRelu: break;
    default: return false;
  }
  const auto index = static_cast<size_t>(fused.operand);
  const Type& operand = problem.in[index];
  const Shape& out = problem.out[0].shape;
  if (problem.constants[index])
    return !(fused.swapped && fused.is(PRelu)) && is_float32(operand) &&
           varies(operand.shape, out, gemm ? out.rank() - 1 : 1) != Varies::other;
  return fused.is(Add) && is_bytes(operand.dtype) && operand.shape == out && !gemm;
}

}  // namespace

bool QuantSteps::fits(const Problem& problem, bool gemm) {
  bool integers = has_input(problem, quant::y_zero);
  DType type = integers ? problem.in[quant::y_zero].dtype : DType::float32;
  for (const Fused& fused : problem.node.epilogue) {
    if (!has_step(fused, problem, gemm)) return false;
    // Only a step from integers follows integers.
    if (integers != fused.dequantizes()) return false;
    integers = fused.quantizes();
    type = !integers ? DType::float32 : fused.kind == Fused::Kind::quantize_s8 ? DType::int8 : DType::uint8;
  }
  return problem.node.epilogue.size() * 3 + 4 <= most && type == problem.out[0].dtype;
}

void QuantSteps::push(QuantOp op, float a, float b, const float* lanes) {
  steps_[count_++] = {op, false, a, b, lanes, nullptr};
}

// The rounding itself is left to the store, or to a step back to real numbers.
void QuantSteps::to_integers(float zero, bool is_signed) {
  zero_ = zero;
  signed_ = is_signed;
  bytes_ = true;
}

void QuantSteps::start(const Args& args, int64_t channels, const float* scale, const float* shift, float* scratch) {
  using namespace elementwise;
  push(QuantOp::scale, 0, 0, scale);
  if (shift) push(QuantOp::shift, 0, 0, shift);
  const Node& node = args.node();
  if (quant::y_zero < node.op_inputs() && args.has_in(quant::y_zero))
    to_integers(byte_of(args.in[quant::y_zero]), args.in[quant::y_zero].type.dtype == DType::int8);
  for (const Fused& fused : node.epilogue) {
    if (fused.quantizes()) {
      if (fused.a != 1.0f) push(QuantOp::multiply, 1.0f / fused.a);
      to_integers(fused.b, fused.kind == Fused::Kind::quantize_s8);
      continue;
    }
    if (fused.dequantizes()) {
      push(QuantOp::round, low_of(signed_) - zero_, high_of(signed_) - zero_);
      if (zero_ != fused.b) push(QuantOp::add, zero_ - fused.b);
      if (fused.a != 1.0f) push(QuantOp::multiply, fused.a);
      bytes_ = false;
      continue;
    }
    switch (fused.function) {
      case Relu: push(QuantOp::clip, 0.0f, std::numeric_limits<float>::infinity()); break;
      case Clip: push(QuantOp::clip, std::min(fused.a, fused.b), fused.b); break;
      case LeakyRelu: {
        float* lanes = scratch;
        scratch += round_up(channels, block_size);
        std::fill_n(lanes, round_up(channels, block_size), fused.a);
        push(QuantOp::slope, 0, 0, lanes);
        break;
      }
      default: {
        const View& operand = args.in[static_cast<size_t>(fused.operand)];
        if (is_bytes(operand.type.dtype)) {
          push(QuantOp::plus, fused.a, fused.b);
          steps_[count_ - 1].is_signed = operand.type.dtype == DType::int8;
          steps_[count_ - 1].operand = operand.data;
          break;
        }
        const QuantOp op = fused.is(Add) ? QuantOp::shift : fused.is(Mul) ? QuantOp::scale : QuantOp::slope;
        push(op, 0, 0, lanes_of(operand, channels, scratch));
      }
    }
  }
}

void QuantSteps::finish(const QuantSimd& simd, const int32_t* sums, int64_t channel, int64_t offset, int64_t pixels,
                        std::byte* out) const {
  const QuantSpan span{steps_, count_, channel, offset, pixels};
  if (bytes_)
    simd.to_bytes(sums, span, static_cast<int32_t>(zero_), signed_, out);
  else
    simd.to_floats(sums, span, reinterpret_cast<float*>(out));
}

}  // namespace tessera::cpu
