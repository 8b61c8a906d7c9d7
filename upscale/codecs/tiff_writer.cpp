// Writing TIFF: deflated strips, several at once, and behind them the directory that tells where they are.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "upscale/codecs/deflate.h"
#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

constexpr int64_t strip_bytes = int64_t{256} << 10, strips_for_each = 4;
/// From so many bytes of samples on offsets take 8 bytes.
constexpr int64_t most_of_short_offsets = int64_t{3900} << 20;

enum Type : uint16_t {
  byte = 1,
  ascii = 2,
  short_number = 3,
  long_number = 4,
  rational = 5,
  undefined = 7,
  long8 = 16
};

/// The entries of a directory, in the file's byte order.
class Directory {
 public:
  Directory(bool big_endian, bool wide) : big_endian_(big_endian), wide_(wide) {}

  void put(Bytes& to, uint64_t value, int size) const {
    for (int i = 0; i < size; ++i)
      to.push_back(static_cast<std::byte>(value >> 8 * (big_endian_ ? size - 1 - i : i) & 0xff));
  }
  void add(uint16_t tag, Type type, const std::vector<uint64_t>& values) {
    const int size = type == short_number ? 2 : type == long8 ? 8 : 4;
    Bytes bytes;
    for (const uint64_t value : values) put(bytes, value, size);
    add(tag, type, type == rational ? values.size() / 2 : values.size(), std::move(bytes));
  }
  void add_bytes(uint16_t tag, Type type, const Bytes& bytes) { add(tag, type, bytes.size(), bytes); }
  /// An entry as it stands in a directory of the same file.
  void add_as_is(uint16_t tag, List<std::byte> entry) {
    if (!has(tag)) entries_.push_back({tag, Bytes(entry.begin(), entry.end()), {}, true});
  }

  /// The directory's bytes, and behind it those that do not fit into it, if it stands at `at`.
  Bytes bytes(uint64_t at) {
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.tag < b.tag; });
    const int word = wide_ ? 8 : 4;
    const size_t each = wide_ ? 20 : 12;
    Bytes out, behind;
    put(out, entries_.size(), wide_ ? 8 : 2);
    const uint64_t end = at + out.size() + each * entries_.size() + static_cast<size_t>(word);
    for (const Entry& entry : entries_) {
      out.insert(out.end(), entry.start.begin(), entry.start.end());
      if (entry.whole) continue;
      if (entry.value.size() <= static_cast<size_t>(word)) {
        out.insert(out.end(), entry.value.begin(), entry.value.end());
        out.resize(out.size() + static_cast<size_t>(word) - entry.value.size());
      } else {
        put(out, end + behind.size(), word);
        behind.insert(behind.end(), entry.value.begin(), entry.value.end());
        if (behind.size() % 2) behind.emplace_back();
      }
    }
    put(out, 0, word);
    out.insert(out.end(), behind.begin(), behind.end());
    return out;
  }

 private:
  struct Entry {
    uint16_t tag;
    Bytes start, value;  ///< tag, type and count
    bool whole = false;
  };

  bool has(uint16_t tag) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.tag == tag; });
  }
  void add(uint16_t tag, Type type, size_t count, Bytes value) {
    Bytes start;
    put(start, tag, 2);
    put(start, type, 2);
    put(start, count, wide_ ? 8 : 4);
    entries_.push_back({tag, std::move(start), std::move(value)});
  }

  bool big_endian_, wide_;
  std::vector<Entry> entries_;
};

/// Samples as differences to their left neighbour, in the file's byte order.
template <class T>
void difference(const T* in, int64_t count, int channels, bool swap, T* out) {
  for (int64_t i = 0; i < count; ++i) {
    auto value = static_cast<T>(in[i] - (i < channels ? 0 : in[i - channels]));
    if constexpr (sizeof(T) == 2)
      if (swap) value = static_cast<T>(value << 8 | value >> 8);
    out[i] = value;
  }
}

