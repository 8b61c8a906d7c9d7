// Reading TIFF through libtiff: samples as they are stored where that is what a Picture holds, all else as libtiff
// shows it, in 8 bits.
#include <tiffio.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstring>

#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

/// What libtiff's callbacks see.
struct State {
  List<std::byte> bytes;
  toff_t at = 0;
  std::string error, damage;
};

State& state_of(thandle_t handle) { return *static_cast<State*>(handle); }

tmsize_t on_read(thandle_t handle, void* to, tmsize_t size) {
  State& state = state_of(handle);
  const size_t left = state.bytes.size() - std::min<size_t>(state.bytes.size(), state.at);
  const size_t count = std::min(left, static_cast<size_t>(std::max<tmsize_t>(size, 0)));
  if (count > 0) std::memcpy(to, state.bytes.data() + state.at, count);
  state.at += count;
  return static_cast<tmsize_t>(count);
}
tmsize_t on_write(thandle_t, void*, tmsize_t) { return -1; }
toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  State& state = state_of(handle);
  const toff_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? state.at : state.bytes.size();
  return state.at = from + offset;
}
int on_close(thandle_t) { return 0; }
toff_t on_size(thandle_t handle) { return state_of(handle).bytes.size(); }
int on_map(thandle_t handle, void** base, toff_t* size) {
  *base = const_cast<std::byte*>(state_of(handle).bytes.data());  // libtiff only reads it
  *size = state_of(handle).bytes.size();
  return 1;
}
void on_unmap(thandle_t, void*, toff_t) {}

