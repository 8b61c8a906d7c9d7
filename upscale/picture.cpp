// Samples of a Picture: access as floats, turning, filling under transparency.
#include "upscale/picture.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <type_traits>

namespace tessera::upscale {
namespace {

template <class T>
const T* typed(const std::byte* bytes) {
  return reinterpret_cast<const T*>(bytes);
}
template <class T>
T* typed(std::byte* bytes) {
  return reinterpret_cast<T*>(bytes);
}

/// Calls f with a sample of the picture's type.
template <class F>
void by_bits(const Frame& frame, F&& f) {
  if (frame.bits == 32)
    f(float{});
  else if (frame.bits == 16)
    f(uint16_t{});
  else
    f(uint8_t{});
}

/// What a pixel's color counts among others. Below `visible_alpha` so little that it makes no rim around what can be
/// seen; what shows of the pixel itself changes by 0.4 of `visible_alpha` at most.
float weight_of(float alpha) { return alpha < visible_alpha ? alpha * alpha / visible_alpha : alpha; }

/// One level of the pyramid that fill_hidden_colors descends.
struct Level {
  int64_t width, height;
  std::vector<float> values;  ///< per pixel: weight, then color times weight
};

}  // namespace

void Picture::allocate() {
  int64_t bytes = 0;
  if (width <= 0 || height <= 0 || __builtin_mul_overflow(width, height, &bytes) ||
      __builtin_mul_overflow(bytes, int64_t{channels} * (bits / 8), &bytes))
    fail(Error::Kind::memory, "a picture of ", width, "x", height, " pixels is too large");
  try {
    samples.assign(static_cast<size_t>(bytes), std::byte{0});
  } catch (const std::bad_alloc&) {
    fail(Error::Kind::memory, "no memory for a picture of ", width, "x", height, " pixels (", bytes, " bytes)");
  }
}

void Rows::load(int64_t x, int64_t y, int64_t count, int c, float* out) const {
  const float unit = 1.0f / limit();
  by_bits(*this, [&]<class T>(T) {
    const T* in = typed<T>(row(y)) + x * channels + c;
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i * channels]) * unit;
  });
}

void Rows::store(int64_t x, int64_t y, int64_t count, int c, const float* in) {
  const float top = limit();
  by_bits(*this, [&]<class T>(T) {
    T* out = typed<T>(row(y)) + x * channels + c;
    for (int64_t i = 0; i < count; ++i)
      if constexpr (std::is_same_v<T, float>)
        out[i * channels] = in[i];
      else
        out[i * channels] = static_cast<T>(std::min(std::max(in[i] * top, 0.0f), top) + 0.5f);
  });
}

std::pair<float, float> Rows::range(int c, int64_t first, int64_t end) const {
  float low = 1, high = 0;
  if (first >= end) return {low, high};
  by_bits(*this, [&]<class T>(T) {
    T least = typed<T>(row(first))[c], most = least;
    for (int64_t y = first; y < end; ++y) {
      const T* in = typed<T>(row(y)) + c;
      for (int64_t x = 0; x < width; ++x) {
        least = std::min(least, in[x * channels]);
        most = std::max(most, in[x * channels]);
      }
    }
    low = static_cast<float>(least) / limit();
    high = static_cast<float>(most) / limit();
  });
  return {low, high};
}

void orient(Picture& picture, int orientation) {
  if (orientation < 2 || orientation > 8) return;
  const bool swap = orientation >= 5;
  // The source pixel of (x, y): mirrored along either axis after an optional exchange of axes.
  const bool mirror_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirror_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Picture turned;
  turned.width = swap ? picture.height : picture.width;
  turned.height = swap ? picture.width : picture.height;
  turned.channels = picture.channels;
  turned.bits = picture.bits;
  turned.allocate();
  const int bytes = picture.channels * (picture.bits / 8);
  const auto pixel = static_cast<size_t>(bytes);
  for (int64_t y = 0; y < turned.height; ++y) {
    std::byte* out = turned.row(y);
    for (int64_t x = 0; x < turned.width; ++x, out += pixel) {
      int64_t from_x = swap ? y : x, from_y = swap ? x : y;
      if (mirror_x) from_x = picture.width - 1 - from_x;
      if (mirror_y) from_y = picture.height - 1 - from_y;
      std::memcpy(out, picture.row(from_y) + from_x * static_cast<int64_t>(pixel), pixel);
    }
  }
  picture.width = turned.width;
  picture.height = turned.height;
  picture.samples.swap(turned.samples);
}

