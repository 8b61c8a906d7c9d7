// Whole pictures behind the interface of rows, and what happens to rows between a file and its format.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

/// Rows that are converted at a time.
int64_t rows_at_once(const Head& head) {
  constexpr int64_t bytes = int64_t{1} << 20;
  return std::clamp<int64_t>(bytes / std::max<int64_t>(1, head.row_bytes()), 1, head.height);
}

/// Mirrors every row: orientation 2.
class MirroredReader : public Reader {
 public:
  explicit MirroredReader(std::unique_ptr<Reader> reader) : reader_(std::move(reader)) { head_ = reader_->head(); }
  int64_t held_bytes() const override { return reader_->held_bytes(); }
  void rows(int64_t count, std::byte* to) override {
    reader_->rows(count, to);
    head_.notes = reader_->head().notes;
    const auto pixel = static_cast<size_t>(head_.channels * head_.bits / 8);
    std::byte swapped[16];
    for (int64_t y = 0; y < count; ++y) {
      std::byte *first = to + y * head_.row_bytes(), *last = first + head_.row_bytes() - pixel;
      for (; first < last; first += pixel, last -= pixel) {
        std::memcpy(swapped, first, pixel);
        std::memcpy(first, last, pixel);
        std::memcpy(last, swapped, pixel);
      }
    }
  }

 private:
  std::unique_ptr<Reader> reader_;
};

/// Turned pixels need all rows first.
class TurnedReader : public WholeReader {
 public:
  TurnedReader(std::unique_ptr<Reader> reader, int orientation)
      : reader_(std::move(reader)), orientation_(orientation) {
    head_ = reader_->head();
    if (orientation >= 5) std::swap(head_.width, head_.height);
  }

 private:
  void decode(Picture& picture) override {
    Picture stored = reader_->whole();
    picture.notes = std::move(stored.notes);
    orient(stored, orientation_);
    picture.samples.swap(stored.samples);
  }

  std::unique_ptr<Reader> reader_;
  int orientation_;
};

/// The most that a sample holds, or white.
template <class T>
constexpr T most = std::numeric_limits<T>::max();
template <>
constexpr float most<float> = 1;

template <class Out, class In>
Out to(In value) {
  if constexpr (std::is_same_v<In, Out>)
    return value;
  else if constexpr (std::is_same_v<Out, float>)
    return static_cast<float>(value) / static_cast<float>(most<In>);
  else if constexpr (std::is_same_v<In, float>)
    return std::isnan(value) ? Out{0}
                             : static_cast<Out>(std::clamp(value, 0.0f, 1.0f) * static_cast<float>(most<Out>) + 0.5f);
  else
    return static_cast<Out>((uint32_t{value} * most<Out> + most<In> / 2) / most<In>);
}

template <class T>
T on_white(T color, T alpha) {
  if constexpr (std::is_same_v<T, float>) return color * alpha + 1 - alpha;
  constexpr auto top = static_cast<uint64_t>(most<T>);
  const auto part = static_cast<uint64_t>(alpha);
  return static_cast<T>((static_cast<uint64_t>(color) * part + top * (top - part) + top / 2) / top);
}

template <class In, class Out>
void convert(const std::byte* in_bytes, int in_channels, int64_t pixels, std::byte* out_bytes, int out_channels) {
  const auto* in = reinterpret_cast<const In*>(in_bytes);
  auto* out = reinterpret_cast<Out*>(out_bytes);
  const int in_colors = in_channels < 3 ? 1 : 3, out_colors = out_channels < 3 ? 1 : 3;
  const bool flatten = in_channels > in_colors && out_channels == out_colors;
  for (int64_t i = 0; i < pixels; ++i, in += in_channels, out += out_channels) {
    for (int c = 0; c < out_colors; ++c) {
      const In color = in[std::min(c, in_colors - 1)];
      out[c] = to<Out>(flatten ? on_white(color, in[in_colors]) : color);
    }
    if (out_channels > out_colors) out[out_colors] = in_channels > in_colors ? to<Out>(in[in_colors]) : most<Out>;
  }
}

/// Calls f with a sample of that many bits.
template <class F>
auto by_bits(int bits, const F& f) {
  return bits == 32 ? f(float{}) : bits == 16 ? f(uint16_t{}) : f(uint8_t{});
}

}  // namespace

Picture Reader::whole() {
  Picture picture(head_);
  picture.allocate();
  const int64_t band = rows_at_once(picture);
  for (int64_t y = 0; y < picture.height; y += band) rows(std::min(band, picture.height - y), picture.row(y));
  picture.notes = std::move(head_.notes);
  return picture;
}

void Writer::whole(Picture picture) {
  const int64_t band = rows_at_once(picture);
  for (int64_t y = 0; y < picture.height; y += band) rows(picture.row(y), std::min(band, picture.height - y));
  finish();
}

void WholeReader::load() {
  if (loaded_) return;
  loaded_ = true;
  static_cast<Head&>(picture_) = head_;
  picture_.allocate();
  decode(picture_);
  head_.notes = picture_.notes;
}

void WholeReader::rows(int64_t count, std::byte* to) {
  load();
  std::memcpy(to, picture_.row(next_), static_cast<size_t>(count * picture_.row_bytes()));
  next_ += count;
}

Picture WholeReader::whole() {
  load();
  return std::move(picture_);
}

void WholeWriter::rows(const std::byte* from, int64_t count) {
  if (picture_.samples.empty()) picture_.samples.reserve(static_cast<size_t>(picture_.height * picture_.row_bytes()));
  picture_.samples.insert(picture_.samples.end(), from, from + count * picture_.row_bytes());
}

void WholeWriter::finish() {
  encode(picture_);
  picture_ = Picture();
}

void WholeWriter::whole(Picture picture) {
  picture_.samples.swap(picture.samples);
  finish();
}

std::unique_ptr<Reader> turn_upright(std::unique_ptr<Reader> reader) {
  const int orientation = reader->orientation();
  if (orientation == 2) return std::make_unique<MirroredReader>(std::move(reader));
  if (orientation > 2) return std::make_unique<TurnedReader>(std::move(reader), orientation);
  return reader;
}

RowConverter::RowConverter(const Head& from, const Head& to)
    : width_(from.width), in_(from.channels), out_(to.channels) {
  convert_ = by_bits(from.bits,
                     [&]<class In>(In) { return by_bits(to.bits, [&]<class Out>(Out) { return &convert<In, Out>; }); });
}

void RowConverter::run(const std::byte* in, int64_t rows, std::byte* out) const {
  convert_(in, in_, rows * width_, out, out_);
}

void divide_by_alpha(const Frame& frame, int64_t pixels, std::byte* samples) {
  by_bits(frame.bits, [&]<class T>(T) {
    T* sample = reinterpret_cast<T*>(samples);
    for (int64_t i = 0; i < pixels; ++i, sample += frame.channels)
      for (int c = 0; c + 1 < frame.channels; ++c) {
        const T alpha = sample[frame.channels - 1];
        if constexpr (std::is_same_v<T, float>)
          sample[c] = alpha > 0 ? sample[c] / alpha : 0;
        else if (alpha > 0)
          sample[c] = static_cast<T>(std::min<uint64_t>(most<T>, (uint64_t{sample[c]} * most<T> + alpha / 2) / alpha));
      }
  });
}

}  // namespace tessera::upscale
