// Luma: how bright a color looks. BT.601, as JPEG and the models of luma have it.
#pragma once

#include <cstddef>

namespace tessera::upscale {

/// Of red, green and blue.
inline constexpr float luma_weights[] = {0.299f, 0.587f, 0.114f};

/// Of a pixel with samples of 8 bits.
inline double luma_of(const std::byte* pixel) {
  double sum = 0;
  for (int c = 0; c < 3; ++c) sum += static_cast<double>(luma_weights[c]) * static_cast<double>(pixel[c]);
  return sum;
}

}  // namespace tessera::upscale
