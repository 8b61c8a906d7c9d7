// Pictures that tests of the image pipeline begin with.
#pragma once

#include <random>

#include "upscale/picture.h"

namespace tessera::upscale {

/// All samples zero.
inline Picture blank(int64_t width, int64_t height, int channels, int bits = 8) {
  Picture picture;
  picture.width = width;
  picture.height = height;
  picture.channels = channels;
  picture.bits = bits;
  picture.allocate();
  return picture;
}

/// Random bytes, the same for the same seed.
inline Picture noise(int64_t width, int64_t height, int channels, int bits = 8, uint32_t seed = 1) {
  Picture picture = blank(width, height, channels, bits);
  std::mt19937 engine(seed);
  for (std::byte& sample : picture.samples) sample = static_cast<std::byte>(engine());
  return picture;
}

}  // namespace tessera::upscale
