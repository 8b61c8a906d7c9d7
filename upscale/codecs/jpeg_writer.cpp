// Writing JPEG through libjpeg-turbo: strips of rows at once, between restart markers.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "upscale/codecs/formats.h"
#include "upscale/codecs/guarded.h"
#include "upscale/codecs/jpeg.h"

namespace tessera::upscale {
namespace {

/// Pixels of a strip, and of the rows from which the Huffman tables are made.
constexpr int64_t strip_pixels = int64_t{1} << 18, sample_pixels = int64_t{1} << 22;
/// Of the rows of blocks there, one of so many tells enough.
constexpr int64_t sample_step = 4;
/// Strips that wait for each thread.
constexpr int64_t strips_for_each = 4;
constexpr int64_t block = DCTSIZE, longest_interval = 65535;

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

struct Handle {
  State state;
  jpeg_compress_struct jpeg{};
  unsigned char* data = nullptr;
  unsigned long size = 0;

  Handle() {
    jpeg.err = jpeg_std_error(&state.manager);
    state.manager.error_exit = on_error;
  }
  ~Handle() {
    jpeg_destroy_compress(&jpeg);
    std::free(data);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  List<std::byte> bytes() const { return {reinterpret_cast<const std::byte*>(data), size}; }
};

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

Markers markers_of(const Head& picture, std::vector<std::string>& notes) {
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

/// The tables for one kind of coefficients: of gray or luma, and of colors.
using Tables = std::array<JHUFF_TBL, 2>;

/// Gives every symbol of `usual` a code (T.81, K.2): short ones to those that are frequent in a sample, whose own best
/// code is `best`. What the sample lacks is as frequent as the usual code takes it to be.
void mix(const JHUFF_TBL& best, const JHUFF_TBL& usual, JHUFF_TBL& table) {
  constexpr int symbols = 257, reserved = 256, longest = 48;
  std::array<uint64_t, symbols> counts{};
  const auto add = [&](const JHUFF_TBL& code, uint64_t weight) {
    for (size_t length = 1, i = 0; length <= 16; ++length)
      for (int k = 0; k < code.bits[length]; ++k) counts[code.huffval[i++]] += weight << (16 - length);
  };
  add(usual, 16);
  add(best, 240);
  counts[reserved] = 1;  // so that no code is all ones
  std::array<int, symbols> length{}, next{};
  next.fill(-1);
  while (true) {
    int least = -1, second = -1;
    for (int i = 0; i < symbols; ++i) {
      if (!counts[static_cast<size_t>(i)]) continue;
      const auto count = [&](int k) { return counts[static_cast<size_t>(k)]; };
      if (least < 0 || count(i) <= count(least))
        second = least, least = i;
      else if (second < 0 || count(i) <= count(second))
        second = i;
    }
    if (second < 0) break;
    counts[static_cast<size_t>(least)] += std::exchange(counts[static_cast<size_t>(second)], 0);
    int end = least;
    const auto lengthen = [&](int i) {
      for (; i >= 0; i = next[static_cast<size_t>(i)]) ++length[static_cast<size_t>(i)], end = i;
    };
    lengthen(least);
    next[static_cast<size_t>(end)] = second;
    lengthen(second);
  }
  std::array<int, longest + 1> bits{};
  for (const int l : length) ++bits[static_cast<size_t>(std::min(l, longest))];
  for (size_t l = longest; l > 16; --l)
    while (bits[l] > 0) {
      size_t shorter = l - 2;
      while (bits[shorter] == 0) --shorter;
      bits[l] -= 2;
      ++bits[l - 1];
      bits[shorter + 1] += 2;
      --bits[shorter];
    }
  size_t last = 16;
  while (bits[last] == 0) --last;
  --bits[last];  // the reserved one
  for (size_t l = 1; l <= 16; ++l) table.bits[l] = static_cast<UINT8>(bits[l]);
  size_t filled = 0;
  for (int l = 1; l <= longest; ++l)
    for (int i = 0; i < reserved; ++i)
      if (length[static_cast<size_t>(i)] == l) table.huffval[filled++] = static_cast<UINT8>(i);
}

class JpegWriter : public Writer {
 public:
  JpegWriter(const Head& picture, const EncodeOptions& options, Sink sink, std::vector<std::string>& notes)
      : head_(picture),
        quality_(options.quality < 0 ? 95 : options.quality),
        sink_(std::move(sink)),
        threads_(options.threads),
        markers_(markers_of(picture, notes)) {
    const int64_t blocks = (picture.width + block - 1) / block, rows = (picture.height + block - 1) / block;
    const int64_t together = std::clamp<int64_t>(strip_pixels / (blocks * block * block), 1, longest_interval / blocks);
    strip_ = std::min(together, rows) * block;
    interval_ = together < rows ? static_cast<unsigned>(together * blocks) : 0;
    const int64_t sampled = sample_pixels / picture.width / strip_ * strip_;
    waiting_.make_room(picture, std::max({strip_, sampled, strip_ * threads_.count() * strips_for_each}));
    sampled_ = std::min(waiting_.room(), std::max(strip_, sampled));
  }

  void rows(const std::byte* from, int64_t count) override {
    waiting_.add(from, count, [&](int64_t rows) { compress(rows); });
  }

  void finish() override {
    static constexpr std::byte end[] = {std::byte{0xff}, std::byte{JPEG_EOI}};
    sink_.write(end);
  }

 private:
  /// A file of its own, of these rows.
  void encode(Handle& handle, int64_t first, int64_t count, bool sample) const {
    const bool good = guarded(handle, [&](Handle& h) {
      jpeg_create_compress(&h.jpeg);
      jpeg_mem_dest(&h.jpeg, &h.data, &h.size);
      h.jpeg.image_width = static_cast<JDIMENSION>(head_.width);
      h.jpeg.image_height = static_cast<JDIMENSION>(count);
      h.jpeg.input_components = head_.channels;
      h.jpeg.in_color_space = head_.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
      jpeg_set_defaults(&h.jpeg);
      jpeg_set_quality(&h.jpeg, quality_, TRUE);
      // An upscaled picture keeps its color edges: no chroma subsampling.
      h.jpeg.comp_info[0].h_samp_factor = h.jpeg.comp_info[0].v_samp_factor = 1;
      h.jpeg.optimize_coding = sample;
      h.jpeg.restart_interval = sample ? 0 : interval_;
      if (!sample)
        for (size_t i = 0; i < 2; ++i) {
          *h.jpeg.dc_huff_tbl_ptrs[i] = dc_[i];
          *h.jpeg.ac_huff_tbl_ptrs[i] = ac_[i];
        }
      if (head_.density) set_density(h.jpeg, *head_.density);
      jpeg_start_compress(&h.jpeg, TRUE);
      if (!sample && done_ + first == 0) {
        for (const auto& [marker, data] : markers_.list)
          jpeg_write_marker(&h.jpeg, marker, reinterpret_cast<const JOCTET*>(data.data()),
                            static_cast<unsigned>(data.size()));
        if (!head_.icc.empty())
          jpeg_write_icc_profile(&h.jpeg, reinterpret_cast<const JOCTET*>(head_.icc.data()),
                                 static_cast<unsigned>(head_.icc.size()));
      }
      while (h.jpeg.next_scanline < h.jpeg.image_height) {
        const int64_t y = h.jpeg.next_scanline, row_at = sample ? y / block * sample_step * block + y % block : y;
        const std::byte* from = waiting_.row(first + row_at);
        JSAMPROW row = reinterpret_cast<JSAMPROW>(const_cast<std::byte*>(from));
        jpeg_write_scanlines(&h.jpeg, &row, 1);
      }
      jpeg_finish_compress(&h.jpeg);
    });
    if (!good) fail(Error::Kind::file, "the JPEG cannot be written: ", handle.state.error);
  }

  /// Tables from the first rows, good for all.
  void make_tables(int64_t rows) {
    Handle usual, best;
    if (!guarded(usual, [](Handle& h) {
          jpeg_create_compress(&h.jpeg);
          h.jpeg.input_components = 3;
          h.jpeg.in_color_space = JCS_RGB;
          jpeg_set_defaults(&h.jpeg);
        }))
      fail(Error::Kind::file, "the JPEG cannot be written: ", usual.state.error);
    encode(best, 0, rows < block ? rows : (rows / block + sample_step - 1) / sample_step * block, true);
    const int kinds = head_.channels == 1 ? 1 : 2;
    for (size_t i = 0; i < 2; ++i) {
      dc_[i] = *usual.jpeg.dc_huff_tbl_ptrs[i];
      ac_[i] = *usual.jpeg.ac_huff_tbl_ptrs[i];
      if (static_cast<int>(i) >= kinds) continue;
      mix(*best.jpeg.dc_huff_tbl_ptrs[i], *usual.jpeg.dc_huff_tbl_ptrs[i], dc_[i]);
      mix(*best.jpeg.ac_huff_tbl_ptrs[i], *usual.jpeg.ac_huff_tbl_ptrs[i], ac_[i]);
    }
  }

  void compress(int64_t rows) {
    if (done_ == 0) make_tables(std::min(rows, sampled_));
    const int64_t strips = (rows + strip_ - 1) / strip_;
    std::vector<std::unique_ptr<Handle>> files(static_cast<size_t>(strips));
    in_parallel(threads_, strips, [&](int64_t i) {
      auto& file = files[static_cast<size_t>(i)];
      file = std::make_unique<Handle>();
      encode(*file, i * strip_, std::min(strip_, rows - i * strip_), false);
    });
    for (int64_t i = 0; i < strips; ++i) join(files[static_cast<size_t>(i)]->bytes(), done_ / strip_ + i);
    done_ += rows;
  }

  /// Of the first file all but its height and its end is the result's; of the others what is between those.
  void join(List<std::byte> file, int64_t index) {
    constexpr int start_of_frame = 0xc0, start_of_scan = 0xda;
    const auto byte = [&](size_t i) { return std::to_integer<int>(file[i]); };
    size_t at = 2;
    Bytes start;
    for (int marker = 0; marker != start_of_scan; at += static_cast<size_t>(byte(at + 2) << 8 | byte(at + 3)) + 2) {
      marker = byte(at + 1);
      if (marker == start_of_scan || index > 0) continue;
      if (marker == start_of_frame || marker == start_of_frame + 1) {
        start.assign(file.begin(), file.end());
        start[at + 5] = static_cast<std::byte>(head_.height >> 8);
        start[at + 6] = static_cast<std::byte>(head_.height & 0xff);
      }
    }
    if (index == 0) return sink_.write(List<std::byte>(start).first(start.size() - 2));
    const std::byte restart[] = {std::byte{0xff}, static_cast<std::byte>(JPEG_RST0 + (index - 1) % 8)};
    sink_.write(restart);
    sink_.write(file.subspan(at, file.size() - at - 2));
  }

  Head head_;
  int quality_;
  Sink sink_;
  Threads threads_;
  Markers markers_;
  unsigned interval_ = 0;  ///< blocks of a strip, where there are several
  int64_t strip_ = 0;      ///< rows
  int64_t sampled_ = 0;    ///< rows that the tables are made from
  int64_t done_ = 0;       ///< rows
  WaitingRows waiting_;
  Tables dc_{}, ac_{};
};

}  // namespace

std::unique_ptr<Writer> write_jpeg(const Head& head, const EncodeOptions& options, Sink sink,
                                   std::vector<std::string>& notes) {
  return std::make_unique<JpegWriter>(head, options, std::move(sink), notes);
}

}  // namespace tessera::upscale
