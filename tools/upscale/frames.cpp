#include "tools/upscale/frames.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace tessera::upscale {
namespace {

/// A plane of floats.
struct Plane {
  int64_t width = 0, height = 0;
  std::vector<float> samples;

  Plane(int64_t w, int64_t h) : width(w), height(h), samples(static_cast<size_t>(w * h)) {}
  float* row(int64_t y) { return samples.data() + y * width; }
  const float* row(int64_t y) const { return samples.data() + y * width; }
};

/// Codes of black and white, or of what no color and most color is.
struct Range {
  float zero, span, low, high;
};

Range range_of(const FrameFormat& format, bool chroma) {
  const auto unit = static_cast<float>(int64_t{1} << (format.bits - 8));
  const auto top = static_cast<float>((int64_t{1} << format.bits) - 1);
  if (format.full) return chroma ? Range{128 * unit, top, 0, top} : Range{0, top, 0, top};
  return chroma ? Range{128 * unit, 224 * unit, 16 * unit, 240 * unit}
                : Range{16 * unit, 219 * unit, 16 * unit, 235 * unit};
}

void load_codes(const std::byte* from, int bits, int64_t count, int64_t step, float* to) {
  if (bits == 8) {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i * step]);
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    const std::byte* code = from + i * step * 2;
    to[i] = static_cast<float>(std::to_integer<int>(code[0]) | std::to_integer<int>(code[1]) << 8);
  }
}

void store_codes(const float* from, int bits, int64_t count, int64_t step, std::byte* to) {
  for (int64_t i = 0; i < count; ++i) {
    const auto code = static_cast<unsigned>(from[i] + 0.5f);
    if (bits == 8) {
      to[i * step] = static_cast<std::byte>(code);
    } else {
      to[i * step * 2] = static_cast<std::byte>(code);
      to[i * step * 2 + 1] = static_cast<std::byte>(code >> 8);
    }
  }
}

Plane load_plane(const std::byte* from, int64_t width, int64_t height, int bits, const Range& range) {
  Plane plane(width, height);
  load_codes(from, bits, width * height, 1, plane.samples.data());
  for (float& sample : plane.samples) sample = (sample - range.zero) / range.span;
  return plane;
}

std::byte* store_plane(Plane& plane, int bits, const Range& range, std::byte* to) {
  for (float& sample : plane.samples) sample = std::clamp(sample * range.span + range.zero, range.low, range.high);
  store_codes(plane.samples.data(), bits, plane.width * plane.height, 1, to);
  return to + plane.width * plane.height * (bits > 8 ? 2 : 1);
}

/// Weights of four neighbours for a place `t` of the way between the middle two (Catmull-Rom).
std::array<float, 4> cubic(float t) {
  const float t2 = t * t, t3 = t2 * t;
  return {(-t3 + 2 * t2 - t) / 2, (3 * t3 - 5 * t2 + 2) / 2, (-3 * t3 + 4 * t2 + t) / 2, (t3 - t2) / 2};
}

/// One index of a finer axis: four indices of the coarse one, and their weights.
struct Mix {
  std::array<int64_t, 4> from;
  std::array<float, 4> weights;
};

Mix finer(int64_t index, int64_t coarse, int factor, bool left) {
  const float place = static_cast<float>(index) / 2 - (left ? 0.0f : 0.25f);
  const float base = factor == 1 ? static_cast<float>(index) : std::floor(place);
  Mix mix{{}, cubic(factor == 1 ? 0.0f : place - base)};
  for (int64_t k = 0; k < 4; ++k)
    mix.from[static_cast<size_t>(k)] = std::clamp<int64_t>(static_cast<int64_t>(base) - 1 + k, 0, coarse - 1);
  return mix;
}

/// The reverse: what a coarse sample is the mean of.
Mix coarser(int64_t index, int64_t fine, int factor, bool left) {
  const auto at = [&](int64_t i) { return std::clamp<int64_t>(i, 0, fine - 1); };
  if (factor == 1) return {{index, index, index, index}, {1, 0, 0, 0}};
  const int64_t first = 2 * index;
  if (left) return {{at(first - 1), at(first), at(first + 1), at(first)}, {0.25f, 0.5f, 0.25f, 0}};
  return {{at(first), at(first + 1), at(first), at(first)}, {0.5f, 0.5f, 0, 0}};
}

