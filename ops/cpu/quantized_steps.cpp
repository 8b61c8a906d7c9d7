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

// Whether a constant is one number, or one per channel of the output.
bool per_channel(const Shape& operand, const Shape& out, int axis) {
  if (operand.rank() > out.rank()) return false;
  if (operand.elements() == 1) return true;
  for (int i = 0; i < operand.rank(); ++i) {
    const int at = out.rank() - operand.rank() + i;
    if (operand[static_cast<size_t>(i)] != (at == axis ? out[static_cast<size_t>(axis)] : 1)) return false;
  }
  return true;
}

// What a row does, with an operand of that kind; whether there is a step for it.
bool has_step(const Fused& row, const Problem& problem) {
  using namespace elementwise;
  switch (row.row) {
    case Fused::quantize_u8:
    case Fused::quantize_s8:
    case Fused::dequantize:
    case Relu:
    case LeakyRelu:
    case Clip: return true;
    case Add:
    case Mul:
    case PRelu: break;
    default: return false;
  }
  const auto index = static_cast<size_t>(row.operand);
  const Type& operand = problem.in[index];
  const Shape& out = problem.out[0].shape;
  const bool gemm = problem.node.op->name == "QuantizedGemm";
  if (problem.constants[index])
    return !(row.swapped && row.row == PRelu) && is_float32(operand) &&
           per_channel(operand.shape, out, gemm ? out.rank() - 1 : 1);
  return row.row == Add && is_bytes(operand.dtype) && operand.shape == out && !gemm;
}

}  // namespace

bool QuantSteps::fits(const Problem& problem) {
  bool integers = has_input(problem, quant::y_zero);
  DType type = integers ? problem.in[quant::y_zero].dtype : DType::float32;
  for (const Fused& row : problem.node.epilogue) {
    if (!has_step(row, problem)) return false;
    // Only a step from integers follows integers.
    if (integers != (row.row == Fused::dequantize)) return false;
    integers = row.row == Fused::quantize_u8 || row.row == Fused::quantize_s8;
    type = !integers ? DType::float32 : row.row == Fused::quantize_s8 ? DType::int8 : DType::uint8;
  }
  return problem.node.epilogue.size() * 3 + 4 <= most && type == problem.out[0].dtype;
}

int64_t QuantSteps::scratch_floats(const Node& node, int64_t channels) {
  return static_cast<int64_t>(node.epilogue.size()) * round_up(channels, 16);
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

// One number per channel, behind the last one zeros.
const float* QuantSteps::lanes_of(const View& operand, int64_t channels, float*& scratch) {
  float* lanes = scratch;
  scratch += round_up(channels, 16);
  const auto* values = operand.as<const float>();
  const bool single = operand.elements() == 1;
  for (int64_t c = 0; c < channels; ++c) lanes[c] = values[single ? 0 : c];
  std::fill(lanes + channels, lanes + round_up(channels, 16), 0.0f);
  return lanes;
}

void QuantSteps::start(const Args& args, int64_t channels, const float* scale, const float* shift, float* scratch) {
  using namespace elementwise;
  push(QuantOp::scale, 0, 0, scale);
  if (shift) push(QuantOp::shift, 0, 0, shift);
  const Node& node = args.node();
  if (quant::y_zero < node.op_inputs() && args.has_in(quant::y_zero))
    to_integers(byte_of(args.in[quant::y_zero]), args.in[quant::y_zero].type.dtype == DType::int8);
  for (const Fused& row : node.epilogue) {
    switch (row.row) {
      case Fused::quantize_u8:
      case Fused::quantize_s8:
        if (row.a != 1.0f) push(QuantOp::multiply, 1.0f / row.a);
        to_integers(row.b, row.row == Fused::quantize_s8);
        break;
      case Fused::dequantize:
        push(QuantOp::round, low_of(signed_) - zero_, high_of(signed_) - zero_);
        if (zero_ != row.b) push(QuantOp::add, zero_ - row.b);
        if (row.a != 1.0f) push(QuantOp::multiply, row.a);
        bytes_ = false;
        break;
      case Relu: push(QuantOp::clip, 0.0f, std::numeric_limits<float>::infinity()); break;
      case Clip: push(QuantOp::clip, std::min(row.a, row.b), row.b); break;
      case LeakyRelu: {
        float* lanes = scratch;
        scratch += round_up(channels, 16);
        std::fill_n(lanes, round_up(channels, 16), row.a);
        push(QuantOp::slope, 0, 0, lanes);
        break;
      }
      default: {
        const View& operand = args.in[static_cast<size_t>(row.operand)];
        if (is_bytes(operand.type.dtype)) {
          push(QuantOp::plus, row.a, row.b);
          steps_[count_ - 1].is_signed = operand.type.dtype == DType::int8;
          steps_[count_ - 1].operand = operand.data;
          break;
        }
        const QuantOp op = row.row == Add ? QuantOp::shift : row.row == Mul ? QuantOp::scale : QuantOp::slope;
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
