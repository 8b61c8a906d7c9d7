// Whole pictures behind the interface of rows, and what happens to rows between a file and its format.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "upscale/codecs/formats.h"
#include "upscale/light.h"

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

/// Noise from 0 to below 1 of which neighbours have all sizes (interleaved gradient noise), in place of rounding: what
/// is exact stays as it is.
template <class Out, class In>
Out dithered(In value, int64_t x, int64_t y, int c) {
  const auto part = [](float v) { return v - std::floor(v); };
  const float across = static_cast<float>(x % 4096 + 37 * c), down = static_cast<float>(y % 4096 + 17 * c);
  const float noise = std::min(0.998f, part(52.9829189f * part(0.06711056f * across + 0.00583715f * down)));
  const float level = std::clamp(to<float>(value), 0.0f, 1.0f) * static_cast<float>(most<Out>);
  return static_cast<Out>(std::min(level + noise, static_cast<float>(most<Out>)));
}

template <class T>
T on_white(T color, T alpha, bool linear) {
  if constexpr (std::is_same_v<T, float>) {
    return color * alpha + 1 - alpha;
  } else if (linear) {
    const float part = to<float>(alpha);
    return to<T>(code_light(decode_light(to<float>(color)) * part + 1 - part));
  } else {
    constexpr auto top = static_cast<uint64_t>(most<T>);
    return static_cast<T>((uint64_t{color} * alpha + top * (top - alpha) + top / 2) / top);
  }
}

/// Fewer levels than there were.
template <class In, class Out>
constexpr bool loses = sizeof(Out) < sizeof(In);

template <class In, class Out>
void convert_row(const In* in, int in_channels, int64_t width, int64_t y, Out* out, int out_channels,
                 const EncodeOptions& options, bool light) {
  const int in_colors = in_channels < 3 ? 1 : 3, out_colors = out_channels < 3 ? 1 : 3;
  const bool flatten = in_channels > in_colors && out_channels == out_colors;
  for (int64_t x = 0; x < width; ++x, in += in_channels, out += out_channels) {
    // Floats are light, and other samples are of sRGB's curve.
    const auto convert = [&](In value, int c, bool color) -> Out {
      if constexpr (std::is_same_v<In, float> && !std::is_same_v<Out, float>)
        if (color && light && value > 0) value = code_light(value);
      if constexpr (loses<In, Out>)
        if (options.dither) return dithered<Out>(value, x, y, c);
      if constexpr (std::is_same_v<Out, float> && !std::is_same_v<In, float>)
        if (color && light) return decode_light(to<float>(value));
      return to<Out>(value);
    };
    for (int c = 0; c < out_colors; ++c) {
      const In color = in[std::min(c, in_colors - 1)];
      out[c] = convert(flatten ? on_white(color, in[in_colors], options.linear) : color, c, true);
    }
    if (out_channels > out_colors)
      out[out_colors] = in_channels > in_colors ? convert(in[in_colors], out_colors, false) : most<Out>;
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

RowConverter::RowConverter(const Frame& from, const Frame& to, const EncodeOptions& options, bool light)
    : from_(from), to_(to), options_(options), light_(light) {}

void RowConverter::run(const std::byte* in, int64_t y, int64_t rows, std::byte* out) const {
  by_bits(from_.bits, [&]<class In>(In) {
    by_bits(to_.bits, [&]<class Out>(Out) {
      for (int64_t row = 0; row < rows; ++row)
        convert_row(reinterpret_cast<const In*>(in + row * from_.row_bytes()), from_.channels, from_.width, y + row,
                    reinterpret_cast<Out*>(out + row * to_.row_bytes()), to_.channels, options_, light_);
    });
  });
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
