// Animations: frames, each a whole picture, and how long each is seen.
#pragma once

#include "upscale/codecs/codec.h"

namespace tessera::upscale {

struct Animation {
  std::vector<Picture> frames;    ///< of the same extents and form; metadata and notes are the first one's
  std::vector<int> milliseconds;  ///< of each
  int loops = 0;                  ///< 0: for ever
};

/// The frames of a GIF, an animated PNG or WebP; none where the file holds one picture. As decode() otherwise; the
/// pixels of all frames together keep to the limit.
std::optional<Animation> decode_animation(List<std::byte> bytes, const DecodeLimits& limits = {});
bool holds_animations(Format format);
/// As encode(); the format holds animations.
Bytes encode_animation(const Animation& animation, Format format, const EncodeOptions& options,
                       std::vector<std::string>& notes);

// One pair per format; the functions above are the table over them.
std::optional<Animation> animation_in_gif(List<std::byte> bytes, const DecodeLimits& limits);
std::optional<Animation> animation_in_png(List<std::byte> bytes, const DecodeLimits& limits);
std::optional<Animation> animation_in_webp(List<std::byte> bytes, const DecodeLimits& limits);
void write_png_animation(const Animation& animation, const EncodeOptions& options, const Sink& sink,
                         std::vector<std::string>& notes);
void write_webp_animation(const Animation& animation, const EncodeOptions& options, const Sink& sink);

/// What frames are drawn on: RGBA, transparent at first.
class Canvas {
 public:
  Canvas(int64_t width, int64_t height, int bits);
  const Picture& picture() const { return picture_; }
  /// Puts an RGBA frame at (x, y), over what is there or in its place. What sticks out is cut.
  void draw(const Picture& frame, int64_t x, int64_t y, bool over);
  void clear(int64_t x, int64_t y, int64_t width, int64_t height);
  void restore(const Picture& before) { picture_ = before; }

 private:
  Picture picture_;
};

/// Throws Error::file if one frame more breaks the limit.
void check_frames(size_t frames, const Frame& each, const DecodeLimits& limits);

}  // namespace tessera::upscale
