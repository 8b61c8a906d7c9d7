// The few EXIF tags that turning and resizing a picture must know. Every offset is checked:
// the data comes from files.
#include <cstring>

#include "tools/upscale/picture.h"

namespace tessera::upscale {
namespace {

constexpr uint16_t tag_orientation = 0x0112, tag_exif_directory = 0x8769, tag_pixel_width = 0xa002,
                   tag_pixel_height = 0xa003;
constexpr uint16_t type_short = 3, type_long = 4;

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

}  // namespace tessera::upscale