/// What libtiff says, in one line.
std::string words(const char* format, va_list arguments) {
  char text[300];
  std::vsnprintf(text, sizeof text, format, arguments);
  std::string line = text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

int on_error(TIFF*, void* user, const char* module, const char* format, va_list arguments) {
  const std::string text = words(format, arguments);
  std::string& error = state_of(user).error;
  if (error.empty()) error = module && *module && !std::strchr(module, '<') ? cat(module, ": ", text) : text;
  return 1;
}
/// Of all that libtiff finds odd, what is lost counts.
int on_warning(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  if (std::strstr(format, "IO error") || std::strstr(format, "tag ignored")) {
    const std::string text = words(format, arguments);
    if (text.find("IO error") != Text::npos) state_of(user).damage = text;
  }
  return 1;
}

struct Close {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Handle = std::unique_ptr<TIFF, Close>;

template <class T>
T field(TIFF* tiff, ttag_t tag, T missing) {
  T value = missing;
  return TIFFGetFieldDefaulted(tiff, tag, &value) ? value : missing;
}

Bytes packet(TIFF* tiff, ttag_t tag) {
  uint32_t count = 0;
  const void* data = nullptr;
  if (!TIFFGetField(tiff, tag, &count, &data) || !data) return {};
  const auto* first = static_cast<const std::byte*>(data);
  return Bytes(first, first + count);
}

/// How samples lie in the file.
struct Layout {
  uint16_t bits = 1, samples = 1, kind = SAMPLEFORMAT_UINT, photometric = PHOTOMETRIC_MINISBLACK,
           planes = PLANARCONFIG_CONTIG, compression = COMPRESSION_NONE;
  bool tiled = false;
  int colors = 1;  ///< that are stored
  bool alpha = false, premultiplied = false;

  bool palette() const { return photometric == PHOTOMETRIC_PALETTE; }
  bool ink() const { return photometric == PHOTOMETRIC_SEPARATED; }
  bool floats() const { return kind == SAMPLEFORMAT_IEEEFP; }
};

class TiffReader : public Reader {
 public:
  TiffReader(List<std::byte> bytes, const DecodeLimits& limits) : state_{bytes, 0, {}, {}} {
    TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
    if (!options) fail(Error::Kind::memory, "no memory for libtiff");
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, &state_);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, &state_);
    tiff_.reset(TIFFClientOpenExt("TIFF", "r", &state_, on_read, on_write, on_seek, on_close, on_size, on_map, on_unmap,
                                  options));
    TIFFOpenOptionsFree(options);
    if (!tiff_) corrupt();
    head_.width = field<uint32_t>(tiff(), TIFFTAG_IMAGEWIDTH, 0);
    head_.height = field<uint32_t>(tiff(), TIFFTAG_IMAGELENGTH, 0);
    check_extents(head_.width, head_.height, limits);
    read_layout();
    read_metadata();
    choose_form();
  }

  int64_t held_bytes() const override {
    return shown_ ? head_.height * head_.width * 4 : large_band() ? band_bytes() : 0;
  }

  void rows(int64_t count, std::byte* to) override {
    for (; count > 0; --count, ++next_, to += head_.row_bytes()) {
      if (shown_) {
        show(next_, to);
        continue;
      }
      const std::byte* stored = stored_row(next_);
      if (ink_) {
        deepen(stored, deep_.data(), head_.width, layout_.samples, 4);
        ink_->run(deep_.data(), head_.width, to);
      } else {
        convert(stored, to);
      }
    }
  }

 private:
  TIFF* tiff() const { return tiff_.get(); }
  [[noreturn]] void corrupt() const {
    fail(Error::Kind::file, "corrupt or truncated TIFF", state_.error.empty() ? "" : ": ", state_.error);
  }

  void read_layout() {
    Layout& l = layout_;
    l.bits = field<uint16_t>(tiff(), TIFFTAG_BITSPERSAMPLE, 1);
    l.samples = field<uint16_t>(tiff(), TIFFTAG_SAMPLESPERPIXEL, 1);
    l.kind = field<uint16_t>(tiff(), TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
    l.planes = field<uint16_t>(tiff(), TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    l.compression = field<uint16_t>(tiff(), TIFFTAG_COMPRESSION, COMPRESSION_NONE);
    l.photometric =
        field<uint16_t>(tiff(), TIFFTAG_PHOTOMETRIC, l.samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK);
    if (l.photometric == PHOTOMETRIC_YCBCR && l.compression == COMPRESSION_JPEG) {
      TIFFSetField(tiff(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
      l.photometric = PHOTOMETRIC_RGB;
    }
    if (l.kind == SAMPLEFORMAT_VOID) l.kind = SAMPLEFORMAT_UINT;
    l.tiled = TIFFIsTiled(tiff());
    l.colors = l.photometric == PHOTOMETRIC_RGB ? 3 : l.ink() ? 4 : 1;
    if (!TIFFIsCODECConfigured(l.compression))
      fail(Error::Kind::file, "its pixels are compressed by method ", l.compression,
           ", which libtiff does not know here");
    constexpr int most_samples = 64;
    if (l.samples > most_samples) fail(Error::Kind::file, "a TIFF of ", l.samples, " channels is no picture");
    uint16_t count = 0;
    const uint16_t* extra = nullptr;
    if (TIFFGetField(tiff(), TIFFTAG_EXTRASAMPLES, &count, &extra) && count > 0 && l.samples > l.colors && !l.ink() &&
        !l.palette()) {
      l.premultiplied = extra[0] == EXTRASAMPLE_ASSOCALPHA;
      l.alpha = l.premultiplied || extra[0] == EXTRASAMPLE_UNASSALPHA;
    }
    if (l.samples > l.colors + (l.alpha ? 1 : 0)) head_.notes.push_back("it has further channels: dropped");
  }

  /// Whether samples can be taken as they are; what a Picture makes of them.
  void choose_form() {
    const Layout& l = layout_;
    const bool known = l.photometric == PHOTOMETRIC_MINISBLACK || l.photometric == PHOTOMETRIC_MINISWHITE ||
                       l.photometric == PHOTOMETRIC_RGB || (l.palette() && l.bits <= 8) || l.ink();
    const bool whole = l.bits == 8 || l.bits == 16 || l.bits == 32;
    const bool numbers =
        l.floats() ? l.bits == 16 || l.bits == 32 || l.bits == 64
                   : (l.kind == SAMPLEFORMAT_UINT || (l.kind == SAMPLEFORMAT_INT && whole)) && (whole || l.bits <= 16);
    const bool packed = !whole && !l.floats();
    const bool subsampled = l.planes == PLANARCONFIG_SEPARATE && packed;
    shown_ = !known || !numbers || l.samples < l.colors || subsampled || (l.ink() && l.floats());
    if (shown_) {
      char reason[1024];
      if (!TIFFRGBAImageOK(tiff(), reason)) fail(Error::Kind::file, "this kind of TIFF cannot be read: ", reason);
      head_.channels = l.alpha ? 4 : 3;
      head_.bits = 8;
      if (l.bits > 8) head_.notes.push_back(cat("a TIFF of an unusual kind: its ", l.bits, " bits were read as 8"));
      return;
    }
    head_.channels = (l.colors == 1 && !l.palette() ? 1 : 3) + (l.alpha ? 1 : 0);
    head_.bits = l.floats() ? 32 : l.bits > 8 ? 16 : 8;
    if (l.kind == SAMPLEFORMAT_INT) head_.notes.push_back("its numbers are signed: those below 0 are taken as black");
    if (l.bits == 32 && !l.floats()) head_.notes.push_back("its 32 bits per sample were reduced to 16");
    if (l.palette()) read_palette();
    if (l.ink()) {
      ink_ = std::make_unique<InkConverter>(head_.icc, head_.bits, false);
      deep_.resize(static_cast<size_t>(head_.width * 4 * head_.bits / 8));
      head_.icc.clear();
      head_.notes.push_back(ink_->note());
    }
    // Strips of one plane are read by the row; of others, and of tiles, a band at a time.
    if (!l.tiled && l.planes == PLANARCONFIG_CONTIG) {
      band_.resize(static_cast<size_t>(TIFFScanlineSize(tiff())));
      if (band_.empty()) corrupt();
      return;
    }
    uint32_t rows = field<uint32_t>(tiff(), l.tiled ? TIFFTAG_TILELENGTH : TIFFTAG_ROWSPERSTRIP, 0);
    band_rows_ = std::clamp<int64_t>(rows, 1, head_.height);
    const auto part = static_cast<size_t>(l.tiled ? TIFFTileSize(tiff()) : TIFFStripSize(tiff()));
    // Whole tiles at the right edge, and all planes.
    stored_width_ = l.tiled ? round_up(head_.width, field<uint32_t>(tiff(), TIFFTAG_TILEWIDTH, 1)) : head_.width;
    const int64_t bytes = band_rows_ * stored_pixel() * stored_width_;
    // A tile may be larger than the picture, but not by much.
    constexpr int64_t large = int64_t{64} << 20;
    if (static_cast<int64_t>(part) > std::max(large, 4 * head_.width * head_.height * stored_pixel()) ||
        bytes > std::max(large, 4 * head_.width * head_.height * stored_pixel()))
      corrupt();
    if (part == 0 || l.bits % 8 != 0 || bytes / std::max<int64_t>(1, band_rows_) > int64_t{1} << 34) {
      if (l.bits % 8 == 0) corrupt();
      shown_ = true;
      head_.channels = l.alpha ? 4 : 3;
      head_.bits = 8;
      return;
    }
    part_.resize(part);
    band_.resize(static_cast<size_t>(bytes));
  }

  static int64_t round_up(int64_t value, int64_t unit) {
    return (value + unit - 1) / std::max<int64_t>(1, unit) * unit;
  }
  int64_t stored_pixel() const { return int64_t{layout_.samples} * layout_.bits / 8; }
  bool large_band() const { return static_cast<int64_t>(band_.size()) > (int64_t{64} << 20); }
  int64_t band_bytes() const { return static_cast<int64_t>(band_.size()); }

  void read_palette() {
    const uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
    if (!TIFFGetField(tiff(), TIFFTAG_COLORMAP, &red, &green, &blue)) corrupt();
    const size_t count = size_t{1} << layout_.bits;
    const auto large = [count](const uint16_t* map) {
      return std::any_of(map, map + count, [](int v) { return v > 255; });
    };
    // Some writers fill 16 bits with numbers of 8.
    const int shift = large(red) || large(green) || large(blue) ? 8 : 0;
    for (size_t i = 0; i < count; ++i)
      for (const uint16_t* map : {red, green, blue}) palette_.push_back(static_cast<uint8_t>(map[i] >> shift));
  }

  /// All samples of a row, one pixel behind the other.
  const std::byte* stored_row(int64_t y) {
    state_.error.clear();
    if (band_rows_ == 0) {
      if (TIFFReadScanline(tiff(), band_.data(), static_cast<uint32_t>(y), 0) < 0) corrupt();
      return band_.data();
    }
    const int64_t row_bytes = stored_width_ * stored_pixel();
    if (y % band_rows_ == 0) read_band(y);
    return band_.data() + y % band_rows_ * row_bytes;
  }

  void read_band(int64_t y) {
    const Layout& l = layout_;
    const int64_t sample = l.bits / 8, pixel = stored_pixel();
    const int planes = l.planes == PLANARCONFIG_SEPARATE ? l.samples : 1;
    const int64_t piece = planes > 1 ? sample : pixel;
    const int64_t width = l.tiled ? field<uint32_t>(tiff(), TIFFTAG_TILEWIDTH, 1) : head_.width;
    const int64_t rows = std::min(band_rows_, l.tiled ? band_rows_ : head_.height - y);
    for (int plane = 0; plane < planes; ++plane)
      for (int64_t x = 0; x < stored_width_; x += width) {
        const auto column = static_cast<uint32_t>(x), row = static_cast<uint32_t>(y);
        const auto which = static_cast<uint16_t>(plane);
        const tmsize_t got = l.tiled ? TIFFReadTile(tiff(), part_.data(), column, row, 0, which)
                                     : TIFFReadEncodedStrip(tiff(), TIFFComputeStrip(tiff(), row, which), part_.data(),
                                                            static_cast<tmsize_t>(part_.size()));
        if (got < rows * width * piece) corrupt();
        for (int64_t r = 0; r < rows; ++r) {
          const std::byte* in = part_.data() + r * width * piece;
          std::byte* out = band_.data() + (r * stored_width_ + x) * pixel + (planes > 1 ? plane * sample : 0);
          if (planes == 1)
            std::memcpy(out, in, static_cast<size_t>(width * piece));
          else
            for (int64_t i = 0; i < width; ++i)
              std::memcpy(out + i * pixel, in + i * sample, static_cast<size_t>(sample));
        }
      }
  }

  /// The number of an integer sample, `i` of its row.
  uint32_t number(const std::byte* row, int64_t i) const {
    const uint32_t bits = unsigned_number(row, i);
    if (layout_.kind != SAMPLEFORMAT_INT) return bits;
    const uint32_t top = layout_.bits == 8 ? 127 : 32767;
    return bits > top ? 0 : 2 * bits + (bits == top);
  }
  uint32_t unsigned_number(const std::byte* row, int64_t i) const {
    const auto* bytes = reinterpret_cast<const uint8_t*>(row);
    switch (layout_.bits) {
      case 8: return bytes[i];
      case 16: return reinterpret_cast<const uint16_t*>(row)[i];
      case 32: return reinterpret_cast<const uint32_t*>(row)[i] >> 16;
      default: {
        uint32_t value = 0;
        for (int64_t bit = i * layout_.bits; bit < (i + 1) * layout_.bits; ++bit)
          value = value << 1 | (bytes[bit / 8] >> (7 - bit % 8) & 1u);
        return value;
      }
    }
  }

  /// The first `kept` of `samples` integers of each pixel, in the bits of the result.
  void deepen(const std::byte* in, std::byte* to, int64_t pixels, int samples, int kept) const {
    const int bits = std::clamp<int>(layout_.bits, 1, 16);
    const uint32_t most = (1u << bits) - 1, top = head_.bits == 8 ? 255 : 65535;
    const bool inverted = layout_.photometric == PHOTOMETRIC_MINISWHITE;
    for (int64_t i = 0; i < pixels; ++i)
      for (int c = 0; c < kept; ++c) {
        uint32_t value = number(in, i * samples + c);
        if (most != top) value = (value * top + most / 2) / most;
        if (inverted && c == 0) value = top - value;
        if (head_.bits == 8)
          reinterpret_cast<uint8_t*>(to)[i * kept + c] = static_cast<uint8_t>(value);
        else
          reinterpret_cast<uint16_t*>(to)[i * kept + c] = static_cast<uint16_t>(value);
      }
  }

  void convert(const std::byte* stored, std::byte* to) const {
    const int kept = head_.channels;
    if (layout_.palette()) {
      for (int64_t x = 0; x < head_.width; ++x)
        std::memcpy(to + 3 * x, palette_.data() + 3 * number(stored, x * layout_.samples), 3);
    } else if (layout_.floats()) {
      auto* out = reinterpret_cast<float*>(to);
      for (int64_t x = 0; x < head_.width; ++x)
        for (int c = 0; c < kept; ++c) {
          const int64_t i = x * layout_.samples + c;
          out[x * kept + c] = layout_.bits == 32   ? reinterpret_cast<const float*>(stored)[i]
                              : layout_.bits == 64 ? static_cast<float>(reinterpret_cast<const double*>(stored)[i])
                                                   : half(reinterpret_cast<const uint16_t*>(stored)[i]);
        }
      if (layout_.photometric == PHOTOMETRIC_MINISWHITE)
        for (int64_t x = 0; x < head_.width; ++x) out[x * kept] = 1 - out[x * kept];
    } else {
      deepen(stored, to, head_.width, layout_.samples, kept);
    }
    if (layout_.premultiplied) divide_by_alpha(head_, head_.width, to);
  }

  /// A number of 5 bits of exponent and 10 of mantissa.
  static float half(uint16_t bits) {
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const float size = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                                     : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    return exponent == 31 ? 0 : bits & 0x8000 ? -size : size;
  }

  /// A row as libtiff shows it; all are decoded at the first.
  void show(int64_t y, std::byte* to) {
    if (raster_.empty()) {
      raster_.resize(static_cast<size_t>(head_.width * head_.height));
      const int stored = field<uint16_t>(tiff(), TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
      if (!TIFFReadRGBAImageOriented(tiff(), static_cast<uint32_t>(head_.width), static_cast<uint32_t>(head_.height),
                                     raster_.data(), stored, 1))
        corrupt();
    }
    auto* out = reinterpret_cast<uint8_t*>(to);
    const uint32_t* from = raster_.data() + y * head_.width;
    for (int64_t x = 0; x < head_.width; ++x)
      for (int c = 0; c < head_.channels; ++c) *out++ = static_cast<uint8_t>(from[x] >> 8 * c);
    if (head_.has_alpha()) divide_by_alpha(head_, head_.width, to);
  }

  void read_metadata() {
    head_.icc = packet(tiff(), TIFFTAG_ICCPROFILE);
    head_.xmp = packet(tiff(), TIFFTAG_XMLPACKET);
    const auto directory = static_cast<uint64_t>(TIFFCurrentDirOffset(tiff()));
    // libtiff takes these bytes for longs.
    head_.iptc = unwrap_iptc(tiff_value(state_.bytes, directory, TIFFTAG_RICHTIFFIPTC));
    head_.exif = exif_of_tiff(state_.bytes, directory);
    const auto x = field<float>(tiff(), TIFFTAG_XRESOLUTION, 0), y = field<float>(tiff(), TIFFTAG_YRESOLUTION, 0);
    const uint16_t unit = field<uint16_t>(tiff(), TIFFTAG_RESOLUTIONUNIT, RESUNIT_INCH);
    if (x > 0 && y > 0 && x < 1e9f && y < 1e9f && (unit != RESUNIT_NONE || x != y)) {
      const double metre = unit == RESUNIT_INCH ? 1 / 0.0254 : unit == RESUNIT_CENTIMETER ? 100 : 1;
      head_.density = {x * metre, y * metre, unit != RESUNIT_NONE};
    }
    for (const TiffText& text : tiff_texts) {
      const char* value = nullptr;
      if (TIFFGetField(tiff(), text.tag, &value) && value && *value)
        head_.texts.push_back({text.key, utf8_of(value), "", "", false});
    }
    if (!state_.damage.empty()) head_.notes.push_back(cat("a damaged TIFF (", state_.damage, ")"));
    if (!TIFFLastDirectory(tiff())) head_.notes.push_back("it holds several pictures: only the first is upscaled");
  }

  State state_;
  Handle tiff_;
  Layout layout_;
  bool shown_ = false;  ///< by libtiff, as 8 bits
  Bytes part_, band_;   ///< one strip or tile, and a row or a band of them
  int64_t band_rows_ = 0, stored_width_ = 0;
  std::vector<uint8_t> palette_;
  std::vector<uint32_t> raster_;
  std::unique_ptr<InkConverter> ink_;
  Bytes deep_;
  int64_t next_ = 0;
};

}  // namespace

std::unique_ptr<Reader> open_tiff(List<std::byte> bytes, const DecodeLimits& limits) {
  return std::make_unique<TiffReader>(bytes, limits);
}

}  // namespace tessera::upscale
