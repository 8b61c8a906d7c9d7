// Reading JPEG through libjpeg-turbo.
#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdlib>
#include <cstring>

#include "upscale/codecs/formats.h"
#include "upscale/codecs/guarded.h"
#include "upscale/codecs/jpeg.h"

namespace tessera::upscale {
namespace {

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

struct ReadHandle {
  State state;
  jpeg_decompress_struct jpeg{};
  jpeg_progress_mgr progress{};
  JOCTET* icc = nullptr;
  unsigned icc_size = 0;
  ReadHandle() {
    prepare(state);
    jpeg.err = &state.manager;
    progress.progress_monitor = on_progress;
  }
  ~ReadHandle() {
    jpeg_destroy_decompress(&jpeg);
    std::free(icc);
  }
  ReadHandle(const ReadHandle&) = delete;
  ReadHandle& operator=(const ReadHandle&) = delete;
};

template <class Step>
void perform(ReadHandle& handle, const Step& step) {
  if (!guarded(handle, step)) fail(Error::Kind::file, "corrupt JPEG: ", handle.state.error);
}

Bytes bytes_of(Text text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return Bytes(first, first + text.size());
}

void read_metadata(const jpeg_decompress_struct& jpeg, Head& picture) {
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
void note_damage(ReadHandle& reader, std::vector<std::string>& notes) {
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

/// The file in an order in which all that describes the pixels stands before them; empty where it is so already.
Bytes described_first(List<std::byte> bytes) {
  const auto byte = [&](size_t i) { return std::to_integer<int>(bytes[i]); };
  std::vector<List<std::byte>> moved, stays;
  size_t at = 2, first_scan = 0, from = 0;
  while (at + 4 <= bytes.size()) {
    const void* found = std::memchr(bytes.data() + at, 0xff, bytes.size() - at - 3);
    if (!found) break;
    at = static_cast<size_t>(static_cast<const std::byte*>(found) - bytes.data());
    const int marker = byte(at + 1);
    if (marker == 0xff || marker == 0 || (marker >= JPEG_RST0 && marker <= JPEG_RST0 + 7)) {
      at += marker == 0xff ? 1 : 2;
      continue;
    }
    const auto size = static_cast<size_t>(byte(at + 2) << 8 | byte(at + 3)) + 2;
    if (marker == JPEG_EOI || bytes.size() - at < size) break;
    constexpr int start_of_scan = 0xda;
    if (marker == start_of_scan && !first_scan) first_scan = at;
    if (first_scan && (marker == JPEG_COM || (marker >= JPEG_APP0 && marker <= JPEG_APP0 + 15))) {
      moved.push_back(bytes.subspan(at, size));
      stays.push_back(bytes.subspan(from, at - from));
      from = at + size;
    }
    at += size;
  }
  if (moved.empty()) return {};
  stays.push_back(bytes.subspan(from));
  Bytes all(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(first_scan));
  stays[0] = stays[0].subspan(first_scan);
  for (const auto& parts : {moved, stays})
    for (const List<std::byte> part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

class JpegReader : public Reader {
 public:
  JpegReader(List<std::byte> bytes, const DecodeLimits& limits) : reordered_(described_first(bytes)) {
    if (!reordered_.empty()) bytes = reordered_;
    perform(handle_, [&bytes](ReadHandle& r) {
      jpeg_create_decompress(&r.jpeg);
      r.jpeg.progress = &r.progress;
      jpeg_mem_src(&r.jpeg, reinterpret_cast<const unsigned char*>(bytes.data()),
                   static_cast<unsigned long>(bytes.size()));
      for (const int marker : {exif_marker, icc_marker, photoshop_marker, JPEG_COM})
        jpeg_save_markers(&r.jpeg, marker, 0xffff);
      jpeg_read_header(&r.jpeg, TRUE);
      jpeg_read_icc_profile(&r.jpeg, &r.icc, &r.icc_size);
    });
    head_.width = handle_.jpeg.image_width;
    head_.height = handle_.jpeg.image_height;
    check_extents(head_.width, head_.height, limits);
    const J_COLOR_SPACE stored = handle_.jpeg.jpeg_color_space;
    head_.channels = stored == JCS_GRAYSCALE ? 1 : 3;
    read_metadata(handle_.jpeg, head_);
    if (handle_.icc) {
      const auto* first = reinterpret_cast<const std::byte*>(handle_.icc);
      head_.icc.assign(first, first + handle_.icc_size);
    }
    handle_.jpeg.out_color_space = head_.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    if (stored == JCS_CMYK || stored == JCS_YCCK) {
      handle_.jpeg.out_color_space = JCS_CMYK;
      ink_ = std::make_unique<InkConverter>(head_.icc, 8, handle_.jpeg.saw_Adobe_marker);
      ink_row_.resize(static_cast<size_t>(head_.width * 4));
      head_.icc.clear();
    }
  }

  int64_t held_bytes() const override {
    if (!jpeg_has_multiple_scans(const_cast<jpeg_decompress_struct*>(&handle_.jpeg))) return 0;
    int64_t blocks = 0;
    for (int i = 0; i < handle_.jpeg.num_components; ++i) {
      const jpeg_component_info& part = handle_.jpeg.comp_info[i];
      blocks += int64_t{part.width_in_blocks} * part.height_in_blocks;
    }
    return blocks * int64_t{sizeof(JBLOCK)};
  }

  void rows(int64_t count, std::byte* to) override {
    if (count <= 0) return;
    perform(handle_, [&](ReadHandle& r) {
      r.state.watched = true;
      if (!started_) jpeg_start_decompress(&r.jpeg);
      started_ = true;
      for (int64_t y = 0; y < count; ++y, to += head_.row_bytes()) {
        std::byte* direct = ink_ ? ink_row_.data() : to;
        JSAMPROW row = reinterpret_cast<JSAMPROW>(direct);
        jpeg_read_scanlines(&r.jpeg, &row, 1);
        if (ink_) ink_->run(direct, head_.width, to);
      }
      r.state.watched = false;
    });
    if (handle_.jpeg.output_scanline < handle_.jpeg.output_height) return;
    note_damage(handle_, head_.notes);
    if (ink_) head_.notes.push_back(ink_->note());
  }

 private:
  Bytes reordered_;
  ReadHandle handle_;
  bool started_ = false;
  std::unique_ptr<InkConverter> ink_;
  Bytes ink_row_;
};

}  // namespace

std::unique_ptr<Reader> open_jpeg(List<std::byte> bytes, const DecodeLimits& limits) {
  return std::make_unique<JpegReader>(bytes, limits);
}

}  // namespace tessera::upscale
