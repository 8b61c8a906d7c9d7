// What EXIF and XMP say of a picture's position and size. Every offset is checked: the data comes from files.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <tuple>

#include "upscale/picture.h"

namespace tessera::upscale {
namespace {

constexpr uint16_t tag_orientation = 0x0112, tag_exif_directory = 0x8769, tag_pixel_width = 0xa002,
                   tag_pixel_height = 0xa003, tag_x_resolution = 0x011a, tag_y_resolution = 0x011b,
                   tag_resolution_unit = 0x0128, tag_maker = 0x010f, tag_model = 0x0110, tag_time = 0x0132,
                   tag_position_directory = 0x8825, tag_exchange_directory = 0xa005;
constexpr uint16_t type_short = 3, type_long = 4, type_rational = 5;

/// A TIFF structure in memory: bounds-checked reads and writes in its own byte order.
class Tiff {
 public:
  explicit Tiff(std::span<std::byte> bytes) : bytes_(bytes) {
    if (bytes.size() < 8) return;
    const auto first = std::to_integer<char>(bytes[0]), second = std::to_integer<char>(bytes[1]);
    if (first != second || (first != 'I' && first != 'M')) return;
    big_ = first == 'M';
    valid_ = get(2, 2) == 42;
  }

  bool valid() const { return valid_; }
  bool inside(uint64_t at, uint64_t size) const { return at <= bytes_.size() && size <= bytes_.size() - at; }

  uint32_t get(uint64_t at, int size) const {
    if (!inside(at, static_cast<uint64_t>(size))) return 0;
    uint32_t value = 0;
    for (int i = 0; i < size; ++i)
      value |= std::to_integer<uint32_t>(bytes_[at + static_cast<uint64_t>(i)]) << 8 * (big_ ? size - 1 - i : i);
    return value;
  }

  void put(uint64_t at, int size, uint32_t value) {
    if (!inside(at, static_cast<uint64_t>(size))) return;
    for (int i = 0; i < size; ++i)
      bytes_[at + static_cast<uint64_t>(i)] = static_cast<std::byte>(value >> 8 * (big_ ? size - 1 - i : i));
  }

  /// Offset of the directory's entry with that tag, 0 if there is none.
  uint64_t entry(uint64_t directory, uint16_t tag) const {
    const uint32_t count = get(directory, 2);
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t at = directory + 2 + 12 * i;
      if (!inside(at, 12)) return 0;
      if (get(at, 2) == tag) return at;
    }
    return 0;
  }

  /// Value of an entry that holds one short or long.
  uint32_t number(uint64_t entry) const { return get(entry + 8, get(entry + 2, 2) == type_short ? 2 : 4); }
  void set_number(uint64_t entry, uint32_t value) {
    const uint32_t type = get(entry + 2, 2);
    if (get(entry + 4, 4) != 1) return;
    if (type == type_short) put(entry + 8, 2, value <= 0xffff ? value : 0);
    if (type == type_long) put(entry + 8, 4, value);
  }

 private:
  std::span<std::byte> bytes_;
  bool big_ = false, valid_ = false;
};

void renew_exif(Bytes& exif, int64_t width, int64_t height) {
  Tiff tiff(exif);
  if (!tiff.valid()) {
    exif.clear();
    return;
  }
  const uint64_t directory = tiff.get(4, 4);
  if (const uint64_t entry = tiff.entry(directory, tag_orientation)) tiff.set_number(entry, 1);
  if (const uint64_t pointer = tiff.entry(directory, tag_exif_directory)) {
    const uint64_t inner = tiff.number(pointer);
    const int64_t extents[] = {width, height};
    for (int i = 0; i < 2; ++i)
      if (const uint64_t entry = tiff.entry(inner, i ? tag_pixel_height : tag_pixel_width))
        tiff.set_number(entry, static_cast<uint32_t>(extents[i]));
  }
  // The thumbnail hangs on the second directory.
  tiff.put(directory + 2 + 12 * uint64_t{tiff.get(directory, 2)}, 4, 0);
}

/// Tags of a TIFF that tell where its samples lie and what they are.
bool describes_samples(uint16_t tag) {
  return (tag >= 254 && tag <= 266) || (tag >= 273 && tag <= 281 && tag != tag_orientation) || tag == 284 ||
         tag == 317 || (tag >= 320 && tag <= 347) || (tag >= 512 && tag <= 532) || tag == 700 || tag == 33723 ||
         tag == 34675;
}

/// Copies directories of a TIFF structure to another, with what their entries point at.
class DirectoryCopier {
 public:
  explicit DirectoryCopier(List<std::byte> from)
      : from_(std::span(const_cast<std::byte*>(from.data()), from.size())), bytes_(from) {}

