// PNG through libpng.
#include <png.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <deque>

#include "upscale/codecs/animation.h"
#include "upscale/codecs/formats.h"
#include "upscale/codecs/guarded.h"
#include "upscale/codecs/png_data.h"

namespace tessera::upscale {
namespace {

/// What libpng's callbacks see: the parts of the file still to be read, or what takes one, and the first error.
struct State {
  std::vector<List<std::byte>> rest;  ///< the next part is the last one
  Sink sink;
  std::exception_ptr refused;  ///< what the sink threw
  std::jmp_buf escape;
  char error[200] = {};
  char bad_icc[200] = {};  ///< why a color profile is not taken
};

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  State& state = *static_cast<State*>(png_get_error_ptr(png));
  std::strncpy(state.error, text, sizeof state.error - 1);
  std::longjmp(state.escape, 1);
}

void on_warning(png_structp png, png_const_charp text) {
  State& state = *static_cast<State*>(png_get_error_ptr(png));
  if (std::strncmp(text, "iCCP: ", 6) == 0 && !state.bad_icc[0])
    std::strncpy(state.bad_icc, text + 6, sizeof state.bad_icc - 1);
}

void on_read(png_structp png, png_bytep out, size_t size) {
  std::vector<List<std::byte>>& rest = static_cast<State*>(png_get_io_ptr(png))->rest;
  while (size > 0) {
    if (rest.empty()) png_error(png, "the file is truncated");
    List<std::byte>& part = rest.back();
    const size_t count = std::min(size, part.size());
    std::memcpy(out, part.data(), count);
    out += count;
    size -= count;
    part = part.subspan(count);
    if (part.empty()) rest.pop_back();
  }
}

bool pass_on(State& state, const png_byte* data, size_t size) noexcept {
  try {
    state.sink.write({reinterpret_cast<const std::byte*>(data), size});
    return true;
  } catch (...) {
    state.refused = std::current_exception();
    return false;
  }
}

void on_write(png_structp png, png_bytep data, size_t size) {
  if (!pass_on(*static_cast<State*>(png_get_io_ptr(png)), data, size)) png_error(png, "no place for the file");
}

void on_flush(png_structp) {}

struct ReadHandle {
  State state;
  png_structp png = nullptr;
  png_infop info = nullptr;

  ReadHandle() {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning);
    if (png) info = png_create_info_struct(png);
  }
  ~ReadHandle() { png_destroy_read_struct(&png, &info, nullptr); }
  ReadHandle(const ReadHandle&) = delete;
  ReadHandle& operator=(const ReadHandle&) = delete;
};

struct WriteHandle {
  State state;
  png_structp png = nullptr;
  png_infop info = nullptr;

  WriteHandle() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning);
    if (png) info = png_create_info_struct(png);
  }
  ~WriteHandle() { png_destroy_write_struct(&png, &info); }
  WriteHandle(const WriteHandle&) = delete;
  WriteHandle& operator=(const WriteHandle&) = delete;
};

template <class Handle, class Step>
void perform(Handle& handle, Text doing, const Step& step) {
  if (!handle.info) fail(Error::Kind::memory, "no memory for libpng");
  if (guarded(handle, step)) return;
  if (handle.state.refused) std::rethrow_exception(handle.state.refused);
  fail(Error::Kind::file, doing, ": ", handle.state.error);
}

constexpr Text raw_profile = "Raw profile type ", xmp_key = "XML:com.adobe.xmp";
/// Chunks that libpng does not know in every version, and keeps as they are.
constexpr png_byte foreign_chunks[] = "cICP\0mDCV\0cLLI\0acTL";
constexpr int foreign_count = sizeof foreign_chunks / 5;

Bytes bytes_of(const void* data, size_t size) {
  const auto* first = static_cast<const std::byte*>(data);
  return Bytes(first, first + size);
}

/// The bytes that ImageMagick hides in a text chunk: a name, a length, and hexadecimal digits.
Bytes read_raw_profile(Text text) {
  Bytes out;
  int digits = 0;
  uint32_t value = 0;
  const size_t skip = text.find_first_not_of(" \n");
  size_t at = skip == Text::npos ? Text::npos : text.find('\n', skip);
  if (at != Text::npos) at = text.find('\n', at + 1);
  if (at == Text::npos) return out;
  for (const char c : text.substr(at)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) continue;
    value = value << 4 | static_cast<uint32_t>(digit);
    if (++digits % 2 == 0) out.push_back(static_cast<std::byte>(value));
  }
  return out;
}

