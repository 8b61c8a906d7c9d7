// AMX: eight registers of sixteen rows of 64 bytes. Kernels keep four of sums, two of input, two of weights.
#pragma once

#if defined(__AMX_TILE__) || defined(__AMXTILE__)  // GCC, and older clang

#include <immintrin.h>

#include <cstdint>

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

constexpr int tile_rows = 16;

struct alignas(64) TileConfiguration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {tile_rows, tile_rows, tile_rows, tile_rows, tile_rows, tile_rows, tile_rows, tile_rows};
};

// A thread's tiles are set up before it uses them; given back, they need not be saved when threads are switched.
void begin_tiles() {
  const TileConfiguration configuration;
  // The compilers' intrinsic does not say that it reads memory.
  asm volatile("ldtilecfg %0" : : "m"(configuration));
}

void end_tiles() { _tile_release(); }

}  // namespace
}  // namespace tessera::cpu::TESSERA_LEVEL

#endif