  bool valid() const { return from_.valid(); }
  /// The entry's value; empty if it lies outside of the file.
  List<std::byte> value(uint64_t entry) const {
    constexpr uint8_t sizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8};
    const uint32_t type = from_.get(entry + 2, 2);
    const uint64_t size = type < sizeof sizes ? uint64_t{sizes[type]} * from_.get(entry + 4, 4) : 0;
    const uint64_t at = size > 4 ? from_.get(entry + 8, 4) : entry + 8;
    return from_.inside(at, size) ? bytes_.subspan(at, size) : List<std::byte>();
  }
  uint64_t entry(uint64_t directory, uint16_t tag) const { return from_.entry(directory, tag); }

  /// A structure of the entries of a directory that are wanted, and of all in those below.
  using Wanted = bool(uint16_t tag);
  Bytes copy(uint64_t directory, Wanted* wanted) {
    out_.assign(bytes_.begin(), bytes_.begin() + 8);
    add(directory, wanted, 0);
    Tiff(out_).put(4, 4, 8);
    return Tiff(out_).get(8, 2) ? out_ : Bytes();
  }

 private:
  void add(uint64_t directory, Wanted* wanted, int depth) {
    constexpr uint32_t most_entries = 500;
    constexpr size_t most_bytes = size_t{16} << 20;
    std::vector<uint64_t> entries;
    const uint32_t count = std::min(from_.get(directory, 2), most_entries);
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t at = directory + 2 + 12 * i;
      const auto tag = static_cast<uint16_t>(from_.get(at, 2));
      if (from_.inside(at, 12) && !value(at).empty() && wanted(tag)) entries.push_back(at);
    }
    const size_t start = out_.size();
    out_.resize(start + 2 + 12 * entries.size() + 4);
    put(start, 2, static_cast<uint32_t>(entries.size()));
    for (size_t i = 0; i < entries.size(); ++i) {
      const size_t to = start + 2 + 12 * i;
      std::memcpy(out_.data() + to, bytes_.data() + entries[i], 12);
      const auto tag = static_cast<uint16_t>(from_.get(entries[i], 2));
      const List<std::byte> data = value(entries[i]);
      const bool below = tag == tag_exif_directory || tag == tag_position_directory || tag == tag_exchange_directory;
      if (out_.size() + data.size() > most_bytes || (below && depth >= 2)) {
        put(to + 4, 4, 0);
        continue;
      }
      if (!below && data.size() <= 4) continue;
      put(to + 8, 4, static_cast<uint32_t>(out_.size()));
      if (below)
        add(
            from_.number(entries[i]), [](uint16_t) { return true; }, depth + 1);
      else
        out_.insert(out_.end(), data.begin(), data.end());
      if (out_.size() % 2) out_.emplace_back();
    }
  }
  void put(uint64_t at, int size, uint32_t value) { Tiff(out_).put(at, size, value); }

  Tiff from_;
  List<std::byte> bytes_;
  Bytes out_;
};

/// Replaces the value of a property, written as an attribute or as an element.
void set_property(std::string& xmp, Text name, int64_t value) {
  for (size_t at = xmp.find(name); at != Text::npos; at = xmp.find(name, at + name.size())) {
    const char before = at ? xmp[at - 1] : ' ';
    size_t start = at + name.size();
    const bool attribute = before != '<' && before != '/' && Text(xmp).substr(start).starts_with('=');
    start += attribute ? 2 : 1;
    if (start > xmp.size()) return;
    const char open = xmp[start - 1];
    if (attribute ? open != '"' && open != '\'' : before != '<' || open != '>') continue;
    const size_t end = xmp.find(attribute ? open : '<', start);
    if (end != Text::npos) xmp.replace(start, end - start, std::to_string(value));
  }
}

}  // namespace

