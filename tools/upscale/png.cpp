// PNG through libpng. libpng reports errors by longjmp: the functions that it may leave that way
// are `guarded` steps that own nothing; everything with a destructor lives in their callers.
#include <png.h>

#include <bit>
#include <csetjmp>
#include <cstring>

#include "tools/upscale/codec.h"
#include "tools/upscale/png_data.h"

namespace tessera::upscale {
namespace {

/// What libpng's callbacks see: the bytes still to be read, and the first error.
struct State {
  List<std::byte> rest;
  Bytes* written = nullptr;
  std::jmp_buf escape;
  char error[200] = {};
};

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  State& state = *static_cast<State*>(png_get_error_ptr(png));
  std::strncpy(state.error, text, sizeof state.error - 1);
  std::longjmp(state.escape, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep out, size_t size) {
  State& state = *static_cast<State*>(png_get_io_ptr(png));
  if (state.rest.size() < size) png_error(png, "the file is truncated");
  std::memcpy(out, state.rest.data(), size);
  state.rest = state.rest.subspan(size);
}

bool append(Bytes& to, const png_byte* data, size_t size) noexcept {
  try {
    const auto* first = reinterpret_cast<const std::byte*>(data);
    to.insert(to.end(), first, first + size);
    return true;
  } catch (...) {
    return false;
  }
}

void on_write(png_structp png, png_bytep data, size_t size) {
  State& state = *static_cast<State*>(png_get_io_ptr(png));
  if (!append(*state.written, data, size)) png_error(png, "no memory for the file");
}

void on_flush(png_structp) {}

struct Reader {
  State state;
  png_structp png = nullptr;
  png_infop info = nullptr;

  Reader() {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning);
    if (png) info = png_create_info_struct(png);
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

struct Writer {
  State state;
  png_structp png = nullptr;
  png_infop info = nullptr;

  Writer() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning);
    if (png) info = png_create_info_struct(png);
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
};

/// Runs `step(handle)`, which may be left by longjmp and so owns nothing; false: state.error says why.
template <class Handle, class Step>
bool guarded(Handle& handle, const Step& step) {
  if (setjmp(handle.state.escape)) return false;
  step(handle);
  return true;
}

template <class Handle, class Step>
void perform(Handle& handle, Text doing, const Step& step) {
  if (!handle.info) fail(Error::Kind::memory, "no memory for libpng");
  if (!guarded(handle, step)) fail(Error::Kind::file, doing, ": ", handle.state.error);
}

/// The EXIF data that ImageMagick hides in a text chunk: a name, a length, and hexadecimal digits.
Bytes exif_from_text(Text text) {
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
  static constexpr Text prefix{"Exif\0\0", 6};
  if (out.size() >= prefix.size() && std::memcmp(out.data(), prefix.data(), prefix.size()) == 0)
    out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(prefix.size()));
  return out;
}

/// Metadata that stands after the pixels too, so it is read last.
void read_metadata(const Reader& reader, Picture& picture) {
  png_charp name = nullptr;
  png_bytep data = nullptr;
  png_uint_32 size = 0;
  int compression = 0;
  const auto bytes = [&] {
    const auto* first = reinterpret_cast<const std::byte*>(data);
    return Bytes(first, first + size);
  };
  if (png_get_iCCP(reader.png, reader.info, &name, &compression, &data, &size)) picture.icc = bytes();
  if (png_get_eXIf_1(reader.png, reader.info, &size, &data)) picture.exif = bytes();
  png_textp texts = nullptr;
  int count = 0;
  png_get_text(reader.png, reader.info, &texts, &count);
  for (int i = 0; i < count && picture.exif.empty(); ++i)
    if (Text(texts[i].key) == "Raw profile type exif" || Text(texts[i].key) == "Raw profile type APP1")
      picture.exif = exif_from_text(Text(texts[i].text, texts[i].text_length));
  int intent = 0;
  double gamma = 0;
  std::array<double, 8> xy{};
  if (png_get_sRGB(reader.png, reader.info, &intent)) picture.color.srgb_intent = intent;
  if (png_get_gAMA(reader.png, reader.info, &gamma)) picture.color.gamma = gamma;
  if (png_get_cHRM(reader.png, reader.info, &xy[0], &xy[1], &xy[2], &xy[3], &xy[4], &xy[5], &xy[6], &xy[7]))
    picture.color.chromaticities = xy;
}

}  // namespace