class TiffWriter : public Writer {
 public:
  TiffWriter(const Head& head, const EncodeOptions& options, Sink sink, std::vector<std::string>& notes)
      : head_(head), sink_(std::move(sink)), threads_(options.threads) {
    wide_ = head.height > most_of_short_offsets / std::max<int64_t>(1, head.row_bytes());
    if (wide_ && !head.exif.empty()) {
      notes.push_back("a tif of more than 4 GB cannot hold its EXIF: dropped");
      head_.exif.clear();
    }
    held_ = !sink_.overwrite;
    big_endian_ = head_.exif.empty() ? std::endian::native == std::endian::big : head_.exif[0] == std::byte{'M'};
    strip_ = std::clamp<int64_t>(strip_bytes / head.row_bytes(), 1, head.height);
    waiting_.make_room(head, strip_ * threads_.count() * strips_for_each);
    begin(notes);
  }

  int64_t held_bytes() const override { return held_ ? head_.height * head_.row_bytes() : 0; }

  void rows(const std::byte* from, int64_t count) override {
    waiting_.add(from, count, [&](int64_t rows) { compress(rows); });
  }

  void finish() override {
    if (at_ % 2) write(Bytes(1));
    Directory directory = describe();
    Bytes where;
    directory.put(where, at_, wide_ ? 8 : 4);
    const int64_t place = wide_ ? 8 : 4;
    write(directory.bytes(at_));
    if (!held_) return sink_.overwrite(place, where);
    std::copy(where.begin(), where.end(), file_.begin() + place);
    sink_.write(file_);
  }

 private:
  /// EXIF is a TIFF itself: the file begins with it, so that its offsets stay true.
  void begin(std::vector<std::string>&) {
    Bytes start = head_.exif;
    if (start.empty()) {
      const Directory words(big_endian_, wide_);
      start.assign(2, std::byte(big_endian_ ? 'M' : 'I'));
      words.put(start, wide_ ? 43 : 42, 2);
      if (wide_) words.put(start, 8, 2), words.put(start, 0, 2);
      words.put(start, 0, wide_ ? 8 : 4);
    }
    if (start.size() % 2) start.emplace_back();
    write(start);
  }

  void write(List<std::byte> bytes) {
    if (held_)
      file_.insert(file_.end(), bytes.begin(), bytes.end());
    else
      sink_.write(bytes);
    at_ += bytes.size();
  }

  void compress(int64_t rows) {
    const int64_t strips = (rows + strip_ - 1) / strip_, samples = head_.width * head_.channels;
    const bool swap = big_endian_ != (std::endian::native == std::endian::big);
    std::vector<Bytes> parts(static_cast<size_t>(strips));
    in_parallel(threads_, strips, [&](int64_t i) {
      const int64_t first = i * strip_, count = std::min(strip_, rows - first);
      Bytes data(static_cast<size_t>(count * head_.row_bytes()));
      for (int64_t y = 0; y < count; ++y) {
        const std::byte* in = waiting_.row(first + y);
        std::byte* out = data.data() + y * head_.row_bytes();
        if (head_.bits == 8)
          difference(reinterpret_cast<const uint8_t*>(in), samples, head_.channels, false,
                     reinterpret_cast<uint8_t*>(out));
        else if (head_.bits == 16)
          difference(reinterpret_cast<const uint16_t*>(in), samples, head_.channels, swap,
                     reinterpret_cast<uint16_t*>(out));
        else
          for (int64_t s = 0; s < samples * 4; ++s) out[s] = in[swap ? s / 4 * 4 + 3 - s % 4 : s];
      }
      parts[static_cast<size_t>(i)] = zlib_stream(reinterpret_cast<const uint8_t*>(data.data()), data.size());
    });
    for (const Bytes& part : parts) {
      offsets_.push_back(at_);
      sizes_.push_back(part.size());
      write(part);
    }
  }

