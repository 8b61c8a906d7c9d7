// JPEG through libjpeg-turbo. As in png.cpp, steps that libjpeg may leave by longjmp own nothing.
#include <cstddef>
#include <cstdio>
// jpeglib.h needs the two above, and says which messages jerror.h numbers.
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdlib>
#include <cstring>

#include "upscale/codecs/codec.h"

namespace tessera::upscale {
namespace {

constexpr Text exif_prefix{"Exif\0\0", 6}, xmp_prefix{"http://ns.adobe.com/xap/1.0/\0", 29},
    more_xmp_prefix{"http://ns.adobe.com/xmp/extension/\0", 35}, photoshop_prefix{"Photoshop 3.0\0", 14};
constexpr int exif_marker = JPEG_APP0 + 1, icc_marker = JPEG_APP0 + 2, photoshop_marker = JPEG_APP0 + 13;
constexpr size_t largest_marker = 65533;
constexpr double metres_per_inch = 0.0254;
/// A progressive file may ask for any number of passes over all its pixels.
constexpr int most_scans = 500;

struct State {
  jpeg_error_mgr manager;  ///< first, so that libjpeg's pointer to it is a pointer to this
  std::jmp_buf escape;
  char error[JMSG_LENGTH_MAX] = {};
  /// The first message about missing or damaged pixels, and where it came.
  char damage[JMSG_LENGTH_MAX] = {};
  int damaged_scan = 0;
  JDIMENSION damaged_row = 0;
  bool watched = false;  ///< messages are about pixels
  bool ended = false;    ///< the file ended before its last marker
  bool bad_icc = false;
};

[[noreturn]] void on_error(j_common_ptr handle) {
  State& state = *reinterpret_cast<State*>(handle->err);
  handle->err->format_message(handle, state.error);
  std::longjmp(state.escape, 1);
}

/// Warnings (level -1) that mean missing or damaged pixels are kept: every viewer goes on, and so does this.
/// Others only describe the file. Where most of the picture is missing, there is no use in it.
void on_message(j_common_ptr handle, int level) {
  if (level >= 0) return;
  State& state = *reinterpret_cast<State*>(handle->err);
  const int code = handle->err->msg_code;
  switch (code) {
    case JWRN_BOGUS_ICC: state.bad_icc = true; return;
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_TOO_MUCH_DATA: return;
  }
  if (!state.watched || state.damage[0]) return;
  // The end may only have been looked for ahead.
  if (code == JWRN_JPEG_EOF) {
    state.ended = true;
    return;
  }
  const auto* reader = reinterpret_cast<j_decompress_ptr>(handle);
  state.damaged_scan = reader->input_scan_number;
  state.damaged_row = reader->input_iMCU_row * static_cast<JDIMENSION>(reader->max_v_samp_factor * DCTSIZE);
  const bool rest_missing = state.ended || (code == JWRN_HIT_MARKER && !reader->restart_interval);
  if (rest_missing && state.damaged_scan <= 1 && state.damaged_row < reader->image_height / 2) on_error(handle);
  handle->err->format_message(handle, state.damage);
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

Bytes bytes_of(Text text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return Bytes(first, first + text.size());
}

void read_metadata(const jpeg_decompress_struct& jpeg, Picture& picture) {
  Bytes photoshop;
  bool more_xmp = false;
  for (jpeg_saved_marker_ptr marker = jpeg.marker_list; marker; marker = marker->next) {
    Text data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    const auto take = [&](int kind, Text prefix) {
      if (marker->marker != kind || !data.starts_with(prefix)) return false;
      data.remove_prefix(prefix.size());
      return true;
    };
    if (take(exif_marker, exif_prefix)) {
      if (picture.exif.empty()) picture.exif = bytes_of(data);
    } else if (take(exif_marker, xmp_prefix)) {
      picture.xmp = bytes_of(data);
    } else if (take(exif_marker, more_xmp_prefix)) {
      more_xmp = true;
    } else if (take(photoshop_marker, photoshop_prefix)) {
      const Bytes part = bytes_of(data);
      photoshop.insert(photoshop.end(), part.begin(), part.end());
    } else if (take(JPEG_COM, "")) {
      picture.texts.push_back({"Comment", utf8_of(data.substr(0, data.find('\0'))), "", "", false});
    }
  }
  if (more_xmp) picture.notes.push_back("its XMP is of several parts: only the first was kept");
  picture.iptc = unwrap_iptc(photoshop);
  // Unit 0 is none, 1 the inch, 2 the centimetre.
  if (!jpeg.saw_JFIF_marker || !jpeg.X_density || !jpeg.Y_density) return;
  if (jpeg.density_unit == 0 && jpeg.X_density == jpeg.Y_density) return;
  const double unit = jpeg.density_unit == 1 ? 1 / metres_per_inch : jpeg.density_unit == 2 ? 100 : 1;
  picture.density = {jpeg.X_density * unit, jpeg.Y_density * unit, jpeg.density_unit != 0};
}

/// Tells of damage that decoding went past.
void note_damage(Reader& reader, std::vector<std::string>& notes) {
  const State& state = reader.state;
  const JDIMENSION height = reader.jpeg.image_height;
  if (state.bad_icc) notes.push_back("its color profile is damaged: dropped");
  if (!state.damage[0]) {
    if (state.ended && jpeg_has_multiple_scans(&reader.jpeg))
      notes.push_back("a JPEG without its end: details may be missing");
    return;
  }
  if (state.damaged_scan <= 1 && state.damaged_row < height)
    notes.push_back(cat("a damaged JPEG: from row ", state.damaged_row, " of ", height,
                        " on pixels are missing or wrong (", state.damage, ")"));
  else
    notes.push_back(cat("a damaged JPEG: details are missing (", state.damage, ")"));
}

struct Markers {
  std::vector<std::pair<int, std::string>> list;

  void add(int marker, Text prefix, Text data, Text what, std::vector<std::string>& notes) {
    if (data.empty()) return;
    if (prefix.size() + data.size() <= largest_marker)
      list.emplace_back(marker, cat(prefix, data));
    else
      notes.push_back(cat("jpg cannot hold its ", what, ", which has ", data.size(), " bytes: dropped"));
  }
};

Text text_of(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

Markers markers_of(const Picture& picture, std::vector<std::string>& notes) {
  Markers markers;
  markers.add(exif_marker, exif_prefix, text_of(picture.exif), "EXIF", notes);
  markers.add(exif_marker, xmp_prefix, text_of(picture.xmp), "XMP", notes);
  if (!picture.iptc.empty())
    markers.add(photoshop_marker, photoshop_prefix, text_of(wrap_iptc(picture.iptc)), "IPTC records", notes);
  for (const TextEntry& entry : picture.texts)
    markers.add(JPEG_COM, entry.key == "Comment" ? "" : entry.key + ": ", entry.text, entry.key, notes);
  return markers;
}

void set_density(jpeg_compress_struct& jpeg, const Density& density) {
  const auto round = [](double value) { return static_cast<UINT16>(std::llround(std::clamp(value, 1.0, 65535.0))); };
  const double unit = density.absolute ? metres_per_inch : 1;
  jpeg.density_unit = density.absolute ? 1 : 0;
  jpeg.X_density = round(density.x * unit);
  jpeg.Y_density = round(density.y * unit);
}

}  // namespace

Picture decode_jpeg(List<std::byte> bytes, const DecodeLimits& limits) {
  Reader reader;
  perform(reader, "corrupt JPEG", [&bytes](Reader& r) {
    jpeg_create_decompress(&r.jpeg);
    r.jpeg.progress = &r.progress;
    jpeg_mem_src(&r.jpeg, reinterpret_cast<const unsigned char*>(bytes.data()),
                 static_cast<unsigned long>(bytes.size()));
    for (const int marker : {exif_marker, icc_marker, photoshop_marker, JPEG_COM})
      jpeg_save_markers(&r.jpeg, marker, 0xffff);
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
    r.state.watched = true;
    jpeg_start_decompress(&r.jpeg);
    while (r.jpeg.output_scanline < r.jpeg.output_height) {
      JSAMPROW row = reinterpret_cast<JSAMPROW>(picture.row(r.jpeg.output_scanline));
      jpeg_read_scanlines(&r.jpeg, &row, 1);
    }
    r.state.watched = false;
    // Profiles may stand after the header. What is behind the pixels does not matter any more.
    jpeg_read_icc_profile(&r.jpeg, &r.icc, &r.icc_size);
  });
  read_metadata(reader.jpeg, picture);
  note_damage(reader, picture.notes);
  if (reader.icc) {
    const auto* first = reinterpret_cast<const std::byte*>(reader.icc);
    picture.icc.assign(first, first + reader.icc_size);
  }
  if (ink) cmyk_to_rgb(picture, reader.jpeg.saw_Adobe_marker);
  return picture;
}

Bytes encode_jpeg(const Picture& picture, const EncodeOptions& options, std::vector<std::string>& notes) {
  Writer writer;
  const Markers markers = markers_of(picture, notes);
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
    if (picture.density) set_density(w.jpeg, *picture.density);
    jpeg_start_compress(&w.jpeg, TRUE);
    for (const auto& [marker, data] : markers.list)
      jpeg_write_marker(&w.jpeg, marker, reinterpret_cast<const JOCTET*>(data.data()),
                        static_cast<unsigned>(data.size()));
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
