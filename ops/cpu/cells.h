// Cells: pairs of bfloat16 numbers, as simd/bf16.h multiplies them.
#pragma once

#include <bit>
#include <cstdint>

namespace tessera::cpu {

/// Blocks of sixteen cells that so many numbers fill.
constexpr int64_t cell_blocks_of(int64_t numbers) { return (numbers + 31) / 32; }

/// A number rounded to the nearest bfloat16, ties to even, as that half of a float's bits.
inline uint32_t rounded_bits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
  return (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : rounded;  // not a number
}

/// Two numbers, the first in the lower half; residue: what rounding leaves of them, rounded.
inline uint32_t cell_of(float first, float second, bool residue) {
  uint32_t low = rounded_bits(first), high = rounded_bits(second);
  if (residue) {
    low = rounded_bits(first - std::bit_cast<float>(low));
    high = rounded_bits(second - std::bit_cast<float>(high));
  }
  return high | low >> 16;
}

}  // namespace tessera::cpu