std::string write_raw_profile(Text name, const Bytes& bytes) {
  constexpr const char* digits = "0123456789abcdef";
  std::string text = cat("\n", name, "\n", bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i % 36 == 0) text += '\n';
    const auto byte = std::to_integer<unsigned>(bytes[i]);
    (text += digits[byte >> 4]) += digits[byte & 15];
  }
  return text + '\n';
}

/// Takes a profile of that kind; false if it is not one that a picture has a place for.
bool take_raw_profile(Text kind, Bytes bytes, Head& picture) {
  static constexpr Text exif_prefix{"Exif\0\0", 6}, xmp_prefix{"http://ns.adobe.com/xap/1.0/\0", 29};
  const auto cut = [&](Text prefix) {
    const bool found = bytes.size() >= prefix.size() && std::memcmp(bytes.data(), prefix.data(), prefix.size()) == 0;
    if (found) bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(prefix.size()));
    return found;
  };
  Bytes Metadata::*place = nullptr;
  if (kind == "xmp" || (kind == "APP1" && cut(xmp_prefix)))
    place = &Metadata::xmp;
  else if (kind == "exif" || kind == "APP1")
    cut(exif_prefix), place = &Metadata::exif;
  else if (kind == "iptc" || kind == "8bim")
    bytes = unwrap_iptc(bytes), place = &Metadata::iptc;
  if (!place) return false;
  if ((picture.*place).empty()) picture.*place = std::move(bytes);
  return true;
}

void read_texts(const ReadHandle& reader, Head& picture) {
  png_textp texts = nullptr;
  int count = 0;
  png_get_text(reader.png, reader.info, &texts, &count);
  for (int i = 0; i < count; ++i) {
    const bool international = texts[i].compression >= PNG_ITXT_COMPRESSION_NONE;
    const Text key = texts[i].key;
    const Text text(texts[i].text, international ? texts[i].itxt_length : texts[i].text_length);
    if (key == xmp_key) {
      picture.xmp = bytes_of(text.data(), text.size());
    } else if (!key.starts_with(raw_profile) ||
               !take_raw_profile(key.substr(raw_profile.size()), read_raw_profile(text), picture)) {
      TextEntry entry{utf8_of(key), utf8_of(text), "", "", texts[i].compression % 2 == 0};
      if (international && texts[i].lang) entry.language = texts[i].lang;
      if (international && texts[i].lang_key) entry.translated_key = texts[i].lang_key;
      picture.texts.push_back(std::move(entry));
    }
  }
}

void read_colors(const ReadHandle& reader, Colorimetry& color) {
  int intent = 0;
  double gamma = 0;
  std::array<double, 8> xy{};
  if (png_get_sRGB(reader.png, reader.info, &intent)) color.srgb_intent = intent;
  if (png_get_gAMA(reader.png, reader.info, &gamma)) color.gamma = gamma;
  if (png_get_cHRM(reader.png, reader.info, &xy[0], &xy[1], &xy[2], &xy[3], &xy[4], &xy[5], &xy[6], &xy[7]))
    color.chromaticities = xy;
}

void read_metadata(const ReadHandle& reader, Head& picture) {
  png_charp name = nullptr;
  png_bytep data = nullptr;
  png_uint_32 size = 0, x = 0, y = 0;
  int compression = 0, unit = 0;
  if (png_get_iCCP(reader.png, reader.info, &name, &compression, &data, &size))
    picture.icc = bytes_of(data, size);
  else if (reader.state.bad_icc[0] && !png_get_valid(reader.png, reader.info, PNG_INFO_sRGB))
    picture.notes.push_back(cat("its color profile was dropped (", reader.state.bad_icc, ")"));
  if (png_get_eXIf_1(reader.png, reader.info, &size, &data)) picture.exif = bytes_of(data, size);
  if (png_get_pHYs(reader.png, reader.info, &x, &y, &unit) && x && y)
    picture.density = {static_cast<double>(x), static_cast<double>(y), unit == PNG_RESOLUTION_METER};
  read_texts(reader, picture);
  read_colors(reader, picture.color);
  png_unknown_chunkp chunks = nullptr;
  const int count = png_get_unknown_chunks(reader.png, reader.info, &chunks);
  for (int i = 0; i < count; ++i) {
    const Text kind = reinterpret_cast<const char*>(chunks[i].name);
    const Bytes bytes = bytes_of(chunks[i].data, chunks[i].size);
    if (kind == "cICP" && bytes.size() == 4) picture.color.cicp = bytes;
    if (kind == "mDCV") picture.color.mastering = bytes;
    if (kind == "cLLI") picture.color.light = bytes;
    if (kind == "acTL") picture.notes.push_back("an animation: only its first picture is upscaled");
  }
}

