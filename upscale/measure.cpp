// Reach by trying, for graphs that cannot be followed.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>

#include "runtime/base/rounding.h"
#include "upscale/reach.h"

namespace tessera::upscale {
namespace {

constexpr float threshold = 0.5f / 255;

/// Noise over a plane that goes on forever, and a model's answers to parts of it.
class Trial {
 public:
  Trial(const Upsampler& model, const Convention& convention, int64_t width, int64_t height)
      : model_(model), convention_(convention), width_(width), height_(height) {}

  /// The model's answer to the noise from `x`, `y` on. Outside of the inner box it is another noise, if so asked.
  Tensor answer(int64_t x, int64_t y, int64_t border = 0) const {
    const Type type = convention_.input(width_, height_);
    const Tensor input = Tensor::make(type);
    const View view = input.view();
    const Strides strides(type.shape, convention_.in);
    for (int64_t row = 0; row < height_; ++row)
      for (int64_t column = 0; column < width_; ++column) {
        const bool inner = std::min({row, column, height_ - 1 - row, width_ - 1 - column}) >= border;
        for (int c = 0; c < convention_.channels; ++c)
          set_element(view, strides.at(c, row, column),
                      level(convention_.in_levels[at(c)], 0.25f + noise(column + x, row + y, c, inner) / 2));
      }
    return model_.run(input)[at(convention_.output)];
  }

  /// Calls visit(input pixels to the nearest border, |a - b|) for every output pixel that both have, where
  /// b's pixels lie `shift` input pixels further to the left and to the top.
  template <class Visit>
  void compare(const Tensor& a, const Tensor& b, int64_t shift, const Visit& visit) const {
    const Shape& shape = a.type.shape;
    const Strides strides(shape, convention_.out);
    const int64_t scale = convention_.scale, lost = convention_.lost_before;
    const int64_t height = shape[at(convention_.out.y)], width = shape[at(convention_.out.x)];
    for (int64_t row = shift * scale; row < height; ++row)
      for (int64_t column = shift * scale; column < width; ++column) {
        const int64_t y = (row + lost) / scale - shift, x = (column + lost) / scale - shift;
        const int64_t border = std::min({y, x, height_ - 1 - shift - y, width_ - 1 - shift - x});
        float difference = 0;
        for (int c = 0; c < convention_.out_channels; ++c) {
          const auto value = [&](const Tensor& from, int64_t back) {
            const Levels& levels = convention_.out_levels[at(c)];
            const auto number =
                static_cast<float>(element_as_double(from.view(), strides.at(c, row - back, column - back)));
            return std::clamp((number - levels.black) / (levels.white - levels.black), 0.0f, 1.0f);  // as it is stored
          };
          difference = std::max(difference, std::abs(value(a, 0) - value(b, shift * scale)));
        }
        visit(border, difference);
      }
  }

 private:
  static size_t at(int axis) { return static_cast<size_t>(axis); }

  static double level(const Levels& levels, float value) {
    return static_cast<double>(levels.black + value * (levels.white - levels.black));
  }

  static float noise(int64_t x, int64_t y, int64_t channel, bool inner) {
    uint64_t bits = static_cast<uint64_t>(x + 4096) * 0x9E3779B97F4A7C15u ^
                    static_cast<uint64_t>(y + 4096) * 0xC2B2AE3D27D4EB4Fu ^
                    static_cast<uint64_t>(2 * channel + inner) * 0x165667B19E3779F9u;
    bits = (bits ^ bits >> 29) * 0xBF58476D1CE4E5B9u;
    bits = (bits ^ bits >> 32) * 0x94D049BB133111EBu;
    return static_cast<float>(bits >> 40) / static_cast<float>(1 << 24);
  }

  const Upsampler& model_;
  const Convention& convention_;
  int64_t width_, height_;
};

/// With windows of one size. Throws where there is no memory for them.
Reach measure_at(const Upsampler& model, const Convention& convention, int64_t width, int64_t height) {
  const int64_t smaller = std::min(width, height), border = smaller / 4;
  const Trial trial(model, convention, width, height);
  Reach reach;
  reach.followed = false;
  reach.measured = true;
  const Tensor plain = trial.answer(0, 0);
  // How far into the box that is the same do the differences around it reach?
  trial.compare(plain, trial.answer(0, 0, border), 0, [&](int64_t from_border, float difference) {
    if (difference > threshold) reach.radius = std::max(reach.radius, from_border - border + 1);
  });
  if (reach.radius >= smaller / 2 - border - 2) {
    reach.global = true;
    reach.radius = border;
    return reach;
  }
  // By how much may a window move, so that it differs near its borders only? How near says more of the radius:
  // a border may change more than other pixels behind it do.
  for (const int64_t step : {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64}) {
    const int64_t inside = (smaller - step) / 2 - 4;
    if (step % convention.multiple || inside < reach.radius) continue;
    int64_t near = 0;
    trial.compare(plain, trial.answer(step, step), step, [&](int64_t from_border, float difference) {
      if (difference > threshold) near = std::max(near, from_border + 1);
    });
    if (near > std::min(inside, 2 * reach.radius + 8)) continue;
    reach.radius = std::max(reach.radius, near);
    reach.lattice = step;
    return reach;
  }
  reach.global = true;  // where a pixel lies matters
  return reach;
}

}  // namespace

Reach measure_radius(const Upsampler& model, const Convention& convention, const Reach& walked, int64_t most) {
  const int64_t size =
      round_up(std::max(4 * most, convention.smallest), std::lcm(convention.multiple, walked.multiple));
  const int64_t width = convention.fixed_width ? convention.fixed_width : size;
  const int64_t height = convention.fixed_height ? convention.fixed_height : size;
  const int64_t border = std::min(width, height) / 4;
  const Trial trial(model, convention, width, height);
  Reach reach = walked;
  int64_t radius = 0;
  try {
    trial.compare(trial.answer(0, 0), trial.answer(0, 0, border), 0, [&](int64_t from_border, float difference) {
      if (difference > threshold) radius = std::max(radius, from_border - border + 1);
    });
  } catch (const std::bad_alloc&) {
    return reach;
  } catch (const Error& error) {
    if (error.kind() != Error::Kind::memory) throw;
    return reach;
  }
  // Near the middle there is too little left to tell; and other pictures may reach a little further.
  if (radius >= border - 2) return reach;
  reach.radius = std::min(walked.radius, radius + radius / 4 + 1);
  reach.measured = true;
  return reach;
}

Reach measure(const Upsampler& model, const Convention& convention) {
  int64_t size = 0;
  for (int64_t side = 144; side >= 32; side /= 2) {
    size = round_up(std::max(side, convention.smallest), convention.multiple);
    try {
      return measure_at(model, convention, convention.fixed_width ? convention.fixed_width : size,
                        convention.fixed_height ? convention.fixed_height : size);
    } catch (const std::bad_alloc&) {
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::memory) throw;
    }
  }
  fail(Error::Kind::memory, "not enough memory even for windows of ", size, "x", size);
}

}  // namespace tessera::upscale
