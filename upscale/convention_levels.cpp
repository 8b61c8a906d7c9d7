// Finding a model's numbers for black and white: its answers to a small picture must resemble it.
#include <algorithm>
#include <cmath>
#include <optional>

#include "runtime/base/rounding.h"
#include "upscale/convention.h"

namespace tessera::upscale {
namespace {

constexpr Levels unit{0, 1}, bytes{0, 255}, centered{-1, 1};

/// A picture that says where it is: slopes from dark to bright, in another direction for each channel,
/// and waves upon them.
double sample(double x, double y, int64_t width, int64_t height, int channel) {
  const double across = x / static_cast<double>(width), down = y / static_cast<double>(height);
  const double slope = channel == 0 ? across : channel == 1 ? down : 1 - (across + down) / 2;
  return 0.1 + 0.8 * slope + 0.08 * std::sin(x * 0.7 + channel) * std::cos(y * 0.6 - channel);
}

/// A model's answer to the test picture, and how much of it may be judged.
struct Trial {
  const Convention& convention;
  int64_t width, height;
  Tensor answer;

  double picture(int64_t x, int64_t y, int channel) const {
    const double value = sample(static_cast<double>(x), static_cast<double>(y), width, height, channel);
    return channel == 3 ? 1.0 : value;
  }

  void ask(const Upsampler& model, const Levels& levels) {
    const Tensor input = Tensor::make(convention.input(width, height));
    const View view = input.view();
    const Axes& axes = convention.in;
    const auto stride = [&](int axis) {
      return view.shape().elements(static_cast<size_t>(axis) + 1, view.shape().size());
    };
    for (int c = 0; c < convention.channels; ++c)
      for (int64_t y = 0; y < height; ++y)
        for (int64_t x = 0; x < width; ++x) {
          double value =
              static_cast<double>(levels.black) + picture(x, y, c) * static_cast<double>(levels.white - levels.black);
          if (!is_float(convention.dtype)) value = std::round(value);
          set_element(view, c * stride(axes.channel) + y * stride(axes.y) + x * stride(axes.x), value);
        }
    answer = model.run(input)[static_cast<size_t>(convention.output)];
  }

  /// Mean of the answer over the pixels that one input pixel became.
  double reduced(int64_t x, int64_t y, int channel, int64_t lost) const {
    const View view = answer.view();
    const Axes& axes = convention.out;
    const auto stride = [&](int axis) {
      return view.shape().elements(static_cast<size_t>(axis) + 1, view.shape().size());
    };
    const int64_t scale = convention.scale;
    double sum = 0;
    for (int64_t dy = 0; dy < scale; ++dy)
      for (int64_t dx = 0; dx < scale; ++dx)
        sum += element_as_double(view, channel * stride(axes.channel) + (y * scale + dy - lost) * stride(axes.y) +
                                           (x * scale + dx - lost) * stride(axes.x));
    return sum / static_cast<double>(scale * scale);
  }

  /// Mean difference between picture and answer away from the borders, in parts of white.
  double unlikeness(const Levels& levels, int64_t lost) const {
    const int64_t margin = std::min(width, height) / 4;
    const int colors = std::min(convention.out_channels, 3);
    const double span = static_cast<double>(levels.white) - static_cast<double>(levels.black);
    double sum = 0;
    int64_t count = 0;
    for (int c = 0; c < colors; ++c)
      for (int64_t y = margin; y < height - margin; ++y)
        for (int64_t x = margin; x < width - margin; ++x, ++count)
          sum += std::abs((reduced(x, y, c, lost) - static_cast<double>(levels.black)) / span -
                          picture(x, y, std::min(c, convention.channels - 1)));
    return count ? sum / static_cast<double>(count) : 1;
  }

  /// Smallest and largest number of the answer.
  std::pair<double, double> extent() const {
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0, count = answer.view().elements(); i < count; ++i) {
      const double value = element_as_double(answer.view(), i);
      low = std::min(low, value), high = std::max(high, value);
    }
    return {low, high};
  }