template <class Make>
Plane resampled(const Plane& plane, int64_t width, int64_t height, const FrameFormat& format, const Make& make) {
  Plane tall(plane.width, height), result(width, height);
  for (int64_t y = 0; y < height; ++y) {
    const Mix mix = make(y, plane.height, format.down, false);
    const float* rows[4];
    for (size_t k = 0; k < 4; ++k) rows[k] = plane.row(mix.from[k]);
    for (int64_t x = 0; x < plane.width; ++x)
      tall.row(y)[x] = mix.weights[0] * rows[0][x] + mix.weights[1] * rows[1][x] + mix.weights[2] * rows[2][x] +
                       mix.weights[3] * rows[3][x];
  }
  std::vector<Mix> mixes;
  for (int64_t x = 0; x < width; ++x) mixes.push_back(make(x, plane.width, format.across, format.left));
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const auto& [from, weights] = mixes[static_cast<size_t>(x)];
      const float* row = tall.row(y);
      result.row(y)[x] =
          weights[0] * row[from[0]] + weights[1] * row[from[1]] + weights[2] * row[from[2]] + weights[3] * row[from[3]];
    }
  return result;
}

Picture blank_for(const FrameFormat& format, int channels, int bits) {
  Picture picture;
  picture.width = format.width;
  picture.height = format.height;
  picture.channels = channels;
  picture.bits = bits;
  picture.allocate();
  return picture;
}

}  // namespace

int64_t FrameFormat::bytes() const {
  const int64_t pixels = width * height;
  const int64_t samples = kind == Kind::gray  ? pixels
                          : kind == Kind::rgb ? 3 * pixels
                                              : pixels + 2 * chroma_width() * chroma_height();
  return samples * (bits > 8 ? 2 : 1);
}

FrameFormat FrameFormat::sized(int64_t new_width, int64_t new_height) const {
  FrameFormat format = *this;
  format.width = new_width;
  format.height = new_height;
  return format;
}

std::optional<FrameFormat> format_of_pixels(Text name) {
  FrameFormat format;
  if (name == "rgb24" || name == "rgb48le") {
    format.kind = FrameFormat::Kind::rgb;
    format.bits = name == "rgb24" ? 8 : 16;
    format.full = true;
    return format;
  }
  static constexpr struct {
    Text name;
    FrameFormat::Kind kind;
    int across, down;
  } layouts[] = {{"gray", FrameFormat::Kind::gray, 1, 1},
                 {"yuv420p", FrameFormat::Kind::yuv, 2, 2},
                 {"yuv422p", FrameFormat::Kind::yuv, 2, 1},
                 {"yuv444p", FrameFormat::Kind::yuv, 1, 1}};
  for (const auto& layout : layouts) {
    if (!name.starts_with(layout.name)) continue;
    Text rest = name.substr(layout.name.size());
    format.kind = layout.kind;
    format.across = layout.across;
    format.down = layout.down;
    format.full = layout.kind == FrameFormat::Kind::gray;
    format.left = layout.across == 2;  // as nearly all videos have it
    if (rest.empty()) return format;
    if (!rest.ends_with("le")) return std::nullopt;
    rest.remove_suffix(2);
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), format.bits);
    if (error != std::errc() || end != rest.data() + rest.size() || format.bits < 9 || format.bits > 16)
      return std::nullopt;
    return format;
  }
  return std::nullopt;
}

bool set_matrix(FrameFormat& format, Text name) {
  static constexpr struct {
    Text name;
    double red, blue;
  } matrices[] = {{"bt601", 0.299, 0.114}, {"bt709", 0.2126, 0.0722}, {"bt2020", 0.2627, 0.0593}};
  for (const auto& matrix : matrices)
    if (name == matrix.name) {
      format.red = matrix.red;
      format.blue = matrix.blue;
      return true;
    }
  return false;
}

