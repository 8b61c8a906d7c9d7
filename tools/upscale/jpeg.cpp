// JPEG through libjpeg-turbo. As in png.cpp, steps that libjpeg may leave by longjmp own nothing.
#include <cstddef>
#include <cstdio>
// jpeglib.h needs the two above.
#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <cstdlib>
#include <cstring>

#include "tools/upscale/codec.h"

namespace tessera::upscale {
namespace {

constexpr Text exif_prefix{"Exif\0\0", 6};
constexpr size_t largest_marker = 65533;
/// A progressive file may ask for any number of passes over all its pixels.
constexpr int most_scans = 500;

struct State {
  jpeg_error_mgr manager;  ///< first, so that libjpeg's pointer to it is a pointer to this
  std::jmp_buf escape;
  char error[JMSG_LENGTH_MAX] = {};
};

[[noreturn]] void on_error(j_common_ptr handle) {
  State& state = *reinterpret_cast<State*>(handle->err);
  handle->err->format_message(handle, state.error);
  std::longjmp(state.escape, 1);
}

/// Warnings (level -1) that mean missing or damaged pixels are errors; others only describe them.
void on_message(j_common_ptr handle, int level) {
  if (level >= 0) return;
  switch (handle->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_BOGUS_ICC:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_TOO_MUCH_DATA: return;
    default: on_error(handle);
  }
}

void on_progress(j_common_ptr handle) {
  const auto* reader = reinterpret_cast<j_decompress_ptr>(handle);
  if (handle->is_decompressor && reader->input_scan_number > most_scans) {
    State& state = *reinterpret_cast<State*>(handle->err);
    std::snprintf(state.error, sizeof state.error, "more than %d scans", most_scans);
    std::longjmp(state.escape, 1);
  }
}

void prepare(State& state) {
  jpeg_std_error(&state.manager);
  state.manager.error_exit = on_error;
  state.manager.emit_message = on_message;
}

struct Reader {
  State state;
  jpeg_decompress_struct jpeg{};
  jpeg_progress_mgr progress{};
  JOCTET* icc = nullptr;
  unsigned icc_size = 0;
  Reader() {
    prepare(state);
    jpeg.err = &state.manager;
    progress.progress_monitor = on_progress;
  }
  ~Reader() {
    jpeg_destroy_decompress(&jpeg);
    std::free(icc);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

struct Writer {
  State state;
  jpeg_compress_struct jpeg{};
  unsigned char* data = nullptr;
  unsigned long size = 0;
  Writer() {
    prepare(state);
    jpeg.err = &state.manager;
  }
  ~Writer() {
    jpeg_destroy_compress(&jpeg);
    std::free(data);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
};

template <class Handle, class Step>
bool guarded(Handle& handle, const Step& step) {
  if (setjmp(handle.state.escape)) return false;
  step(handle);
  return true;
}

template <class Handle, class Step>
void perform(Handle& handle, Text doing, const Step& step) {
  if (!guarded(handle, step)) fail(Error::Kind::file, doing, ": ", handle.state.error);
}

Bytes find_exif(const jpeg_decompress_struct& jpeg) {
  for (jpeg_saved_marker_ptr marker = jpeg.marker_list; marker; marker = marker->next) {
    if (marker->marker != JPEG_APP0 + 1 || marker->data_length < exif_prefix.size()) continue;
    if (std::memcmp(marker->data, exif_prefix.data(), exif_prefix.size()) != 0) continue;
    const auto* first = reinterpret_cast<const std::byte*>(marker->data);
    return Bytes(first + exif_prefix.size(), first + marker->data_length);
  }
  return {};
}

}  // namespace

Picture decode_jpeg(List<std::byte> bytes, const DecodeLimits& limits) {
  Reader reader;
  perform(reader, "corrupt JPEG", [&bytes](Reader& r) {
    jpeg_create_decompress(&r.jpeg);
    r.jpeg.progress = &r.progress;
    jpeg_mem_src(&r.jpeg, reinterpret_cast<const unsigned char*>(bytes.data()),
                 static_cast<unsigned long>(bytes.size()));
    jpeg_save_markers(&r.jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_save_markers(&r.jpeg, JPEG_APP0 + 2, 0xffff);
    jpeg_read_header(&r.jpeg, TRUE);
  });
  Picture picture;
  picture.width = reader.jpeg.image_width;
  picture.height = reader.jpeg.image_height;
  check_extents(picture.width, picture.height, limits);
  const J_COLOR_SPACE stored = reader.jpeg.jpeg_color_space;
  const bool ink = stored == JCS_CMYK || stored == JCS_YCCK;
  picture.channels = ink ? 4 : stored == JCS_GRAYSCALE ? 1 : 3;
  picture.allocate();
  perform(reader, "corrupt JPEG", [&](Reader& r) {
    r.jpeg.out_color_space = ink ? JCS_CMYK : stored == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(&r.jpeg);
    while (r.jpeg.output_scanline < r.jpeg.output_height) {
      JSAMPROW row = reinterpret_cast<JSAMPROW>(picture.row(r.jpeg.output_scanline));
      jpeg_read_scanlines(&r.jpeg, &row, 1);
    }
    // Profiles may stand after the header; finishing drops them.
    jpeg_read_icc_profile(&r.jpeg, &r.icc, &r.icc_size);
  });
  picture.exif = find_exif(reader.jpeg);
  const bool adobe = reader.jpeg.saw_Adobe_marker;
  perform(reader, "corrupt JPEG", [](Reader& r) { jpeg_finish_decompress(&r.jpeg); });
  if (reader.icc) {
    const auto* first = reinterpret_cast<const std::byte*>(reader.icc);
    picture.icc.assign(first, first + reader.icc_size);
  }
  if (ink) cmyk_to_rgb(picture, adobe);
  return picture;
}

Bytes encode_jpeg(const Picture& picture, const EncodeOptions& options) {
  Writer writer;
  Bytes exif;
  if (!picture.exif.empty() && picture.exif.size() + exif_prefix.size() <= largest_marker) {
    exif.resize(exif_prefix.size() + picture.exif.size());
    std::memcpy(exif.data(), exif_prefix.data(), exif_prefix.size());
    std::memcpy(exif.data() + exif_prefix.size(), picture.exif.data(), picture.exif.size());
  }
  perform(writer, "the JPEG cannot be written", [&](Writer& w) {
    jpeg_create_compress(&w.jpeg);
    jpeg_mem_dest(&w.jpeg, &w.data, &w.size);
    w.jpeg.image_width = static_cast<JDIMENSION>(picture.width);
    w.jpeg.image_height = static_cast<JDIMENSION>(picture.height);
    w.jpeg.input_components = picture.channels;
    w.jpeg.in_color_space = picture.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&w.jpeg);
    jpeg_set_quality(&w.jpeg, options.quality < 0 ? 95 : options.quality, TRUE);
    // An upscaled picture keeps its color edges: no chroma subsampling.
    w.jpeg.comp_info[0].h_samp_factor = w.jpeg.comp_info[0].v_samp_factor = 1;
    w.jpeg.optimize_coding = TRUE;
    jpeg_start_compress(&w.jpeg, TRUE);
    if (!exif.empty())
      jpeg_write_marker(&w.jpeg, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(exif.data()),
                        static_cast<unsigned>(exif.size()));
    if (!picture.icc.empty())
      jpeg_write_icc_profile(&w.jpeg, reinterpret_cast<const JOCTET*>(picture.icc.data()),
                             static_cast<unsigned>(picture.icc.size()));
    while (w.jpeg.next_scanline < w.jpeg.image_height) {
      JSAMPROW row = reinterpret_cast<JSAMPROW>(const_cast<std::byte*>(picture.row(w.jpeg.next_scanline)));
      jpeg_write_scanlines(&w.jpeg, &row, 1);
    }
    jpeg_finish_compress(&w.jpeg);
  });
  const auto* first = reinterpret_cast<const std::byte*>(writer.data);
  return Bytes(first, first + writer.size);
}

}  // namespace tessera::upscale