  /// May these levels be meant? A network outside of its range answers far outside of it too.
  bool plausible(const Levels& levels) const {
    const auto [low, high] = extent();
    const double span = static_cast<double>(levels.white) - static_cast<double>(levels.black);
    return low < high && (low - static_cast<double>(levels.black)) / span > -0.5 &&
           (high - static_cast<double>(levels.black)) / span < 1.5;
  }
};

/// Mean differences between a picture and its reduced result. Over 25 upscalers those in their own range
/// have 0.001 to 0.06, the more they sharpen or denoise the more; what is in another has 0.16 and more,
/// except where a network is nearly linear and any range will do.
constexpr double good = 0.02, passable = 0.08;

struct Guess {
  Levels in, out;
};

/// The likeliest first.
std::vector<Guess> guesses(const Convention& convention, DType out_type) {
  const auto whole = [](DType type) { return Levels{0, type == DType::uint16 ? 65535.0f : 255.0f}; };
  std::vector<Guess> all{{unit, unit},     {centered, centered}, {bytes, bytes},   {unit, bytes},    {bytes, unit},
                         {centered, unit}, {centered, bytes},    {unit, centered}, {bytes, centered}};
  if (!is_float(convention.dtype))
    all = {{whole(convention.dtype), bytes}, {whole(convention.dtype), unit}, {whole(convention.dtype), centered}};
  if (!is_float(out_type)) {
    for (Guess& guess : all) guess.out = whole(out_type);
  }
  return all;
}

/// What the file says of its pictures (the metadata of Windows' machine learning).
void read_metadata(const Upsampler& model, Convention& convention, std::optional<Levels>& levels) {
  for (const auto& [key, value] : model.metadata()) {
    if (key == "Image.BitmapPixelFormat") convention.bgr = value.starts_with("Bgr");
    if (key == "Image.ColorSpaceGamma") convention.linear = value == "Linear";
    if (key != "Image.NominalPixelRange") continue;
    if (value == "NominalRange_0_255") levels = bytes;
    if (value == "NominalRange_0_1" || value == "Normalized_0_1") levels = unit;
    if (value == "NominalRange_Minus1_1" || value == "Normalized_1_1") levels = centered;
    if (value == "NominalRange_16_235") levels = Levels{16, 235};
  }
}

std::array<Levels, 4> per_channel(const std::vector<Levels>& given) {
  std::array<Levels, 4> all;
  for (size_t c = 0; c < all.size(); ++c) all[c] = given[std::min(c, given.size() - 1)];
  return all;
}

/// Does what spoils the answer for some levels go away in a larger window? Then it is something that looks at
/// all of it, and no wrong range.
bool fades(const Upsampler& model, Trial trial, const Guess& guess, double unlike) {
  if (trial.convention.fixed_width || trial.convention.fixed_height || !std::isfinite(unlike)) return false;
  trial.width = trial.height = 4 * trial.width;
  trial.ask(model, guess.in);
  return trial.unlikeness(guess.out, trial.convention.lost_before) < unlike / 2;
}

/// The guess whose answer resembles the picture; none if there is no such, or an even answer to all.
std::optional<Guess> choose(const Upsampler& model, Trial trial, bool& even) {
  const auto ask = [&](const Levels& in) {
    trial.ask(model, in);
    const auto [low, high] = trial.extent();
    even = even && low == high;
  };
  even = true;
  ask(guesses(trial.convention, DType::float32)[0].in);
  const std::vector<Guess> all = guesses(trial.convention, trial.answer.type.dtype);
  Levels asked = all[0].in;
  std::optional<Guess> second;
  double first = INFINITY;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].in != asked) ask(asked = all[i].in);
    const double unlike = trial.unlikeness(all[i].out, trial.convention.lost_before);
    if (i == 0) first = unlike;
    if (!trial.plausible(all[i].out)) continue;
    if (unlike <= passable && !second) second = all[i];
    // A network that is nearly linear resembles a picture in any range: another one must be clearly better.
    if (!(unlike <= good) || (i > 0 && unlike > 0.6 * first)) continue;
    return i > 0 && fades(model, trial, all[0], first) ? all[0] : all[i];
  }
  return second;
}

/// A result that is larger than a whole multiple: which of its borders is to be cut off?
void find_surplus(const Upsampler& model, Trial trial, Convention& convention) {
  const int64_t surplus = convention.lost_before + convention.lost_after;
  if (surplus >= 0) return;
  trial.ask(model, convention.in_levels[0]);
  double least = INFINITY;
  for (int64_t distance = 0; distance <= -surplus; ++distance) {
    // The middle first, then to both sides of it.
    const int64_t lost = floor_div(surplus, 2) + (distance % 2 ? 1 : -1) * ((distance + 1) / 2);
    if (lost < surplus || lost > 0) continue;
    const double unlike = trial.unlikeness(convention.out_levels[0], lost);
    if (unlike >= least) continue;
    least = unlike;
    convention.lost_before = lost;
    convention.lost_after = surplus - lost;
  }
}

}  // namespace

void find_levels(const Upsampler& model, const ConventionOptions& options, Convention& convention) {
  const int64_t lost = std::max<int64_t>(0, convention.lost_before + convention.lost_after);
  const int64_t side =
      round_up(std::max(36 + 2 * (2 * lost / convention.scale + 2), convention.smallest), convention.multiple);
  const Trial trial{convention,
                    convention.fixed_width ? convention.fixed_width : side,
                    convention.fixed_height ? convention.fixed_height : side,
                    {}};
  std::optional<Levels> said;
  read_metadata(model, convention, said);
  if (options.order_known) convention.bgr = options.bgr;
  std::vector<Levels> in = options.in, out = options.out;
  if (in.empty() && said) in = {*said};
  if (in.empty()) {
    bool even = false;
    const std::optional<Guess> found = choose(model, trial, even);
    if (even)
      fail(Error::Kind::device, "the model gives one even color for a picture that has many: it, or the device, fails");
    if (!found)
      fail(Error::Kind::unsupported,
           "cannot tell the model's numbers for black and white: its answers to a test picture resemble it neither "
           "for 0..1 nor -1..1 nor 0..255; say them with --range BLACK:WHITE");
    in = {found->in};
    if (out.empty()) out = {found->out};
  }
  convention.in_levels = per_channel(in);
  convention.out_levels = per_channel(out.empty() ? in : out);
  find_surplus(model, trial, convention);
}

}  // namespace tessera::upscale
