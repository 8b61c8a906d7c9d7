// Which format a file has or should get, and what each format can hold.
#include "upscale/codecs/codec.h"

#include <algorithm>
#include <cstring>

namespace tessera::upscale {
namespace {

struct Row {
  Format format;
  Text extensions;  ///< the first one is written
  int64_t largest;
  unsigned holds;  ///< of the list below
  Picture (*decode)(List<std::byte>, const DecodeLimits&);
  Bytes (*encode)(const Picture&, const EncodeOptions&, std::vector<std::string>&);
};

/// Beside 8-bit RGB, a color profile, EXIF and XMP, which all have.
enum Ability : unsigned { alpha = 1, deep = 2, gray = 4, color_chunks = 8, density = 16, texts = 32, iptc = 64 };

constexpr Row formats[] = {
    {Format::png, "png", 0x7fffffff, ~0u, decode_png, encode_png},
    {Format::jpeg, "jpg jpeg jpe jfif", 65500, gray | density | texts | iptc, decode_jpeg, encode_jpeg},
    {Format::webp, "webp", 16383, alpha, decode_webp, encode_webp},
};

const Row& row_of(Format format) {
  return *std::find_if(std::begin(formats), std::end(formats), [&](const Row& r) { return r.format == format; });
}

bool starts_with(List<std::byte> bytes, size_t at, Text magic) {
  return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

/// What is said of colors, in words that the format has.
void fit_colors(Picture& picture, const Row& row, std::vector<std::string>& notes) {
  const bool as_gray = picture.color_channels() == 1 && row.holds & gray;
  if (!picture.icc.empty()) {
    picture.icc = profile_for(picture.icc, as_gray);
    if (picture.icc.empty()) notes.push_back("its color profile does not fit its pixels: dropped");
  }
  if (row.holds & color_chunks || is_plain(picture.color)) return;
  if (picture.icc.empty()) {
    picture.icc = profile_of(picture.color, as_gray);
    if (!picture.icc.empty()) notes.push_back("what the PNG says of its colors became a color profile");
  }
  const bool range = !picture.color.mastering.empty() || !picture.color.light.empty();
  if (picture.icc.empty() || range)
    notes.push_back(cat(extension_of(row.format), " cannot say what the PNG says of its colors and their range (",
                        picture.color.cicp.empty() ? "gAMA, cHRM" : "cICP, mDCV, cLLI", "): dropped"));
}

/// What else is said, or a note of what is lost.
void fit_metadata(Picture& picture, const Row& row, std::vector<std::string>& notes) {
  std::string lost;
  const auto lose = [&](const std::string& what) { lost += cat(lost.empty() ? "" : ", ", what); };
  if (picture.density && !(row.holds & density)) {
    if (picture.exif.empty())
      picture.exif = exif_of(*picture.density);
    else if (!exif_has_density(picture.exif))
      lose("pixel density");
  }
  if (!(row.holds & texts))
    for (const TextEntry& entry : picture.texts) lose(cat("text (", entry.key, ")"));
  if (!picture.iptc.empty() && !(row.holds & iptc)) lose("IPTC records");
  if (!lost.empty()) notes.push_back(cat(extension_of(row.format), " cannot hold its ", lost, ": dropped"));
}

}  // namespace

std::optional<Format> format_of(Text extension) {
  std::string wanted(extension.substr(extension.rfind('.') + 1));
  std::transform(wanted.begin(), wanted.end(), wanted.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  for (const Row& row : formats) {
    Text rest = row.extensions;
    while (!rest.empty()) {
      const Text word = rest.substr(0, rest.find(' '));
      if (word == wanted) return row.format;
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    }
  }
  return std::nullopt;
}

Text extension_of(Format format) {
  const Text all = row_of(format).extensions;
  return all.substr(0, all.find(' '));
}

std::optional<Format> recognize(List<std::byte> bytes) {
  if (starts_with(bytes, 0, "\x89PNG\r\n\x1a\n")) return Format::png;
  if (starts_with(bytes, 0, "\xff\xd8\xff")) return Format::jpeg;
  if (starts_with(bytes, 0, "RIFF") && starts_with(bytes, 8, "WEBP")) return Format::webp;
  return std::nullopt;
}

void check_extents(int64_t width, int64_t height, const DecodeLimits& limits) {
  if (width <= 0 || height <= 0) fail(Error::Kind::file, "the picture is empty (", width, "x", height, ")");
  if (width > limits.pixels / height)
    fail(Error::Kind::file, "it declares ", width, "x", height, " pixels, over the limit of ", limits.pixels,
         " (--max-pixels raises it)");
}

Picture decode(List<std::byte> bytes, const DecodeLimits& limits) {
  if (bytes.empty()) fail(Error::Kind::file, "the file is empty");
  const std::optional<Format> format = recognize(bytes);
  if (!format) fail(Error::Kind::file, "not a PNG, JPEG or WebP picture");
  Picture picture = row_of(*format).decode(bytes, limits);
  orient(picture, exif_orientation(picture.exif));
  renew_metadata(picture);
  return picture;
}

int64_t largest_extent(Format format) { return row_of(format).largest; }

Bytes encode(Picture picture, Format format, const EncodeOptions& options, std::vector<std::string>& notes) {
  const Row& row = row_of(format);
  if (std::max(picture.width, picture.height) > row.largest)
    fail(Error::Kind::file, "a ", extension_of(format), " file holds at most ", row.largest, " pixels a side, not ",
         picture.width, "x", picture.height, "; write a PNG");
  if (picture.has_alpha() && !(row.holds & alpha)) {
    flatten_on_white(picture);
    notes.push_back(cat(extension_of(format), " holds no transparency: put on a white ground"));
  }
  if (picture.bits == 16 && !(row.holds & deep)) {
    reduce_to_8_bits(picture);
    notes.push_back(cat(extension_of(format), " holds 8 bits per sample: reduced from 16"));
  }
  fit_colors(picture, row, notes);
  fit_metadata(picture, row, notes);
  return row.encode(picture, options, notes);
}

}  // namespace tessera::upscale