void reduce_to_8_bits(const std::byte* in, int64_t samples, std::byte* out) {
  const auto* wide = typed<uint16_t>(in);
  for (int64_t i = 0; i < samples; ++i) out[i] = static_cast<std::byte>((wide[i] * 255u + 32767u) / 65535u);
}

void reduce_to_8_bits(Picture& picture) {
  if (picture.bits == 8) return;
  const int64_t count = picture.width * picture.height * picture.channels;
  Bytes small(static_cast<size_t>(count));
  reduce_to_8_bits(picture.samples.data(), count, small.data());
  picture.samples.swap(small);
  picture.bits = 8;
}

void fill_hidden_colors(Picture& picture) {
  if (!picture.has_alpha() || picture.range(picture.channels - 1).first >= visible_alpha) return;
  const int colors = picture.color_channels(), stride = colors + 1;
  const auto at = [stride](const Level& level, int64_t x, int64_t y) {
    return static_cast<size_t>((y * level.width + x) * stride);
  };
  std::vector<Level> levels;
  levels.push_back({picture.width, picture.height, {}});
  levels[0].values.resize(static_cast<size_t>(picture.width * picture.height * stride));
  std::vector<float> line(static_cast<size_t>(picture.width)), alpha(line);
  for (int64_t y = 0; y < picture.height; ++y) {
    picture.load(0, y, picture.width, colors, alpha.data());
    for (int c = 0; c <= colors; ++c) {
      if (c) picture.load(0, y, picture.width, c - 1, line.data());
      for (int64_t x = 0; x < picture.width; ++x)
        levels[0].values[at(levels[0], x, y) + static_cast<size_t>(c)] =
            weight_of(alpha[static_cast<size_t>(x)]) * (c ? line[static_cast<size_t>(x)] : 1.0f);
    }
  }
  while (levels.back().width > 1 || levels.back().height > 1) {
    const Level& fine = levels.back();
    Level coarse{(fine.width + 1) / 2, (fine.height + 1) / 2, {}};
    coarse.values.resize(static_cast<size_t>(coarse.width * coarse.height * stride));
    for (int64_t y = 0; y < fine.height; ++y)
      for (int64_t x = 0; x < fine.width; ++x)
        for (size_t c = 0; c < static_cast<size_t>(stride); ++c)
          coarse.values[at(coarse, x / 2, y / 2) + c] += 0.25f * fine.values[at(fine, x, y) + c];
    levels.push_back(std::move(coarse));
  }
  // Downwards, what a place lacks in weight it takes from the surroundings, with their color.
  for (size_t i = levels.size() - 1; i-- > 0;) {
    Level& fine = levels[i];
    const Level& coarse = levels[i + 1];
    for (int64_t y = 0; y < fine.height; ++y)
      for (int64_t x = 0; x < fine.width; ++x) {
        float* own = fine.values.data() + at(fine, x, y);
        const float* around = coarse.values.data() + at(coarse, x / 2, y / 2);
        if (own[0] >= visible_alpha || around[0] <= 0) continue;
        const float part = (visible_alpha - own[0]) / around[0];
        for (int c = 0; c < stride; ++c) own[c] += part * around[c];
      }
  }
  for (int64_t y = 0; y < picture.height; ++y) {
    picture.load(0, y, picture.width, colors, alpha.data());
    for (int64_t x = 0; x < picture.width; ++x) {
      const float* value = levels[0].values.data() + at(levels[0], x, y);
      if (alpha[static_cast<size_t>(x)] >= visible_alpha || value[0] <= 0) continue;
      for (int c = 0; c < colors; ++c) {
        const float color = value[c + 1] / value[0];
        picture.store(x, y, 1, c, &color);
      }
    }
  }
}

}  // namespace tessera::upscale
