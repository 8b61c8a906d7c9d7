// Which format a file has or should get, and what each format can hold.
#include <algorithm>
#include <cctype>
#include <cstring>

#include "upscale/codecs/formats.h"
#include "upscale/codecs/tone.h"

namespace tessera::upscale {
namespace {

using Open = std::unique_ptr<Reader>(List<std::byte>, const DecodeLimits&);

struct Row {
  Format format;
  Text name, extensions;  ///< the first extension is written
  int64_t largest;
  unsigned holds;  ///< of the list below
  Open* open;      ///< null where this build lacks the library
  Write* write;
  /// Bytes that writing takes of each sample where it takes the whole picture, measured: more or fewer by a third, with
  /// the options and the channels.
  int64_t writing = 0;
};

/// Beside 8-bit RGB.
enum Ability : unsigned {
  alpha = 1,
  deep = 2,
  gray = 4,
  color_chunks = 8,
  density = 16,
  texts = 32,
  iptc = 64,
  profile = 128,
  packets = 256,  ///< EXIF and XMP
  floats = 512,
  only_floats = 1024,
  lossy = 2048
};

#ifdef TESSERA_AVIF
constexpr Open* avif_reader = open_avif;
constexpr Write* avif_writer = write_avif;
#else
constexpr Open* avif_reader = nullptr;
constexpr Write* avif_writer = nullptr;
#endif
#ifdef TESSERA_JP2
constexpr Open* jp2_reader = open_jp2;
#else
constexpr Open* jp2_reader = nullptr;
#endif
#ifdef TESSERA_JXL
constexpr Open* jxl_reader = open_jxl;
constexpr Write* jxl_writer = write_jxl;
#else
constexpr Open* jxl_reader = nullptr;
constexpr Write* jxl_writer = nullptr;
#endif

constexpr Row formats[] = {
    {Format::png, "PNG", "png", 0x7fffffff,
     alpha | deep | gray | color_chunks | density | texts | iptc | profile | packets, open_png, write_png},
    {Format::jpeg, "JPEG", "jpg jpeg jpe jfif", 65500, gray | density | texts | iptc | profile | packets | lossy,
     open_jpeg, write_jpeg},
    {Format::webp, "WebP", "webp", 16383, alpha | profile | packets, open_webp, write_webp, 7},
    {Format::gif, "GIF", "gif", 65535, 0, open_gif, nullptr},
    {Format::avif, "AVIF", "avif", 65535, alpha | deep | color_chunks | profile | packets | lossy, avif_reader,
     avif_writer, 10},
    {Format::jxl, "JPEG XL", "jxl", 0x3fffffff, alpha | deep | gray | profile | packets | floats, jxl_reader,
     jxl_writer, 23},
    {Format::jp2, "JPEG 2000", "jp2 j2k j2c jpf jpx", 0x7fffffff, 0, jp2_reader, nullptr},
    {Format::tiff, "TIFF", "tif tiff", 0x7fffffff,
     alpha | deep | gray | density | texts | iptc | profile | packets | floats, open_tiff, write_tiff},
    {Format::bmp, "BMP", "bmp dib", 0x7fffffff, alpha | gray | density | profile, open_bmp, write_bmp},
    {Format::pnm, "PNM", "ppm pgm pnm pbm", 0x7fffffff, gray | deep, open_pnm, write_pnm},
    {Format::pam, "PAM", "pam", 0x7fffffff, gray | deep | alpha, open_pnm, write_pam},
    {Format::pfm, "PFM", "pfm", 0x7fffffff, gray | floats | only_floats, open_pfm, write_pfm},
};

const Row& row_of(Format format) {
  return *std::find_if(std::begin(formats), std::end(formats), [&](const Row& r) { return r.format == format; });
}

bool starts_with(List<std::byte> bytes, size_t at, Text magic) {
  return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

/// Whether AVIF is among the brands that a file of HEIF's kind is compatible with.
bool names_avif(List<std::byte> bytes) {
  for (size_t at = 16; at + 4 <= std::min<size_t>(bytes.size(), std::to_integer<size_t>(bytes[3])); at += 4)
    if (starts_with(bytes, at, "avif")) return true;
  return false;
}

/// What is said of colors, in words that the format has.
void fit_colors(Head& head, const Row& row, std::vector<std::string>& notes) {
  const bool as_gray = head.color_channels() == 1;
  if (!head.icc.empty() && row.holds & profile) {
    head.icc = profile_for(head.icc, as_gray);
    if (head.icc.empty()) notes.push_back("its color profile does not fit its pixels: dropped");
  }
  if (row.holds & color_chunks || is_plain(head.color)) return;
  if (head.icc.empty() && row.holds & profile) {
    head.icc = profile_of(head.color, as_gray);
    if (!head.icc.empty()) notes.push_back("what the PNG says of its colors became a color profile");
  }
  const bool range = !head.color.mastering.empty() || !head.color.light.empty();
  if (head.icc.empty() || range)
    notes.push_back(cat(extension_of(row.format), " cannot say what the PNG says of its colors and their range (",
                        head.color.cicp.empty() ? "gAMA, cHRM" : "cICP, mDCV, cLLI", "): dropped"));
}

/// What else is said, or a note of what is lost.
void fit_metadata(Head& head, const Row& row, std::vector<std::string>& notes) {
  std::string lost;
  const auto lose = [&](const std::string& what) { lost += cat(lost.empty() ? "" : ", ", what); };
  const bool keeps_packets = row.holds & packets;
  if (!head.icc.empty() && !(row.holds & profile)) lose("color profile");
  if (head.density && !(row.holds & density)) {
    if (head.exif.empty() && keeps_packets)
      head.exif = exif_of(*head.density);
    else if (!keeps_packets || !exif_has_density(head.exif))
      lose("pixel density");
  }
  if (!head.exif.empty() && !keeps_packets) lose("EXIF");
  if (!head.xmp.empty() && !keeps_packets) lose("XMP");
  if (!(row.holds & texts))
    for (const TextEntry& entry : head.texts) lose(cat("text (", entry.key, ")"));
  if (!head.iptc.empty() && !(row.holds & iptc)) lose("IPTC records");
  if (!lost.empty()) notes.push_back(cat(extension_of(row.format), " cannot hold its ", lost, ": dropped"));
}

/// The head of what the format can hold of the picture.
Head fit(const Head& given, const Row& row, std::vector<std::string>& notes) {
  Head head = given;
  if (head.has_alpha() && !(row.holds & alpha)) {
    head.channels = head.color_channels();
    notes.push_back(cat(extension_of(row.format), " holds no transparency: put on a white ground"));
  }
  if (row.holds & only_floats) {
    head.bits = 32;
  } else if (head.bits > (row.holds & floats ? 32 : row.holds & deep ? 16 : 8)) {
    head.bits = row.holds & deep ? 16 : 8;
    notes.push_back(cat(extension_of(row.format), " holds ", head.bits, " bits per sample: reduced from ",
                        given.bits == 32 ? "floats, and what is above 1 is cut" : "16"));
  }
  if (head.channels < 3 && !(row.holds & gray)) head.channels += 2;
  if (head.channels == 2 && row.format == Format::bmp) head.channels = 4;
  fit_colors(head, row, notes);
  fit_metadata(head, row, notes);
  return head;
}

/// Rows whose colors are mapped, or whose samples are converted, first.
class ConvertingWriter : public Writer {
 public:
  ConvertingWriter(const Frame& from, const Head& to, std::optional<ToneMapper> mapper, const EncodeOptions& options,
                   std::unique_ptr<Writer> writer)
      : to_(to),
        mapper_(std::move(mapper)),
        converter_(from, to, options, to.icc.empty()),
        writer_(std::move(writer)) {}
  int64_t held_bytes() const override { return writer_->held_bytes(); }
  void finish() override { writer_->finish(); }
  void rows(const std::byte* from, int64_t count) override {
    converted_.resize(static_cast<size_t>(count * to_.row_bytes()));
    if (mapper_) {
      mapped_.resize(static_cast<size_t>(count * mapper_->mapped().row_bytes()));
      mapper_->run(from, count, mapped_.data());
      from = mapped_.data();
    }
    converter_.run(from, next_, count, converted_.data());
    next_ += count;
    writer_->rows(converted_.data(), count);
  }

 private:
  Frame to_;
  int64_t next_ = 0;
  std::optional<ToneMapper> mapper_;
  RowConverter converter_;
  std::unique_ptr<Writer> writer_;
  Bytes mapped_, converted_;
};

std::string lacks(const Row& row) {
  if (row.open)
    return cat(row.name, " files are read, not written; write png",
               row.format == Format::gif ? " or webp, which hold animations too" : "");
  return cat("this tessera was built without the library for ", row.name, " files; convert them, or build it with it");
}

template <class Word>
std::string listed(const Word& word, bool written) {
  std::string words;
  for (const Row& row : formats)
    if (row.open && (row.write || !written))
      words += cat(words.empty() ? "" : &row + 1 == std::end(formats) ? " or " : ", ", word(row));
  return words;
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

bool is_built(Format format) { return row_of(format).open; }
bool is_written(Format format) { return row_of(format).write; }
std::string why_not_written(Format format) { return lacks(row_of(format)); }
bool loses(Format format) { return row_of(format).holds & lossy; }

std::optional<Format> recognize(List<std::byte> bytes) {
  if (starts_with(bytes, 0, "\x89PNG\r\n\x1a\n")) return Format::png;
  if (starts_with(bytes, 0, "\xff\xd8\xff")) return Format::jpeg;
  if (starts_with(bytes, 0, "RIFF") && starts_with(bytes, 8, "WEBP")) return Format::webp;
  if (starts_with(bytes, 0, "GIF8")) return Format::gif;
  if (starts_with(bytes, 4, "ftyp") && (starts_with(bytes, 8, "avi") || names_avif(bytes))) return Format::avif;
  if (starts_with(bytes, 0, "\xff\x0a") || starts_with(bytes, 0, {"\0\0\0\x0cJXL \r\n\x87\n", 12})) return Format::jxl;
  if (starts_with(bytes, 0, "\xff\x4f\xff\x51") || starts_with(bytes, 0, {"\0\0\0\x0cjP  \r\n\x87\n", 12}))
    return Format::jp2;
  if (starts_with(bytes, 0, "P") && bytes.size() > 2) {
    const auto kind = std::to_integer<char>(bytes[1]), space = std::to_integer<char>(bytes[2]);
    if (kind == '7' && space == '\n') return Format::pam;
    if (kind >= '1' && kind <= '6' && (space == '#' || std::isspace(static_cast<unsigned char>(space))))
      return Format::pnm;
    if ((kind == 'F' || kind == 'f') && space == '\n') return Format::pfm;
  }
  for (const Text magic : {Text("II*\0", 4), Text("MM\0*", 4), Text("II+\0", 4), Text("MM\0+", 4)})
    if (starts_with(bytes, 0, magic)) return Format::tiff;
  if (starts_with(bytes, 0, "BM") && bytes.size() > 26) return Format::bmp;
  return std::nullopt;
}

std::string names_of_formats() {
  return listed([](const Row& row) { return row.name; }, false);
}

std::string extensions_of_formats() {
  return listed([](const Row& row) { return extension_of(row.format); }, true);
}

void check_extents(int64_t width, int64_t height, const DecodeLimits& limits) {
  if (width <= 0 || height <= 0) fail(Error::Kind::file, "the picture is empty (", width, "x", height, ")");
  if (width > limits.pixels / height)
    fail(Error::Kind::file, "it declares ", width, "x", height, " pixels, over the limit of ", limits.pixels,
         limits.advice());
}

std::unique_ptr<Reader> open_reader(List<std::byte> bytes, const DecodeLimits& limits) {
  if (bytes.empty()) fail(Error::Kind::file, "the file is empty");
  const std::optional<Format> format = recognize(bytes);
  if (!format) fail(Error::Kind::file, "not a ", names_of_formats(), " picture");
  const Row& row = row_of(*format);
  if (!row.open) fail(Error::Kind::file, lacks(row));
  std::unique_ptr<Reader> reader = row.open(bytes, limits);
  if (!limits.upright) return reader;
  reader = turn_upright(std::move(reader));
  renew_metadata(reader->head_);
  return reader;
}

Picture decode(List<std::byte> bytes, const DecodeLimits& limits) { return open_reader(bytes, limits)->whole(); }

Head fit_head(const Head& given, Format format, std::vector<std::string>& notes) {
  return fit(given, row_of(format), notes);
}

int64_t largest_extent(Format format) { return row_of(format).largest; }

int64_t writing_bytes(const Frame& picture, Format format) {
  const Row& row = row_of(format);
  const int channels = picture.channels < 3 && !(row.holds & gray) ? picture.channels + 2 : picture.channels;
  return picture.width * picture.height * channels * row.writing;
}

std::unique_ptr<Writer> open_writer(const Head& given, Format format, const EncodeOptions& options, Sink sink,
                                    std::vector<std::string>& notes) {
  const Row& row = row_of(format);
  if (!row.write) fail(Error::Kind::file, lacks(row));
  if (std::max(given.width, given.height) > row.largest)
    fail(Error::Kind::file, "a ", extension_of(format), " file holds at most ", row.largest, " pixels a side, not ",
         given.width, "x", given.height, "; write a PNG");
  Head head = given;
  const bool maps = options.tone == Tone::map || (options.tone == Tone::fit && !(row.holds & color_chunks));
  std::optional<ToneMapper> mapper = maps ? ToneMapper::of(given) : std::nullopt;
  if (mapper) {
    head.color = {};
    notes.push_back(cat("its colors (", mapper->curve(), "), brighter than white, were mapped to sRGB"));
  }
  const Head fitted = fit(head, row, notes);
  std::unique_ptr<Writer> writer = row.write(fitted, options, std::move(sink), notes);
  if (!mapper && fitted.channels == head.channels && fitted.bits == head.bits) return writer;
  const Frame from = mapper ? mapper->mapped() : head;
  return std::make_unique<ConvertingWriter>(from, fitted, std::move(mapper), options, std::move(writer));
}

Bytes encode(Picture picture, Format format, const EncodeOptions& options, std::vector<std::string>& notes) {
  Bytes bytes;
  Sink sink;
  sink.write = [&](List<std::byte> more) { bytes.insert(bytes.end(), more.begin(), more.end()); };
  sink.overwrite = [&](int64_t at, List<std::byte> better) {
    std::copy(better.begin(), better.end(), bytes.begin() + at);
  };
  const std::unique_ptr<Writer> writer = open_writer(picture, format, options, std::move(sink), notes);
  writer->whole(std::move(picture));
  return bytes;
}

}  // namespace tessera::upscale