Picture picture_of(const FrameFormat& format, List<std::byte> frame) {
  const int step = format.bits > 8 ? 2 : 1;
  const Range light = range_of(format, false);
  if (format.kind != FrameFormat::Kind::yuv) {
    const int channels = format.kind == FrameFormat::Kind::gray ? 1 : 3;
    Picture picture = blank_for(format, channels, format.bits == 8 && format.full ? 8 : 16);
    std::vector<float> row(static_cast<size_t>(format.width));
    for (int64_t y = 0; y < format.height; ++y)
      for (int c = 0; c < channels; ++c) {
        load_codes(frame.data() + (y * format.width * channels + c) * step, format.bits, format.width, channels,
                   row.data());
        for (float& sample : row) sample = (sample - light.zero) / light.span;
        picture.store(0, y, format.width, c, row.data());
      }
    return picture;
  }
  const Range color = range_of(format, true);
  const int64_t width = format.chroma_width(), height = format.chroma_height();
  const std::byte* from = frame.data();
  const Plane luma = load_plane(from, format.width, format.height, format.bits, light);
  from += format.width * format.height * step;
  const auto chroma = [&] {
    const Plane small = load_plane(from, width, height, format.bits, color);
    from += width * height * step;
    return resampled(small, format.width, format.height, format, finer);
  };
  const Plane blues = chroma(), reds = chroma();
  Picture picture = blank_for(format, 3, 16);
  const auto kr = static_cast<float>(format.red), kb = static_cast<float>(format.blue), kg = 1 - kr - kb;
  std::vector<float> r(static_cast<size_t>(format.width)), g(r), b(r);
  for (int64_t y = 0; y < format.height; ++y) {
    const float *l = luma.row(y), *u = blues.row(y), *v = reds.row(y);
    for (int64_t x = 0; x < format.width; ++x) {
      const auto i = static_cast<size_t>(x);
      r[i] = l[x] + 2 * (1 - kr) * v[x];
      b[i] = l[x] + 2 * (1 - kb) * u[x];
      g[i] = (l[x] - kr * r[i] - kb * b[i]) / kg;
    }
    picture.store(0, y, format.width, 0, r.data());
    picture.store(0, y, format.width, 1, g.data());
    picture.store(0, y, format.width, 2, b.data());
  }
  return picture;
}

Bytes frame_of(const FrameFormat& format, const Picture& picture) {
  Bytes frame(static_cast<size_t>(format.bytes()));
  const int step = format.bits > 8 ? 2 : 1;
  const Range light = range_of(format, false);
  std::vector<float> r(static_cast<size_t>(format.width)), g(r), b(r);
  if (format.kind != FrameFormat::Kind::yuv) {
    const int channels = format.kind == FrameFormat::Kind::gray ? 1 : 3;
    for (int64_t y = 0; y < format.height; ++y)
      for (int c = 0; c < channels; ++c) {
        picture.load(0, y, format.width, c, r.data());
        for (float& sample : r) sample = sample * light.span + light.zero;
        store_codes(r.data(), format.bits, format.width, channels,
                    frame.data() + (y * format.width * channels + c) * step);
      }
    return frame;
  }
  const auto kr = static_cast<float>(format.red), kb = static_cast<float>(format.blue), kg = 1 - kr - kb;
  Plane luma(format.width, format.height), blues = luma, reds = luma;
  for (int64_t y = 0; y < format.height; ++y) {
    picture.load(0, y, format.width, 0, r.data());
    picture.load(0, y, format.width, 1, g.data());
    picture.load(0, y, format.width, 2, b.data());
    for (int64_t x = 0; x < format.width; ++x) {
      const auto i = static_cast<size_t>(x);
      const float l = kr * r[i] + kg * g[i] + kb * b[i];
      luma.row(y)[x] = l;
      blues.row(y)[x] = (b[i] - l) / (2 * (1 - kb));
      reds.row(y)[x] = (r[i] - l) / (2 * (1 - kr));
    }
  }
  std::byte* to = store_plane(luma, format.bits, light, frame.data());
  for (const Plane* plane : {&blues, &reds}) {
    Plane small = resampled(*plane, format.chroma_width(), format.chroma_height(), format, coarser);
    to = store_plane(small, format.bits, range_of(format, true), to);
  }
  return frame;
}

}  // namespace tessera::upscale