/// A name as PNG allows it: up to 79 printable Latin-1 characters, words apart by one space.
std::string keyword_of(Text name) {
  std::string key;
  for (const char c : latin1_of(name).value_or("")) {
    const auto byte = static_cast<uint8_t>(c);
    const bool printable = (byte > 32 && byte < 127) || byte > 160;
    if (printable || (!key.empty() && key.back() != ' ')) key += printable ? c : ' ';
    if (key.size() == 79) break;
  }
  if (!key.empty() && key.back() == ' ') key.pop_back();
  return key.empty() ? "Comment" : key;
}

/// Text chunks in libpng's words, and the memory behind them.
class TextChunks {
 public:
  explicit TextChunks(const Head& picture) {
    for (const TextEntry& entry : picture.texts) {
      const std::optional<std::string> text = latin1_of(entry.text);
      const bool international = !text || !entry.language.empty() || !entry.translated_key.empty();
      add({keyword_of(entry.key), international ? entry.text : *text, entry.language, entry.translated_key,
           entry.compressed},
          international);
    }
    if (!picture.xmp.empty())
      add({std::string(xmp_key), std::string(reinterpret_cast<const char*>(picture.xmp.data()), picture.xmp.size()), "",
           "", false},
          true);
    if (!picture.iptc.empty())
      add({cat(raw_profile, "iptc"), write_raw_profile("iptc", wrap_iptc(picture.iptc)), "", "", true}, false);
  }
  std::vector<png_text> chunks;

 private:
  void add(TextEntry entry, bool international) {
    // libpng takes lengths from the ends of strings.
    entry.text.resize(std::min(entry.text.size(), entry.text.find('\0')));
    TextEntry& kept = entries_.emplace_back(std::move(entry));
    png_text chunk{};
    chunk.compression = international ? (kept.compressed ? PNG_ITXT_COMPRESSION_zTXt : PNG_ITXT_COMPRESSION_NONE)
                                      : (kept.compressed ? PNG_TEXT_COMPRESSION_zTXt : PNG_TEXT_COMPRESSION_NONE);
    chunk.key = kept.key.data();
    chunk.text = kept.text.data();
    chunk.text_length = kept.text.size();
    chunk.lang = kept.language.data();
    chunk.lang_key = kept.translated_key.data();
    chunks.push_back(chunk);
  }

  std::deque<TextEntry> entries_;
};

void write_chunk(WriteHandle& w, const char* name, const Bytes& data) {
  if (!data.empty())
    png_write_chunk(w.png, reinterpret_cast<png_const_bytep>(name), reinterpret_cast<png_const_bytep>(data.data()),
                    data.size());
}

/// The file in an order in which all that describes the pixels stands before them: the first part is the last one.
std::vector<List<std::byte>> described_first(List<std::byte> bytes) {
  constexpr size_t signature = 8, around = 12;
  size_t pixels = 0, at = signature;
  std::vector<List<std::byte>> moved, stays;
  const auto length_at = [&](size_t i) {
    size_t length = 0;
    for (size_t k = 0; k < 4; ++k) length = length << 8 | std::to_integer<size_t>(bytes[i + k]);
    return length;
  };
  size_t from = 0;
  while (bytes.size() - at >= around && length_at(at) <= bytes.size() - at - around) {
    const Text kind(reinterpret_cast<const char*>(bytes.data()) + at + 4, 4);
    const size_t size = length_at(at) + around;
    if (kind == "IDAT" && !pixels) pixels = at;
    if (pixels && (kind == "tEXt" || kind == "zTXt" || kind == "iTXt" || kind == "eXIf")) {
      moved.push_back(bytes.subspan(at, size));
      stays.push_back(bytes.subspan(from, at - from));
      from = at + size;
    }
    at += size;
  }
  if (moved.empty()) return {bytes};
  stays.push_back(bytes.subspan(from));
  std::vector<List<std::byte>> parts{bytes.first(pixels)};
  stays[0] = stays[0].subspan(pixels);
  parts.insert(parts.end(), moved.begin(), moved.end());
  parts.insert(parts.end(), stays.begin(), stays.end());
  std::erase_if(parts, [](List<std::byte> part) { return part.empty(); });
  std::reverse(parts.begin(), parts.end());
  return parts;
}

