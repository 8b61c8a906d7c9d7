// Sums of products of bytes by AMX: a pixel is 64 input channels, zeros of weights behind the last.
#pragma once

#include "ops/cpu/simd/quantized.h"

namespace tessera::cpu {

struct ByteSimd {
  static constexpr int pixel = 64;
  int pixels;  ///< of the widest tile
  /// One or two blocks of output channels over a row's pixels that are 64 bytes apart. Reads and writes sixteen
  /// pixels at a time, however many are asked for.
  void (*tile)(const QuantTile& tile, int blocks, int pixels);
  /// A thread calls these around its tiles.
  void (*begin)();
  void (*end)();
};

#ifdef __x86_64__
namespace amx {
extern const ByteSimd bytes;
}
inline const ByteSimd* byte_simd(Level level) { return level >= Level::amx ? &amx::bytes : nullptr; }
#else
inline const ByteSimd* byte_simd(Level) { return nullptr; }
#endif

}  // namespace tessera::cpu
