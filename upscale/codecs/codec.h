// Picture files from and to memory: whole, or row by row.
#pragma once

#include <functional>
#include <memory>

#include "upscale/picture.h"

namespace tessera::upscale {

enum class Format { png, jpeg, webp, gif, avif, jxl, jp2, tiff, bmp, pnm, pam, pfm };

/// The format that a file name's ending or an extension ("png", "jpg", "jpeg", "webp") asks for.
std::optional<Format> format_of(Text extension);
Text extension_of(Format format);
/// False where this build was made without the library that it needs (AVIF, JPEG XL, JPEG 2000).
bool is_built(Format format);
bool is_written(Format format);
/// Why not, and what to do.
std::string why_not_written(Format format);
/// Whether it loses something whatever it is asked for.
bool loses(Format format);
/// The format that the bytes themselves show.
std::optional<Format> recognize(List<std::byte> bytes);
/// All of them, as words of a message: "PNG, JPEG or WebP", "png, jpg or webp".
std::string names_of_formats();
std::string extensions_of_formats();

struct DecodeLimits {
  int64_t pixels = int64_t{1} << 28;  ///< width times height, checked before anything is allocated
  Text raised_by = {};                ///< what messages call the setting above
  bool upright = true;                ///< false: rows as they are stored, not turned as EXIF asks for

  /// " (... raises it)"
  std::string advice() const { return raised_by.empty() ? std::string() : cat(" (", raised_by, " raises it)"); }
};

/// The rows of a picture in a file, in order from the top, turned upright. A file that is truncated, corrupt, over
/// a limit or of another format throws Error::file with the reason alone (the caller knows the name).
class Reader {
 public:
  Reader() = default;
  virtual ~Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Complete from the opening on, but for its notes: they are when the last row was read.
  const Head& head() const { return head_; }
  /// About as many bytes as it holds until its end beside a few rows: all samples where the format or its
  /// orientation does not give rows in order, coefficients of a progressive JPEG; 0 where it streams.
  virtual int64_t held_bytes() const { return 0; }
  bool streams() const { return held_bytes() == 0; }
  /// As EXIF counts them, how the rows have to be turned: 1 for what was turned.
  virtual int orientation() const { return exif_orientation(head_.exif); }
  /// The next `count` rows, one behind the other.
  virtual void rows(int64_t count, std::byte* to) = 0;
  /// All rows, instead of asking for any.
  virtual Picture whole();

 protected:
  Head head_;
  friend std::unique_ptr<Reader> open_reader(List<std::byte> bytes, const DecodeLimits& limits);
};

/// The bytes of a whole file, which stay where they are as long as the reader lives (a mapped file, or one in memory).
/// They may be opened any number of times.
std::unique_ptr<Reader> open_reader(List<std::byte> bytes, const DecodeLimits& limits = {});
/// All of it at once.
Picture decode(List<std::byte> bytes, const DecodeLimits& limits = {});

/// What becomes of colors that are brighter than white by their curve (PQ, HLG).
enum class Tone {
  fit,  ///< they are mapped to sRGB where the format cannot say what they are
  map,  ///< always
  keep  ///< never: a format that cannot say what they are shows them flat and dull
};

struct EncodeOptions {
  int quality = -1;     ///< 0..100 for JPEG and WebP; -1: JPEG 95, WebP lossless
  int threads = 0;      ///< that compress one picture; 0: one per core
  bool dither = false;  ///< samples that lose bits get noise of one level, so that no bands show
  bool linear = false;  ///< colors are put on white as light
  Tone tone = Tone::fit;
};

/// Where the bytes of a file go, in order.
struct Sink {
  std::function<void(List<std::byte>)> write;
  /// Changes bytes that were written. Empty where that is impossible (pipes): what needs it holds the file until
  /// its end.
  std::function<void(int64_t at, List<std::byte>)> overwrite;
};

/// The reverse of a Reader.
class Writer {
 public:
  Writer() = default;
  virtual ~Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// About as many bytes as it holds until finish(), beside a few rows; 0 where it streams.
  virtual int64_t held_bytes() const { return 0; }
  bool streams() const { return held_bytes() == 0; }
  /// The next `count` rows, in the form that the head told.
  virtual void rows(const std::byte* from, int64_t count) = 0;
  /// After the last row.
  virtual void finish() = 0;
  /// Both, with all rows at once.
  virtual void whole(Picture picture);
};

/// The largest width or height that the format can hold.
int64_t largest_extent(Format format);
/// About as many bytes as writing such a picture takes beside a few rows: what its writer holds, and what the encoder
/// works in. 0 where rows are written as they come.
int64_t writing_bytes(const Frame& picture, Format format);
/// What the format cannot hold of the picture is converted first, with a line in `notes`.
std::unique_ptr<Writer> open_writer(const Head& head, Format format, const EncodeOptions& options, Sink sink,
                                    std::vector<std::string>& notes);
/// All of it at once.
Bytes encode(Picture picture, Format format, const EncodeOptions& options, std::vector<std::string>& notes);

/// Throws Error::file if the declared extents break a limit.
void check_extents(int64_t width, int64_t height, const DecodeLimits& limits);
/// Whether it says no more than that colors are sRGB.
bool is_plain(const Colorimetry& color);
/// A color profile that says the same; empty where none can (HDR).
Bytes profile_of(const Colorimetry& color, bool gray);
/// The profile, or for gray samples the grays of an RGB one and the reverse; empty where it is no such profile.
Bytes profile_for(const Bytes& icc, bool gray);

/// IPTC records in the block that Photoshop and JPEG wrap them in, and out of it.
Bytes wrap_iptc(List<std::byte> records);
Bytes unwrap_iptc(List<std::byte> block);
/// Text of PNG's old chunks and of JPEG, which is Latin-1 unless it happens to be UTF-8.
std::string utf8_of(Text text);
/// None where a character is not in Latin-1.
std::optional<std::string> latin1_of(Text utf8);

}  // namespace tessera::upscale
