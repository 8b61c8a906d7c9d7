#include "ops/cpu/simd/bytes.h"

#include "ops/cpu/simd/amx.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

// R times sixteen pixels, B blocks.
template <int R, int B>
void add_tiles(const QuantTile& t) {
  constexpr int64_t pixel = 64, row = B * 64;
  // The bias in every row.
  _tile_loadd(0, t.bias, 0);
  if constexpr (B == 2) _tile_loadd(1, t.bias + 16, 0);
  if constexpr (R == 2) _tile_loadd(2, t.bias, 0);
  if constexpr (R == 2 && B == 2) _tile_loadd(3, t.bias + 16, 0);
  for (int i = 0; i < t.tap_count; ++i) {
    const std::byte* x = t.taps[i].in + t.at;
    const std::byte* w = t.taps[i].weights;
    for (int b = 0; b < t.blocks; ++b, x += t.block_stride, w += tile_rows * row) {
      _tile_loadd(4, x, pixel);
      _tile_loadd(6, w, row);
      _tile_dpbusd(0, 4, 6);
      if constexpr (R == 2) {
        _tile_loadd(5, x + tile_rows * pixel, pixel);
        _tile_dpbusd(2, 5, 6);
      }
      if constexpr (B == 2) {
        _tile_loadd(7, w + 64, row);
        _tile_dpbusd(1, 4, 7);
        if constexpr (R == 2) _tile_dpbusd(3, 5, 7);
      }
    }
  }
  int32_t* out = t.out;
  _tile_stored(0, out, pixel);
  if constexpr (R == 2) _tile_stored(2, out + tile_rows * 16, pixel);
  if constexpr (B == 2) _tile_stored(1, out + t.out_block, pixel);
  if constexpr (R == 2 && B == 2) _tile_stored(3, out + t.out_block + tile_rows * 16, pixel);
}

void tile(const QuantTile& t, int blocks, int pixels) {
  if (blocks == 2)
    (pixels > tile_rows ? add_tiles<2, 2> : add_tiles<1, 2>)(t);
  else
    (pixels > tile_rows ? add_tiles<2, 1> : add_tiles<1, 1>)(t);
}

}  // namespace

const ByteSimd bytes{2 * tile_rows, tile, begin_tiles, end_tiles};

}  // namespace tessera::cpu::TESSERA_LEVEL
