// The way of a quantized operator's sums to its results: its scale, its own quantization if it has
// one, then the node's epilogue, as steps that the vector code takes in one pass.
#pragma once

#include "ops/cpu/chain.h"
#include "ops/cpu/simd/quantized.h"

namespace tessera::cpu {

/// Inputs of QLinearConv, QuantizedConv and QuantizedGemm.
namespace quant {
enum In : size_t { x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias };
}

class QuantSteps {
 public:
  static constexpr int most = 40;

  /// Whether every entry of the epilogue has a step, and what comes out fits the node's output. Operands
  /// are numbers, one number per channel (constants, both), or quantized tensors of the output's shape. The channels
  /// of a `gemm` come last.
  static bool fits(const Problem& problem, bool gemm);
  /// `scale` and `shift` are per channel, padded to whole blocks; `shift` may be null. `scratch` holds operand_bytes.
  void start(const Args& args, int64_t channels, const float* scale, const float* shift, float* scratch);

  /// One block of channels over `pixels` pixels, into the output at element `offset`.
  void finish(const QuantSimd& simd, const int32_t* sums, int64_t channel, int64_t offset, int64_t pixels,
              std::byte* out) const;
  bool to_bytes() const { return bytes_; }
  int element_size() const { return bytes_ ? 1 : 4; }

 private:
  void to_integers(float zero, bool is_signed);
  void push(QuantOp op, float a = 0, float b = 0, const float* lanes = nullptr);

  QuantStep steps_[most];
  int count_ = 0;
  bool bytes_ = false;  ///< values are to be rounded and clamped to bytes with this zero point
  bool signed_ = false;
  float zero_ = 0;
};

}  // namespace tessera::cpu