class PngReader : public Reader {
 public:
  PngReader(List<std::byte> bytes, const DecodeLimits& limits) {
    handle_.state.rest = described_first(bytes);
    perform(handle_, "corrupt PNG", [](ReadHandle& r) {
      png_set_read_fn(r.png, &r.state, on_read);
      png_set_user_limits(r.png, 0x7fffffff, 0x7fffffff);
      // Pixels are what this is for: chunks that only describe them may be damaged.
      png_set_crc_action(r.png, PNG_CRC_ERROR_QUIT, PNG_CRC_QUIET_USE);
      png_set_keep_unknown_chunks(r.png, PNG_HANDLE_CHUNK_ALWAYS, foreign_chunks, foreign_count);
      png_read_info(r.png, r.info);
    });
    head_.width = png_get_image_width(handle_.png, handle_.info);
    head_.height = png_get_image_height(handle_.png, handle_.info);
    check_extents(head_.width, head_.height, limits);
    interlaced_ = png_get_interlace_type(handle_.png, handle_.info) != PNG_INTERLACE_NONE;
    perform(handle_, "corrupt PNG", [](ReadHandle& r) {
      png_set_expand(r.png);
      if constexpr (std::endian::native == std::endian::little) png_set_swap(r.png);
      png_set_interlace_handling(r.png);
      png_read_update_info(r.png, r.info);
    });
    head_.channels = png_get_channels(handle_.png, handle_.info);
    head_.bits = png_get_bit_depth(handle_.png, handle_.info);
    if (png_get_rowbytes(handle_.png, handle_.info) != static_cast<size_t>(head_.row_bytes()))
      fail(Error::Kind::file, "corrupt PNG: its rows have an impossible size");
    read_metadata(handle_, head_);
  }

  int64_t held_bytes() const override { return interlaced_ ? head_.height * head_.row_bytes() : 0; }

  void rows(int64_t count, std::byte* to) override {
    if (interlaced_ && all_.samples.empty()) read_all(all_ = Picture(head_));
    const auto bytes = static_cast<size_t>(head_.row_bytes());
    if (interlaced_)
      std::memcpy(to, all_.row(next_), static_cast<size_t>(count) * bytes);
    else
      perform(handle_, "corrupt PNG", [&](ReadHandle& r) {
        for (int64_t y = 0; y < count; ++y)
          png_read_row(r.png, reinterpret_cast<png_bytep>(to) + static_cast<size_t>(y) * bytes, nullptr);
        if (next_ + count == head_.height) png_read_end(r.png, nullptr);
      });
    next_ += count;
  }

  Picture whole() override {
    if (!interlaced_) return Reader::whole();
    Picture picture(head_);
    read_all(picture);
    return picture;
  }

 private:
  void read_all(Picture& picture) {
    picture.allocate();
    std::vector<png_bytep> rows(static_cast<size_t>(picture.height));
    for (int64_t y = 0; y < picture.height; ++y)
      rows[static_cast<size_t>(y)] = reinterpret_cast<png_bytep>(picture.row(y));
    perform(handle_, "corrupt PNG", [&rows](ReadHandle& r) {
      png_read_image(r.png, rows.data());
      png_read_end(r.png, nullptr);
    });
  }

  ReadHandle handle_;
  bool interlaced_ = false;
  Picture all_;  ///< of an interlaced one
  int64_t next_ = 0;
};

