// The host's side of shaders/common/finish8.glsl: what matrix shaders apply to their sums before they store them.
#pragma once

#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

#include "shaders/params/finish8.h"

/// The DepthToSpace among a node's functions, or null.
const Fused* shuffle_of(List<Fused> functions);

/// Output channels as DepthToSpace wants them: it leaves in the order CRD; of one in the order DCR, the channels change
/// places. They are filled up to whole tiles.
struct ChannelOrder {
  int64_t padded = 0;
  int64_t cells = 1;         ///< of DepthToSpace
  bool depth_first = false;  ///< its order is DCR
  bool shuffled = false;     ///< values are for channels behind it

  ChannelOrder() = default;
  /// In 50 bits, as a Pack is told it.
  explicit ChannelOrder(int64_t code)
      : padded(code & 0xffffff), cells(code >> 32 & 0xffff), depth_first(code >> 48 & 1), shuffled(code >> 49 & 1) {}
  int64_t code() const { return padded | cells << 32 | int64_t{depth_first} << 48 | int64_t{shuffled} << 49; }
  /// The node's channel that is the packed one's, of `channels`.
  int64_t source(int64_t packed, int64_t channels) const {
    return depth_first ? packed % cells * (channels / cells) + packed / cells : packed;
  }
};

/// Whether functions can be applied to pictures in blocks of 16 channels, 8 at a time: operands are constants, one
/// value for each channel, or lie as the result does.
bool finishes_pictures(const Problem& problem, List<Fused> functions, const Shape& before);
/// Whether they can be applied to rows, 8 elements at a time.
bool finishes_rows(const Problem& problem, List<Fused> functions, const Shape& before);

/// What is applied to the results of one node.
class Finish {
 public:
  /// To pictures in blocks of channels; `bias`: the input that is one, or 0.
  static Finish of_pictures(const Problem& problem, size_t bias);
  /// To rows of `columns` elements that lie one behind the other, `rows` of them.
  static Finish of_rows(const Problem& problem, List<Fused> functions, const Loop& loop, int64_t rows, int64_t columns);

  Finish8Params params{};
  ChannelOrder order;
  uint32_t channel_rows = 1;  ///< of values for each channel

  /// Sets what finish8.glsl wants of constants, and binds operands, bias and output 0.
  void add(const Recorder& recorder, Dispatch& dispatch) const;

 private:
  Finish(const Problem& problem, List<Fused> functions);
  bool is_constant(const Fused& fused) const { return problem_->constants[static_cast<size_t>(fused.operand)]; }

  const Problem* problem_;
  std::vector<Fused> functions_;
  size_t bias_ = 0;
  bool rows_ = false;
  uint32_t by_channel_ = 0;
};

/// Halves that begin or end at multiples of all of these are aligned together: 8, 4, 2 or 1.
uint32_t common_width(std::initializer_list<int64_t> extents);

}  // namespace tessera::vulkan
