// A node's epilogue for kernels that make their output in blocks of sixteen channels: its steps up
// to a DepthToSpace or a whole-tensor operand are applied to blocked spans, the rest to rows.
#pragma once

#include "ops/cpu/chain.h"
#include "ops/cpu/layout.h"
#include "ops/cpu/simd/conv.h"

namespace tessera::cpu {

class Epilogue {
 public:
  static constexpr int max_steps = Chain::max_steps;

  /// Whether every step has a vector form and every operand is one number, one number per channel
  /// (constants, both), or a float32 tensor of the output's shape that comes in the output's layout.
  /// A blocked output takes a DepthToSpace that gives whole blocks and steps that are the same for all channels.
  static bool fits(const Problem& problem, Layout out);
  /// Block size of a node's DepthToSpace; 1: none.
  static int shuffle_of(const Node& node);

  /// Reads the node's epilogue. `channels` are the operator's own, before any DepthToSpace; `scratch` holds
  /// operand_bytes. Without `blocks` all of it is left to apply_row.
  void start(const Args& args, Layout out, int64_t channels, bool blocks, float* scratch);

  int shuffle() const { return shuffle_; }
  bool shuffle_crd() const { return crd_; }
  bool row_steps() const { return blocked_ < count_; }

  /// Whether inner loops can do the blocked part themselves, as `result` says for the whole output:
  /// `add` and `slopes` are where those of output 0 and channel 0 lie; nothing where they cannot. Planes of
  /// `add` are `add_block` floats apart, which need not be what the output's are.
  bool ends(ConvEnd& result) const;
  /// The same for channel block `block` of the output, which begins `offset` floats from the output's beginning.
  ConvEnd end_at(ConvEnd whole, int64_t block, int64_t offset) const {
    if (whole.add) whole.add += offset + block * (whole.add_block - plane_);
    if (whole.slopes) whole.slopes += block * block_size;
    return whole;
  }
  /// The blocked part over `pixels` whole pixels of channel block `block`, of one picture if planes of operands
  /// differ; `offset` is the distance in floats from the output tensor's beginning, for operands of its shape.
  void apply_blocked(const MapSimd& simd, float* values, int64_t pixels, int64_t block, int64_t offset) const;
  /// The rest over `n` elements of one channel of a row-major output at `offset`.
  void apply_row(const MapSimd& simd, float* values, int64_t n, int64_t channel, int64_t offset) const;

 private:
  enum class From : uint8_t { none, number, channel, tensor };
  struct Step : ChainStep {
    From from = From::none;
    const float* data = nullptr;  // of the operand
    int64_t plane = 0;            // of a blocked tensor: floats from one block to the next
  };
  static From operand_kind(const Type& operand, bool constant, const Shape& out);
  static void apply(const MapSimd& simd, const Step& step, float* values, const float* data, bool lanes, int64_t n);
  void find_padding(const MapSimd& simd, int64_t channels);

  int count_ = 0, blocked_ = 0, shuffle_ = 1;
  bool crd_ = false;
  int padding_from_ = block_size;  ///< lanes from here on must be zeroed ...
  int64_t last_block_ = -1;        ///< ... in this block
  int64_t plane_ = 0;              ///< floats from one block of a blocked output to the next
  Step steps_[max_steps];
};

}  // namespace tessera::cpu
