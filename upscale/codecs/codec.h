// Picture files: PNG, JPEG and WebP, to and from memory.
#pragma once

#include "upscale/picture.h"

namespace tessera::upscale {

enum class Format { png, jpeg, webp };

/// The format that a file name's ending or an extension ("png", "jpg", "jpeg", "webp") asks for.
std::optional<Format> format_of(Text extension);
Text extension_of(Format format);
/// The format that the bytes themselves show.
std::optional<Format> recognize(List<std::byte> bytes);

struct DecodeLimits {
  int64_t pixels = int64_t{1} << 28;  ///< width times height, checked before anything is allocated
};

/// Decodes a whole file and turns the picture upright. A file that is truncated, corrupt, over a
/// limit or of another format throws Error::file with the reason alone (the caller knows the name).
Picture decode(List<std::byte> bytes, const DecodeLimits& limits = {});

struct EncodeOptions {
  int quality = -1;  ///< 0..100 for JPEG and WebP; -1: JPEG 95, WebP lossless
  int threads = 0;   ///< that compress one picture; 0: one per core
};

/// The largest width or height that the format can hold.
int64_t largest_extent(Format format);
/// What the format cannot hold of the picture is converted first, with a line in `notes`.
Bytes encode(Picture picture, Format format, const EncodeOptions& options, std::vector<std::string>& notes);

// One pair per format; decode and encode above are the table over them.
Picture decode_png(List<std::byte> bytes, const DecodeLimits& limits);
Picture decode_jpeg(List<std::byte> bytes, const DecodeLimits& limits);
Picture decode_webp(List<std::byte> bytes, const DecodeLimits& limits);
Bytes encode_png(const Picture& picture, const EncodeOptions& options, std::vector<std::string>& notes);
Bytes encode_jpeg(const Picture& picture, const EncodeOptions& options, std::vector<std::string>& notes);
Bytes encode_webp(const Picture& picture, const EncodeOptions& options, std::vector<std::string>& notes);

/// Throws Error::file if the declared extents break a limit.
void check_extents(int64_t width, int64_t height, const DecodeLimits& limits);
/// CMYK samples (4 per pixel; `inverted`: 255 is no ink, as Adobe writes them) to RGB, through
/// the profile if it is one for CMYK. The picture becomes 8-bit RGB in sRGB without a profile.
void cmyk_to_rgb(Picture& picture, bool inverted);
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
