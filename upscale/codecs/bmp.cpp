// BMP: the bitmaps of Windows and OS/2, of all their depths, packed or run by run.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

enum Compression : uint32_t { none, runs8, runs4, masks, jpeg, png, masks_and_alpha };
constexpr size_t file_head = 14, core_head = 12, info_head = 40, fourth_head = 108, fifth_head = 124;

uint32_t read(List<std::byte> bytes, size_t at, size_t size) {
  if (at > bytes.size() || size > bytes.size() - at) fail(Error::Kind::file, "truncated BMP");
  uint32_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

class BmpReader : public WholeReader {
 public:
  BmpReader(List<std::byte> bytes, const DecodeLimits& limits) : bytes_(bytes) {
    pixels_ = read(bytes, 10, 4);
    size_ = read(bytes, file_head, 4);
    const auto at = [&](size_t offset, size_t size) { return read(bytes_, file_head + offset, size); };
    core_ = size_ == core_head;
    if (!core_ && size_ < 16) fail(Error::Kind::file, "corrupt BMP: its head has ", size_, " bytes");
    head_.width = static_cast<int32_t>(at(4, core_ ? 2 : 4));
    head_.height = static_cast<int32_t>(core_ ? at(6, 2) : at(8, 4));
    from_top_ = head_.height < 0;
    head_.height = std::abs(head_.height);
    check_extents(head_.width, head_.height, limits);
    bits_ = at(core_ ? 10 : 14, 2);
    compression_ = core_ || size_ < 20 ? 0 : at(16, 4);
    if (compression_ == jpeg || compression_ == png || compression_ > masks_and_alpha)
      fail(Error::Kind::file, "a BMP that holds a picture of another format (", compression_, ")");
    read_masks();
    if (bits_ <= 8)
      read_palette();
    else if (bits_ != 16 && bits_ != 24 && bits_ != 32)
      fail(Error::Kind::file, "a BMP of ", bits_, " bits per pixel");
    const bool gray = bits_ <= 8 && std::all_of(palette_.begin(), palette_.end(),
                                                [](const Color& c) { return c[0] == c[1] && c[1] == c[2]; });
    head_.channels = gray ? 1 : masks_[3] ? 4 : 3;
    if (size_ >= 32 && at(24, 4) && at(28, 4))
      head_.density = {static_cast<double>(at(24, 4)), static_cast<double>(at(28, 4)), true};
    read_profile();
    if (!is_packed() && !from_top_ && pixels_ >= bytes.size()) fail(Error::Kind::file, "truncated BMP");
    if (is_packed() &&
        head_.height > static_cast<int64_t>((bytes.size() - std::min<size_t>(bytes.size(), pixels_)) / stored_row()))
      fail(Error::Kind::file, "truncated BMP");
  }

 private:
  using Color = std::array<uint8_t, 3>;

  bool is_packed() const { return compression_ != runs8 && compression_ != runs4; }
  size_t stored_row() const { return static_cast<size_t>((head_.width * bits_ + 31) / 32 * 4); }

  void read_masks() {
    const auto at = [&](size_t offset) { return read(bytes_, file_head + offset, 4); };
    if (bits_ == 16) masks_ = {0x7c00, 0x3e0, 0x1f, 0};
    if (bits_ == 32) masks_ = {0xff0000, 0xff00, 0xff, 0};
    if (compression_ != masks && compression_ != masks_and_alpha) {
      if (size_ >= fourth_head && bits_ == 32) masks_[3] = at(52);
      return;
    }
    if (bits_ != 16 && bits_ != 32) fail(Error::Kind::file, "corrupt BMP: masks for ", bits_, " bits per pixel");
    for (size_t i = 0; i < 3; ++i) masks_[i] = at(40 + 4 * i);
    if (size_ >= 56 || compression_ == masks_and_alpha) masks_[3] = at(52);
    for (const uint32_t mask : masks_)
      if (mask && ((mask >> std::countr_zero(mask)) & ((mask >> std::countr_zero(mask)) + 1)))
        fail(Error::Kind::file, "corrupt BMP: a mask with holes");
  }

  void read_palette() {
    if (bits_ != 1 && bits_ != 2 && bits_ != 4 && bits_ != 8)
      fail(Error::Kind::file, "a BMP of ", bits_, " bits per pixel");
    const size_t step = core_ ? 3 : 4, most = size_t{1} << bits_;
    const size_t used = core_ || size_ < 36 ? 0 : read(bytes_, file_head + 32, 4);
    const size_t start = file_head + size_ + (compression_ == masks && size_ == info_head ? 12 : 0);
    const size_t room = pixels_ > start ? (pixels_ - start) / step : 0;
    const size_t count = std::min({used ? used : most, most, room ? room : most});
    palette_.assign(most, Color{});
    for (size_t i = 0; i < count; ++i)
      for (size_t c = 0; c < 3; ++c) palette_[i][c] = static_cast<uint8_t>(read(bytes_, start + i * step + 2 - c, 1));
  }

  void read_profile() {
    constexpr uint32_t embedded = 0x4d424544;  // "MBED"
    if (size_ < fifth_head || read(bytes_, file_head + 56, 4) != embedded) return;
    const size_t at = file_head + read(bytes_, file_head + 112, 4), size = read(bytes_, file_head + 116, 4);
    if (at <= bytes_.size() && size <= bytes_.size() - at) {
      const List<std::byte> icc = bytes_.subspan(at, size);
      head_.icc.assign(icc.begin(), icc.end());
    }
  }

  void decode(Picture& picture) override {
    if (!is_packed()) return decode_runs(picture);
    bool shows = false;
    for (int64_t y = 0; y < picture.height; ++y) {
      const auto stored = static_cast<size_t>(from_top_ ? y : picture.height - 1 - y);
      shows = decode_row(reinterpret_cast<const uint8_t*>(bytes_.data()) + pixels_ + stored * stored_row(),
                         reinterpret_cast<uint8_t*>(picture.row(y))) ||
              shows;
    }
    // Many writers leave the fourth byte empty.
    if (picture.has_alpha() && !shows)
      for (size_t i = 3; i < picture.samples.size(); i += 4) picture.samples[i] = std::byte{255};
  }

  /// Whether anything of the row is seen.
  bool decode_row(const uint8_t* from, uint8_t* to) const {
    bool shows = false;
    for (int64_t x = 0; x < head_.width; ++x) {
      if (bits_ <= 8) {
        const int64_t bit = x * bits_;
        to = put(to, from[bit / 8] >> (8 - bits_ - bit % 8) & ((1u << bits_) - 1));
      } else if (bits_ == 24) {
        for (int c = 2; c >= 0; --c) *to++ = from[3 * x + c];
      } else {
        uint32_t value = 0;
        for (int64_t i = bits_ / 8; i-- > 0;) value = value << 8 | from[x * bits_ / 8 + i];
        for (int c = 0; c < head_.channels; ++c) *to++ = part(value, masks_[static_cast<size_t>(c)]);
        shows = shows || to[-1];
      }
    }
    return shows;
  }

  uint8_t* put(uint8_t* to, uint32_t index) const {
    for (size_t c = 0; c < static_cast<size_t>(head_.channels); ++c) *to++ = palette_[index][c];
    return to;
  }
  static uint8_t part(uint32_t value, uint32_t mask) {
    if (!mask) return 0;
    const uint64_t most = mask >> std::countr_zero(mask);
    return static_cast<uint8_t>((uint64_t{(value & mask) >> std::countr_zero(mask)} * 255 + most / 2) / most);
  }

  void decode_runs(Picture& picture) const {
    if (bits_ != (compression_ == runs8 ? 8u : 4u)) fail(Error::Kind::file, "corrupt BMP: runs of ", bits_, " bits");
    for (int64_t y = 0; y < picture.height; ++y)
      for (int64_t x = 0; x < picture.width; ++x)
        put(reinterpret_cast<uint8_t*>(picture.row(y)) + x * picture.channels, 0);
    int64_t x = 0, y = 0;
    size_t at = pixels_;
    const auto pixel = [&](uint32_t index) {
      if (x < picture.width && y < picture.height)
        put(reinterpret_cast<uint8_t*>(picture.row(from_top_ ? y : picture.height - 1 - y)) + x * picture.channels,
            index & ((1u << bits_) - 1));
      ++x;
    };
    while (y < picture.height) {
      const uint32_t count = read(bytes_, at, 1), value = read(bytes_, at + 1, 1);
      at += 2;
      if (count > 0) {
        for (uint32_t i = 0; i < count; ++i) pixel(bits_ == 8 ? value : i % 2 ? value : value >> 4);
      } else if (value == 0) {
        x = 0, ++y;
      } else if (value == 1) {
        return;
      } else if (value == 2) {
        x += read(bytes_, at, 1);
        y += read(bytes_, at + 1, 1);
        at += 2;
      } else {
        for (uint32_t i = 0; i < value; ++i) {
          const uint32_t byte = read(bytes_, at + (bits_ == 8 ? i : i / 2), 1);
          pixel(bits_ == 8 || i % 2 ? byte : byte >> 4);
        }
        const size_t length = bits_ == 8 ? value : (value + 1) / 2;
        at += length + length % 2;
      }
    }
  }

  List<std::byte> bytes_;
  uint32_t pixels_ = 0, size_ = 0, bits_ = 0, compression_ = 0;
  bool core_ = false, from_top_ = false;
  std::array<uint32_t, 4> masks_{};  ///< of red, green, blue and alpha
  std::vector<Color> palette_;
};

/// The bitmap of Windows 95 for colors and grays; that of Windows 98 for alpha or a color profile.
class BmpWriter : public WholeWriter {
 public:
  BmpWriter(const Head& head, Sink sink) : WholeWriter(head, std::move(sink)) {}

 private:
  void encode(const Picture& picture) override {
    const bool gray = picture.channels == 1, wide = picture.has_alpha() || !picture.icc.empty();
    const auto pixel = static_cast<int64_t>(picture.channels), row = (picture.width * pixel + 3) / 4 * 4;
    const size_t head = wide ? fifth_head : info_head;
    const size_t start = file_head + head + (gray ? 1024 : 0);
    const uint64_t data = static_cast<uint64_t>(row * picture.height), all = start + data + picture.icc.size();
    if (all > 0xffffffffu) fail(Error::Kind::file, "a bmp file holds at most 4 GB; write a PNG");
    Bytes out;
    const auto put = [&](uint64_t value, int size) {
      for (int i = 0; i < size; ++i) out.push_back(static_cast<std::byte>(value >> 8 * i & 0xff));
    };
    put('B' | 'M' << 8, 2);
    put(all, 4);
    put(0, 4);
    put(start, 4);
    put(head, 4);
    put(static_cast<uint64_t>(picture.width), 4);
    put(static_cast<uint64_t>(picture.height), 4);
    put(1, 2);
    put(static_cast<uint64_t>(8 * pixel), 2);
    put(picture.has_alpha() ? masks : none, 4);
    put(data, 4);
    for (const bool across : {true, false}) {
      const double metre = !picture.density || !picture.density->absolute ? 0
                           : across                                       ? picture.density->x
                                                                          : picture.density->y;
      put(static_cast<uint64_t>(std::llround(std::clamp(metre, 0.0, 2e9))), 4);
    }
    put(gray ? 256 : 0, 4);
    put(0, 4);
    if (wide) {
      for (const uint32_t mask : {0xff0000u, 0xff00u, 0xffu, 0xff000000u}) put(picture.has_alpha() ? mask : 0, 4);
      constexpr uint32_t embedded = 0x4d424544, srgb = 0x73524742, perceptual = 4;
      put(picture.icc.empty() ? srgb : embedded, 4);
      out.resize(out.size() + 48);
      put(perceptual, 4);
      put(picture.icc.empty() ? 0 : head + (gray ? 1024 : 0) + data, 4);
      put(picture.icc.size(), 4);
      put(0, 4);
    }
    if (gray)
      for (uint64_t i = 0; i < 256; ++i) put(i * 0x10101, 4);
    sink_.write(out);
    Bytes line(static_cast<size_t>(row));
    for (int64_t y = picture.height; y-- > 0;) {
      const std::byte* in = picture.row(y);
      for (int64_t i = 0; i < picture.width * pixel; ++i) {
        const int64_t c = i % pixel;
        line[static_cast<size_t>(i)] = in[gray || c == 3 ? i : i - c + 2 - c];
      }
      sink_.write(line);
    }
    sink_.write(picture.icc);
  }
};

}  // namespace

std::unique_ptr<Reader> open_bmp(List<std::byte> bytes, const DecodeLimits& limits) {
  return std::make_unique<BmpReader>(bytes, limits);
}

std::unique_ptr<Writer> write_bmp(const Head& head, const EncodeOptions&, Sink sink, std::vector<std::string>&) {
  return std::make_unique<BmpWriter>(head, std::move(sink));
}

}  // namespace tessera::upscale
