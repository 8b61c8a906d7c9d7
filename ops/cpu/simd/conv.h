// Inner loops of convolutions. A tile is a run of output pixels times one or two blocks of sixteen
// output channels, held in registers while all taps of the kernel and all input channels are added.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

/// One position of the kernel: where its input row begins and its weights.
struct ConvTap {
  const float* in;       ///< at input channel 0, for output pixel 0 of the row
  const float* weights;  ///< [input channel, padded to whole blocks][output channel of the tile]
};

/// What is done to sums on their way out of the registers: the commonest epilogues.
struct ConvEnd {
  enum class Kind : uint8_t { none, clamp, slope, slopes } kind = Kind::none;
  const float* add = nullptr;     ///< added first; null: nothing. Lies as the output does, but for ...
  int64_t add_block = 0;          ///< ... the floats between its blocks of channels
  float low = 0, high = 0;        ///< clamp: the bounds; slope: `low` is the factor of negative values
  const float* slopes = nullptr;  ///< the factor of negative values for each output channel
};

struct ConvTile {
  const ConvTap* taps;
  int tap_count;
  int blocks;            ///< blocked: input blocks of sixteen; planar: input channels
  int last;              ///< blocked: channels in the last block
  int64_t at;            ///< floats from a tap's `in` to the tile's first pixel
  int64_t block_stride;  ///< floats between input blocks, or planes
  const float* bias;     ///< one float per output channel of the tile; null: zeros
  float* out;
  int64_t out_pixel;  ///< floats between output pixels
  int64_t out_block;  ///< floats between output blocks
  ConvEnd end;        ///< tiles only
  int columns;        ///< tiles of bf16: the outputs that are stored and added to; 0: all
  /// Blocked: memory that will be needed soon, brought near `fetch_step` floats further with every
  /// input channel, and `fetch_jump` more with every input block.
  const float* fetch;
  int64_t fetch_step, fetch_jump;
};

/// One axis of a depthwise convolution.
struct DepthwiseAxis {
  int64_t in, out, kernel, stride, dilation, pad;
};

/// One block of a depthwise convolution over a whole picture; pixels are sixteen channels.
struct DepthwisePlane {
  DepthwiseAxis y, x;
  const float* in;
  const float* weights;  ///< [kernel row][kernel column][16]
  const float* bias;     ///< 16
  float* out;
  ConvEnd end;
};

struct ConvSimd {
  static constexpr int max_pixels = 14, max_blocks = 3;
  using Tile = void (*)(const ConvTile&);
  int pixels[max_blocks + 1];                    ///< the widest tile by its output blocks; 0 where there is none
  Tile blocked[max_blocks + 1][max_pixels + 1];  ///< by blocks and pixels; input pixels are sixteen channels
  Tile planar[max_blocks + 1][max_pixels + 1];   ///< input pixels are single floats
  /// One block of a depthwise convolution over a run of pixels; weights are [16] per tap.
  void (*depthwise)(const ConvTile&, int64_t pixels);
  /// Output rows [begin, end) of a plane, whose input is read where it lies.
  void (*depthwise_rows)(const DepthwisePlane&, int64_t begin, int64_t end);
  /// Few output channels: sums run along the lanes. `outputs` <= 4; taps' weights are
  /// [outputs][blocks][16]; writes out[pixel * out_pixel + output * out_block].
  void (*few)(const ConvTile&, int64_t pixels, int outputs);
};

TESSERA_SIMD_FAMILY(ConvSimd, conv)

}  // namespace tessera::cpu