  Directory describe() const {
    Directory directory(big_endian_, wide_);
    const auto samples = static_cast<size_t>(head_.channels);
    const auto colors = static_cast<uint64_t>(head_.color_channels());
    constexpr uint64_t floats = 3, unsigned_numbers = 1, deflate = 8, differences = 2, straight_alpha = 2;
    const Type offset = wide_ ? long8 : long_number;
    directory.add(256, long_number, {static_cast<uint64_t>(head_.width)});
    directory.add(257, long_number, {static_cast<uint64_t>(head_.height)});
    directory.add(258, short_number, std::vector<uint64_t>(samples, static_cast<uint64_t>(head_.bits)));
    directory.add(259, short_number, {deflate});
    directory.add(262, short_number, {colors == 1 ? 1u : 2u});
    directory.add(273, offset, offsets_);
    directory.add(277, short_number, {samples});
    directory.add(278, long_number, {static_cast<uint64_t>(strip_)});
    directory.add(279, offset, sizes_);
    directory.add(284, short_number, {1});
    if (head_.bits < 32) directory.add(317, short_number, {differences});
    if (head_.has_alpha()) directory.add(338, short_number, {straight_alpha});
    directory.add(339, short_number, std::vector<uint64_t>(samples, head_.bits == 32 ? floats : unsigned_numbers));
    if (head_.density) {
      const double unit = head_.density->absolute ? 0.0254 : 1;
      const auto number = [&](double value) {
        return static_cast<uint64_t>(std::llround(std::clamp(value * unit, 0.001, 4e6) * 1000));
      };
      directory.add(282, rational, {number(head_.density->x), 1000});
      directory.add(283, rational, {number(head_.density->y), 1000});
      directory.add(296, short_number, {head_.density->absolute ? 2u : 1u});
    }
    for (const TiffText& text : tiff_texts)
      for (const TextEntry& entry : head_.texts) {
        if (entry.key != text.key) continue;
        const auto* first = reinterpret_cast<const std::byte*>(entry.text.c_str());
        directory.add_bytes(text.tag, ascii, Bytes(first, first + std::strlen(entry.text.c_str()) + 1));
        break;
      }
    if (!head_.xmp.empty()) directory.add_bytes(700, byte, head_.xmp);
    if (!head_.iptc.empty()) directory.add_bytes(33723, undefined, head_.iptc);
    if (!head_.icc.empty()) directory.add_bytes(34675, undefined, head_.icc);
    each_tiff_entry(head_.exif, [&](uint16_t tag, List<std::byte> entry) { directory.add_as_is(tag, entry); });
    return directory;
  }

  Head head_;
  Sink sink_;
  Threads threads_;
  bool wide_ = false, held_ = false, big_endian_ = false;
  int64_t strip_ = 0;  ///< rows
  WaitingRows waiting_;
  Bytes file_;
  uint64_t at_ = 0;
  std::vector<uint64_t> offsets_, sizes_;
};

}  // namespace

std::unique_ptr<Writer> write_tiff(const Head& head, const EncodeOptions& options, Sink sink,
                                   std::vector<std::string>& notes) {
  // What has no tag of its own is told in the description.
  Head fitted = head;
  std::string description;
  std::erase_if(fitted.texts, [&](const TextEntry& entry) {
    const bool comment = entry.key == "Comment" || entry.key == "Description";
    if (!comment && std::any_of(std::begin(tiff_texts), std::end(tiff_texts),
                                [&](const TiffText& text) { return text.key == entry.key; }))
      return false;
    description += cat(description.empty() ? "" : "\n", comment ? "" : entry.key + ": ", entry.text);
    return true;
  });
  if (!description.empty()) fitted.texts.push_back({"Description", description, "", "", false});
  return std::make_unique<TiffWriter>(fitted, options, std::move(sink), notes);
}

}  // namespace tessera::upscale
