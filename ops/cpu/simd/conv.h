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
};

struct ConvSimd {
  static constexpr int max_pixels = 14;
  using Tile = void (*)(const ConvTile&);
  int pixels;                       ///< the widest tile
  int blocks;                       ///< output blocks of the widest tile
  Tile blocked[2][max_pixels + 1];  ///< by blocks - 1 and pixels; input pixels are sixteen channels
  Tile planar[2][max_pixels + 1];   ///< input pixels are single floats
  /// One block of a depthwise convolution over a run of pixels; weights are [16] per tap.
  void (*depthwise)(const ConvTile&, int64_t pixels);
  /// Few output channels: sums run along the lanes. `outputs` <= 4; taps' weights are
  /// [outputs][blocks][16]; writes out[pixel * out_pixel + output * out_block].
  void (*few)(const ConvTile&, int64_t pixels, int outputs);
};

TESSERA_SIMD_FAMILY(ConvSimd, conv)

}  // namespace tessera::cpu
