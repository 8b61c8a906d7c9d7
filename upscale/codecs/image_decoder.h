// What ONNX's ImageDecoder makes of a file, whoever asks.
#pragma once

#include "upscale/codecs/codec.h"

namespace tessera::upscale {

enum class Pixels { rgb, bgr, gray };

/// "RGB", "BGR", "Grayscale". Throws Error::model for others.
Pixels pixels_of(Text pixel_format);

/// Calls output(height, width, channels) for the bytes of the result, and fills them; once more, for an empty matrix,
/// where the file cannot be decoded.
void decode_image(List<std::byte> file, Pixels pixels,
                  const std::function<std::byte*(int64_t, int64_t, int64_t)>& output);

}  // namespace tessera::upscale
