// Frames of a video as they lie in a stream, and as pictures.
#pragma once

#include "upscale/picture.h"

namespace tessera::upscale {

/// How the samples of a frame lie: luma, then both chroma planes, or interleaved RGB. Above 8 bits each takes two
/// bytes, the low one first.
struct FrameFormat {
  enum class Kind { gray, yuv, rgb };

  int64_t width = 0, height = 0;
  Kind kind = Kind::yuv;
  int across = 1, down = 1;          ///< pixels for each chroma sample
  bool left = false;                 ///< it stands where its first pixel does, not in their middle; of columns alone
  int bits = 8;                      ///< 8 to 16
  bool full = false;                 ///< black is 0, not 16 of 255
  double red = 0.299, blue = 0.114;  ///< what luma has of them

  int64_t chroma_width() const { return (width + across - 1) / across; }
  int64_t chroma_height() const { return (height + down - 1) / down; }
  int64_t bytes() const;
  /// The same for frames of another size.
  FrameFormat sized(int64_t new_width, int64_t new_height) const;
};

/// "yuv420p", "yuv422p10le", "gray", "rgb24" ...: as ffmpeg's -pix_fmt calls them. None where it is not known.
std::optional<FrameFormat> format_of_pixels(Text name);
/// What luma is made of: "bt601", "bt709" or "bt2020". False where it is not known.
bool set_matrix(FrameFormat& format, Text name);

/// Of colors with 16 bits, so that nothing is lost; of gray and RGB with 8 where that says all.
Picture picture_of(const FrameFormat& format, List<std::byte> frame);
/// The reverse; the picture has the format's size.
Bytes frame_of(const FrameFormat& format, const Picture& picture);

}  // namespace tessera::upscale