class PngWriter : public Writer {
 public:
  PngWriter(const Head& picture, const EncodeOptions& options, Sink sink, std::vector<std::string>& notes,
            const Animation* animation = nullptr)
      : head_(picture), threads_(options.threads) {
    static constexpr int kinds[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                    PNG_COLOR_TYPE_RGB_ALPHA};
    handle_.state.sink = std::move(sink);
    Bytes exif = picture.exif, icc = picture.icc;
    TextChunks texts(picture);
    bool icc_kept = true;
    perform(handle_, cannot_write, [&](WriteHandle& w) {
      png_set_write_fn(w.png, &w.state, on_write, on_flush);
      png_set_user_limits(w.png, 0x7fffffff, 0x7fffffff);
      png_set_benign_errors(w.png, 1);
      png_set_IHDR(w.png, w.info, static_cast<png_uint_32>(picture.width), static_cast<png_uint_32>(picture.height),
                   picture.bits, kinds[picture.channels - 1], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                   PNG_FILTER_TYPE_DEFAULT);
      if (!icc.empty()) {
        png_set_iCCP(w.png, w.info, "icc", PNG_COMPRESSION_TYPE_BASE, reinterpret_cast<png_bytep>(icc.data()),
                     static_cast<png_uint_32>(icc.size()));
        icc_kept = png_get_valid(w.png, w.info, PNG_INFO_iCCP);
      }
      if (picture.color.srgb_intent) png_set_sRGB(w.png, w.info, *picture.color.srgb_intent);
      if (picture.color.gamma) png_set_gAMA(w.png, w.info, *picture.color.gamma);
      if (picture.color.chromaticities) {
        const auto& xy = *picture.color.chromaticities;
        png_set_cHRM(w.png, w.info, xy[0], xy[1], xy[2], xy[3], xy[4], xy[5], xy[6], xy[7]);
      }
      if (!exif.empty())
        png_set_eXIf_1(w.png, w.info, static_cast<png_uint_32>(exif.size()), reinterpret_cast<png_bytep>(exif.data()));
      if (picture.density)
        png_set_pHYs(w.png, w.info, static_cast<png_uint_32>(std::llround(std::clamp(picture.density->x, 1.0, 2e9))),
                     static_cast<png_uint_32>(std::llround(std::clamp(picture.density->y, 1.0, 2e9))),
                     picture.density->absolute ? PNG_RESOLUTION_METER : PNG_RESOLUTION_UNKNOWN);
      png_set_text(w.png, w.info, texts.chunks.data(), static_cast<int>(texts.chunks.size()));
      png_write_info_before_PLTE(w.png, w.info);
      write_chunk(w, "cICP", picture.color.cicp);
      write_chunk(w, "mDCV", picture.color.mastering);
      write_chunk(w, "cLLI", picture.color.light);
      png_write_info(w.png, w.info);
      if (animation) write_chunk(w, "acTL", numbers({static_cast<int>(animation->frames.size()), animation->loops}));
    });
    data_ = std::make_unique<PngData>(head_, threads_);
    if (!icc_kept) notes.push_back(cat("its color profile was dropped (", handle_.state.bad_icc, ")"));
  }

  void rows(const std::byte* from, int64_t count) override {
    data_->add(from, count, [&](const Bytes& part) {
      // The pixels of further frames are numbered.
      Bytes numbered = frames_ > 1 ? numbers({sequence_++}) : Bytes();
      if (frames_ > 1) numbered.insert(numbered.end(), part.begin(), part.end());
      perform(handle_, cannot_write,
              [&](WriteHandle& w) { write_chunk(w, frames_ > 1 ? "fdAT" : "IDAT", frames_ > 1 ? numbered : part); });
    });
  }

  /// One more frame of an animation.
  void begin_frame(int milliseconds) {
    if (frames_++ > 0) data_ = std::make_unique<PngData>(head_, threads_);
    Bytes control = numbers({sequence_++, static_cast<int>(head_.width), static_cast<int>(head_.height), 0, 0});
    const int time = std::clamp(milliseconds, 0, 65535);
    for (const int value : {time >> 8, time & 0xff, 1000 >> 8, 1000 & 0xff, 0, 0})
      control.push_back(static_cast<std::byte>(value));
    perform(handle_, cannot_write, [&](WriteHandle& w) { write_chunk(w, "fcTL", control); });
  }

  void finish() override {
    perform(handle_, cannot_write,
            [](WriteHandle& w) { png_write_chunk(w.png, reinterpret_cast<png_const_bytep>("IEND"), nullptr, 0); });
  }

 private:
  static Bytes numbers(std::initializer_list<int> values) {
    Bytes bytes;
    for (const int value : values)
      for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::byte>(value >> shift & 0xff));
    return bytes;
  }

  static constexpr Text cannot_write = "the PNG cannot be written";
  WriteHandle handle_;
  Head head_;
  int threads_;
  std::unique_ptr<PngData> data_;
  int frames_ = 0, sequence_ = 0;
};

}  // namespace

std::unique_ptr<Reader> open_png(List<std::byte> bytes, const DecodeLimits& limits) {
  return std::make_unique<PngReader>(bytes, limits);
}

void write_png_animation(const Animation& animation, const EncodeOptions& options, const Sink& sink,
                         std::vector<std::string>& notes) {
  PngWriter writer(animation.frames[0], options, sink, notes, &animation);
  for (size_t i = 0; i < animation.frames.size(); ++i) {
    writer.begin_frame(animation.milliseconds[i]);
    writer.rows(animation.frames[i].samples.data(), animation.frames[i].height);
  }
  writer.finish();
}

std::unique_ptr<Writer> write_png(const Head& head, const EncodeOptions& options, Sink sink,
                                  std::vector<std::string>& notes) {
  return std::make_unique<PngWriter>(head, options, std::move(sink), notes);
}

}  // namespace tessera::upscale
