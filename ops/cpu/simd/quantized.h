// Inner loops of quantized convolutions and products: tiles of 32-bit sums, and the steps that turn
// sums into results. Input pixels are sixteen channels: bytes where the level multiplies bytes in
// groups of four, else the same values widened to 16 bits and multiplied in pairs. Both are exact.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

struct QuantTap {
  const std::byte* in;       ///< at input channel 0, for output pixel 0 of the row
  const std::byte* weights;  ///< [group of input channels][output channel of the tile][channel of the group]
};

struct QuantTile {
  const QuantTap* taps;
  int tap_count;
  int blocks;              ///< input blocks of sixteen channels
  int last;                ///< groups of channels in the last block
  int64_t at;              ///< bytes from a tap's `in` to the tile's first pixel
  int64_t second;          ///< bytes from a pixel of the tile's first row to the one below
  int64_t block_stride;    ///< bytes between input blocks
  const int32_t* bias;     ///< one per output channel of the tile
  int32_t* out;            ///< sixteen sums per pixel, row after row
  int64_t out_block;       ///< sums between output blocks
  const std::byte* ahead;  ///< what later tiles will read: asked for as the tile goes on
  int64_t ahead_step;      ///< bytes of it per input block; 0: none
};

/// What happens to a value on its way from a sum to a result.
enum class QuantOp : uint8_t {
  scale,     ///< x * lane
  shift,     ///< x + lane
  multiply,  ///< x * a
  add,       ///< x + a
  round,     ///< clamped to [a, b] and rounded to even
  slope,     ///< x < 0 ? x * lane : x
  clip,      ///< clamped to [a, b]
  plus,      ///< x + (operand - b) * a, an operand of bytes with that zero point
};

struct QuantStep {
  QuantOp op;
  bool is_signed;  ///< the operand's bytes
  float a, b;
  const float* lanes;        ///< one per channel
  const std::byte* operand;  ///< of the result's shape and layout
};

/// Sixteen channels of a run of pixels.
struct QuantSpan {
  const QuantStep* steps;
  int count;
  int64_t channel;  ///< of lane 0
  int64_t offset;   ///< elements from the result's beginning, for operands
  int64_t pixels;
};

struct QuantSimd {
  static constexpr int max_pixels = 14;
  using Tile = void (*)(const QuantTile&);
  using Tiles = Tile[2][2][max_pixels + 1];  ///< by rows - 1, output blocks - 1 and pixels per row
  int pixels;                                ///< of the widest tile
  int blocks;                                ///< output blocks of the widest tile
  bool has_quads;                            ///< whether the level multiplies bytes
  Tiles quads, pairs;                        ///< two rows of up to half as many pixels each
  /// One block of a depthwise convolution over pixels that are `step` bytes apart. A tap of quads is four
  /// neighbouring pixels and [16][4] weights; a tap of pairs is two and [16][2].
  void (*depthwise_quads)(const QuantTile&, int64_t pixels, int64_t step);
  void (*depthwise_pairs)(const QuantTile&, int64_t pixels, int64_t step);
  /// Copies pixels of `channels` bytes that are `step` bytes apart into pixels `to_step` bytes apart, with the bits
  /// of `flip` flipped, or widens them to 16 bits.
  void (*copy)(const std::byte* from, int64_t step, int channels, int64_t pixels, uint8_t flip, bool widen,
               std::byte* to, int64_t to_step);
  /// The same from planes: a pixel's channels are `plane` bytes apart.
  void (*gather)(const std::byte* from, int64_t step, int64_t plane, int channels, int64_t pixels, uint8_t flip,
                 bool widen, std::byte* to, int64_t to_step);
  /// Results as floats, or rounded to even, `zero` added and clamped to a byte's range.
  void (*to_floats)(const int32_t* sums, const QuantSpan& span, float* out);
  void (*to_bytes)(const int32_t* sums, const QuantSpan& span, int32_t zero, bool is_signed, std::byte* out);
};

TESSERA_SIMD_FAMILY_VNNI(QuantSimd, quantized)

}  // namespace tessera::cpu