int exif_orientation(List<std::byte> exif) {
  Bytes copy(exif.begin(), exif.end());
  const Tiff tiff(copy);
  if (!tiff.valid()) return 1;
  const uint64_t entry = tiff.entry(tiff.get(4, 4), tag_orientation);
  if (!entry || tiff.get(entry + 2, 2) != type_short) return 1;
  const uint32_t value = tiff.number(entry);
  return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
}

bool exif_has_density(List<std::byte> exif) {
  Bytes copy(exif.begin(), exif.end());
  const Tiff tiff(copy);
  return tiff.valid() && tiff.entry(tiff.get(4, 4), tag_x_resolution);
}

Bytes exif_of(const Density& density) {
  if (!density.absolute) return {};
  Bytes bytes;
  const auto put = [&](uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes.push_back(static_cast<std::byte>(value >> 8 * i));
  };
  // One directory of three entries at 8, and behind it the two fractions of dots per inch.
  constexpr uint32_t inch = 2, first_value = 8 + 2 + 3 * 12 + 4;
  put('I' | 'I' << 8 | 42 << 16, 4);
  put(8, 4);
  put(3, 2);
  for (const auto& [tag, type, value] : {std::tuple{tag_x_resolution, type_rational, first_value},
                                         {tag_y_resolution, type_rational, first_value + 8},
                                         {tag_resolution_unit, type_short, inch}}) {
    put(tag, 2);
    put(type, 2);
    put(1, 4);
    put(value, 4);
  }
  put(0, 4);
  for (const double metre : {density.x, density.y}) {
    put(static_cast<uint64_t>(std::llround(std::clamp(metre * 0.0254, 0.0, 4e6) * 1000)), 4);
    put(1000, 4);
  }
  return bytes;
}

Bytes exif_of_tiff(List<std::byte> file, uint64_t directory) {
  DirectoryCopier copier(file);
  if (!copier.valid()) return {};
  return copier.copy(directory, [](uint16_t tag) {
    constexpr uint16_t wanted[] = {
        tag_orientation, tag_x_resolution, tag_y_resolution,   tag_resolution_unit,   tag_maker,
        tag_model,       tag_time,         tag_exif_directory, tag_position_directory};
    return std::find(std::begin(wanted), std::end(wanted), tag) != std::end(wanted);
  });
}

void each_tiff_entry(List<std::byte> exif, const std::function<void(uint16_t, List<std::byte>)>& f) {
  Bytes copy(exif.begin(), exif.end());
  const Tiff tiff(copy);
  if (!tiff.valid()) return;
  const uint64_t directory = tiff.get(4, 4), count = tiff.get(directory, 2);
  for (uint64_t at = directory + 2; at < directory + 2 + 12 * count && tiff.inside(at, 12); at += 12)
    if (const auto tag = static_cast<uint16_t>(tiff.get(at, 2)); !describes_samples(tag)) f(tag, exif.subspan(at, 12));
}

Bytes tiff_value(List<std::byte> file, uint64_t directory, uint16_t tag) {
  const DirectoryCopier copier(file);
  const uint64_t entry = copier.valid() ? copier.entry(directory, tag) : 0;
  const List<std::byte> value = entry ? copier.value(entry) : List<std::byte>();
  return Bytes(value.begin(), value.end());
}

void renew_metadata(Head& head) {
  renew_exif(head.exif, head.width, head.height);
  if (head.xmp.empty()) return;
  std::string xmp(reinterpret_cast<const char*>(head.xmp.data()), head.xmp.size());
  set_property(xmp, "tiff:Orientation", 1);
  for (const char* name : {"tiff:ImageWidth", "exif:PixelXDimension"}) set_property(xmp, name, head.width);
  for (const char* name : {"tiff:ImageLength", "exif:PixelYDimension"}) set_property(xmp, name, head.height);
  const auto* first = reinterpret_cast<const std::byte*>(xmp.data());
  head.xmp.assign(first, first + xmp.size());
}

}  // namespace tessera::upscale
