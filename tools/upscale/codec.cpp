// Which format a file has or should get, and what each format can hold.
#include "tools/upscale/codec.h"

#include <algorithm>
#include <cstring>

namespace tessera::upscale {
namespace {

struct Row {
  Format format;
  Text extensions;  ///< the first one is written
  int64_t largest;
  bool alpha, deep, gray;
  Picture (*decode)(List<std::byte>, const DecodeLimits&);
  Bytes (*encode)(const Picture&, const EncodeOptions&);
};

constexpr Row formats[] = {
    {Format::png, "png", 0x7fffffff, true, true, true, decode_png, encode_png},
    {Format::jpeg, "jpg jpeg jpe jfif", 65500, false, false, true, decode_jpeg, encode_jpeg},
    {Format::webp, "webp", 16383, true, false, false, decode_webp, encode_webp},
};

const Row& row_of(Format format) {
  return *std::find_if(std::begin(formats), std::end(formats), [&](const Row& r) { return r.format == format; });
}

bool starts_with(List<std::byte> bytes, size_t at, Text magic) {
  return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
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
  renew_exif(picture.exif, picture.width, picture.height);
  return picture;
}

int64_t largest_extent(Format format) { return row_of(format).largest; }

Bytes encode(Picture picture, Format format, const EncodeOptions& options, std::vector<std::string>& notes) {
  const Row& row = row_of(format);
  if (std::max(picture.width, picture.height) > row.largest)
    fail(Error::Kind::file, "a ", extension_of(format), " file holds at most ", row.largest, " pixels a side, not ",
         picture.width, "x", picture.height, "; write a PNG");
  if (picture.has_alpha() && !row.alpha) {
    flatten_on_white(picture);
    notes.push_back(cat(extension_of(format), " holds no transparency: put on a white ground"));
  }
  if (picture.bits == 16 && !row.deep) {
    reduce_to_8_bits(picture);
    notes.push_back(cat(extension_of(format), " holds 8 bits per sample: reduced from 16"));
  }
  if (picture.color_channels() == 1 && !row.gray && !picture.icc.empty()) {
    picture.icc.clear();
    notes.push_back(cat(extension_of(format), " holds no gray: the gray color profile was dropped"));
  }
  return row.encode(picture, options);
}

}  // namespace tessera::upscale
