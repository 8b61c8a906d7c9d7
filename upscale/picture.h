// Picture: decoded pixels as the file had them (8 or 16 bits, gray or RGB, with or without alpha), and
// the metadata that must survive.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "runtime/base/base.h"

namespace tessera::upscale {

using Bytes = std::vector<std::byte>;

/// What PNG says of colors outside of a profile.
struct Colorimetry {
  std::optional<int> srgb_intent;
  std::optional<double> gamma;
  std::optional<std::array<double, 8>> chromaticities;  ///< white, red, green, blue: x then y
  Bytes cicp, mastering, light;                         ///< the chunks cICP, mDCV and cLLI, or empty
};

/// Pixels per metre; where `absolute` is not set, only their ratio means something.
struct Density {
  double x = 0, y = 0;
  bool absolute = true;
};

/// A comment under a name ("Comment", "Title", "parameters").
struct TextEntry {
  std::string key, text;  ///< UTF-8
  std::string language, translated_key;
  bool compressed = false;
};

/// What a file says beside its pixels. Byte strings are empty where it says nothing.
struct Metadata {
  Bytes icc;   ///< profile for the stored channels
  Bytes exif;  ///< TIFF structure (without "Exif\0\0")
  Bytes xmp;   ///< the packet
  Bytes iptc;  ///< IIM records
  Colorimetry color;
  std::optional<Density> density;
  std::vector<TextEntry> texts;
};

/// A picture's extents, and what its samples are.
struct Frame {
  int64_t width = 0, height = 0;
  int channels = 0;  ///< 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA; interleaved; alpha is straight
  int bits = 8;      ///< 8; 16: uint16_t of the machine's byte order; 32: floats, of which 1 is white

  bool has_alpha() const { return channels == 2 || channels == 4; }
  int color_channels() const { return channels < 3 ? 1 : 3; }
  int64_t row_bytes() const { return width * channels * (bits / 8); }
  float limit() const { return bits == 32 ? 1.0f : bits == 16 ? 65535.0f : 255.0f; }
};

/// All that is known of a picture but its pixels.
struct Head : Metadata, Frame {
  std::vector<std::string> notes;  ///< what was lost or assumed on the way, for the user
};

/// Rows of a picture where they lie: all of them, or some that follow each other, in memory that has room for `held`
/// and is filled round and round.
class Rows : public Frame {
 public:
  Rows() = default;
  Rows(const Frame& frame, std::byte* memory, int64_t held) : Frame(frame), memory_(memory), held_(held) {}

  int64_t held() const { return held_; }
  std::byte* row(int64_t y) { return memory_ + y % held_ * row_bytes(); }
  const std::byte* row(int64_t y) const { return memory_ + y % held_ * row_bytes(); }
  /// How many of the rows from `y` to `end` lie behind each other.
  int64_t together(int64_t y, int64_t end) const { return std::min(end - y, held_ - y % held_); }

  /// Channel `c` of row `y` from `x` on: `count` samples as floats in 0..1, written densely.
  void load(int64_t x, int64_t y, int64_t count, int c, float* out) const;
  /// The reverse: rounded to nearest and clamped, but for floats.
  void store(int64_t x, int64_t y, int64_t count, int c, const float* in);
  /// Smallest and largest sample of channel `c` in some rows, in 0..1.
  std::pair<float, float> range(int c, int64_t first, int64_t end) const;

 private:
  std::byte* memory_ = nullptr;
  int64_t held_ = 1;
};

struct Picture : Head {
  Bytes samples;

  Picture() = default;
  explicit Picture(Head head) : Head(std::move(head)) {}

  /// Sizes `samples` for the extents. Throws Error::memory when there is no room.
  void allocate();
  std::byte* row(int64_t y) { return samples.data() + y * row_bytes(); }
  const std::byte* row(int64_t y) const { return samples.data() + y * row_bytes(); }
  /// What is read of a constant picture is not to be written to.
  Rows rows() const { return {*this, const_cast<std::byte*>(samples.data()), height}; }

  void load(int64_t x, int64_t y, int64_t count, int c, float* out) const { rows().load(x, y, count, c, out); }
  void store(int64_t x, int64_t y, int64_t count, int c, const float* in) { rows().store(x, y, count, c, in); }
  std::pair<float, float> range(int c) const { return rows().range(c, 0, height); }
};

/// Turns and mirrors the pixels as EXIF orientation 1..8 asks for; other values change nothing.
void orient(Picture& picture, int orientation);

/// Same picture with 8 bits per sample, rounded.
void reduce_to_8_bits(Picture& picture);
/// Samples of 16 bits to samples of 8; both may begin at the same place.
void reduce_to_8_bits(const std::byte* in, int64_t samples, std::byte* out);
/// From this alpha on a pixel's color is its own.
inline constexpr float visible_alpha = 16.0f / 255;
/// Gives pixels that hardly show the color of their surroundings, so that no hidden color bleeds into
/// visible edges when neighbours are mixed.
void fill_hidden_colors(Picture& picture);

/// EXIF orientation, 1 if the data is absent or not understood.
int exif_orientation(List<std::byte> exif);
/// Whether it tells how many pixels go into an inch.
bool exif_has_density(List<std::byte> exif);
/// EXIF data that tells it and nothing else; empty for a density that is a ratio only.
Bytes exif_of(const Density& density);
/// What the directory at that offset of a TIFF file says of the picture's making, as EXIF data of its own; empty where
/// it says nothing.
Bytes exif_of_tiff(List<std::byte> file, uint64_t directory);
/// Calls f(tag, entry) for the entries of EXIF data that stand beside those of pixels in a TIFF file.
void each_tiff_entry(List<std::byte> exif, const std::function<void(uint16_t, List<std::byte>)>& f);
/// The bytes of one entry of the directory; empty without it.
Bytes tiff_value(List<std::byte> file, uint64_t directory, uint16_t tag);
/// Makes metadata true for pixels that were turned upright and resized: orientation 1, new pixel
/// dimensions, no thumbnail. EXIF that is not understood becomes empty.
void renew_metadata(Head& head);

}  // namespace tessera::upscale