Picture decode_png(List<std::byte> bytes, const DecodeLimits& limits) {
  Reader reader;
  reader.state.rest = bytes;
  perform(reader, "corrupt PNG", [](Reader& r) {
    png_set_read_fn(r.png, &r.state, on_read);
    png_set_user_limits(r.png, 0x7fffffff, 0x7fffffff);
    // Pixels are what this is for: chunks that only describe them may be damaged.
    png_set_crc_action(r.png, PNG_CRC_ERROR_QUIT, PNG_CRC_QUIET_USE);
    png_read_info(r.png, r.info);
  });
  Picture picture;
  picture.width = png_get_image_width(reader.png, reader.info);
  picture.height = png_get_image_height(reader.png, reader.info);
  check_extents(picture.width, picture.height, limits);
  perform(reader, "corrupt PNG", [](Reader& r) {
    png_set_expand(r.png);
    if constexpr (std::endian::native == std::endian::little) png_set_swap(r.png);
    png_set_interlace_handling(r.png);
    png_read_update_info(r.png, r.info);
  });
  picture.channels = png_get_channels(reader.png, reader.info);
  picture.bits = png_get_bit_depth(reader.png, reader.info);
  picture.allocate();
  if (png_get_rowbytes(reader.png, reader.info) != static_cast<size_t>(picture.row_bytes()))
    fail(Error::Kind::file, "corrupt PNG: its rows have an impossible size");
  std::vector<png_bytep> rows(static_cast<size_t>(picture.height));
  for (int64_t y = 0; y < picture.height; ++y)
    rows[static_cast<size_t>(y)] = reinterpret_cast<png_bytep>(picture.row(y));
  perform(reader, "corrupt PNG", [&rows](Reader& r) {
    png_read_image(r.png, rows.data());
    png_read_end(r.png, r.info);
  });
  read_metadata(reader, picture);
  return picture;
}

Bytes encode_png(const Picture& picture, const EncodeOptions& options) {
  static constexpr int kinds[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                  PNG_COLOR_TYPE_RGB_ALPHA};
  Bytes out;
  Writer writer;
  writer.state.written = &out;
  Threads threads(options.threads);
  std::vector<Bytes> data = png_data(picture, threads);
  Bytes exif = picture.exif, icc = picture.icc;
  perform(writer, "the PNG cannot be written", [&](Writer& w) {
    png_set_write_fn(w.png, &w.state, on_write, on_flush);
    png_set_user_limits(w.png, 0x7fffffff, 0x7fffffff);
    png_set_benign_errors(w.png, 1);
    png_set_IHDR(w.png, w.info, static_cast<png_uint_32>(picture.width), static_cast<png_uint_32>(picture.height),
                 picture.bits, kinds[picture.channels - 1], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (!icc.empty())
      png_set_iCCP(w.png, w.info, "icc", PNG_COMPRESSION_TYPE_BASE, reinterpret_cast<png_bytep>(icc.data()),
                   static_cast<png_uint_32>(icc.size()));
    if (picture.color.srgb_intent) png_set_sRGB(w.png, w.info, *picture.color.srgb_intent);
    if (picture.color.gamma) png_set_gAMA(w.png, w.info, *picture.color.gamma);
    if (picture.color.chromaticities) {
      const auto& xy = *picture.color.chromaticities;
      png_set_cHRM(w.png, w.info, xy[0], xy[1], xy[2], xy[3], xy[4], xy[5], xy[6], xy[7]);
    }
    if (!exif.empty())
      png_set_eXIf_1(w.png, w.info, static_cast<png_uint_32>(exif.size()), reinterpret_cast<png_bytep>(exif.data()));
    png_write_info(w.png, w.info);
    for (Bytes& part : data)
      png_write_chunk(w.png, reinterpret_cast<png_const_bytep>("IDAT"), reinterpret_cast<png_bytep>(part.data()),
                      part.size());
    png_write_chunk(w.png, reinterpret_cast<png_const_bytep>("IEND"), nullptr, 0);
  });
  return out;
}

}  // namespace tessera::upscale
