// One window through the model: planes of floats to the tensor that the model wants, and back.
#include <algorithm>
#include <cmath>

#include "upscale/light.h"
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

template <class T>
void write_plane(T* out, const Strides& strides, const float* in, int64_t width, int64_t height, const Levels& levels) {
  const float span = levels.white - levels.black;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const float value = in[y * width + x] * span + levels.black;
      T& to = out[y * strides.y + x * strides.x];
      if constexpr (std::is_integral_v<T>)
        to = static_cast<T>(std::clamp(value, 0.0f, static_cast<float>(std::numeric_limits<T>::max())) + 0.5f);
      else
        to = static_cast<T>(value);
    }
}

template <class T>
void read_plane(const T* in, const Strides& strides, float* out, int64_t width, int64_t height, const Levels& levels) {
  const float unit = 1 / (levels.white - levels.black);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      out[y * width + x] = (static_cast<float>(in[y * strides.y + x * strides.x]) - levels.black) * unit;
}

/// The 8 symmetries of a square: bit 0 mirrors left and right, bit 1 top and bottom, bit 2 exchanges
/// the axes first.
void turn(const float* in, int64_t channels, int64_t width, int64_t height, int symmetry, float* out) {
  const bool swap = symmetry & 4;
  const int64_t to_width = swap ? height : width, to_height = swap ? width : height;
  for (int64_t c = 0; c < channels; ++c, in += width * height, out += width * height)
    for (int64_t y = 0; y < to_height; ++y)
      for (int64_t x = 0; x < to_width; ++x) {
        const int64_t tx = symmetry & 1 ? to_width - 1 - x : x, ty = symmetry & 2 ? to_height - 1 - y : y;
        out[y * to_width + x] = swap ? in[tx * width + ty] : in[ty * width + tx];
      }
}

/// The symmetry that undoes another.
int inverse(int symmetry) {
  if (!(symmetry & 4)) return symmetry;
  return 4 | (symmetry & 1) << 1 | (symmetry & 2) >> 1;
}

/// From gamma-coded samples (sRGB) to numbers proportional to light, and back.
void to_light(std::vector<float>& samples) {
  for (float& v : samples) v = decode_light(v);
}
void from_light(std::vector<float>& samples) {
  for (float& v : samples) v = code_light(v);
}

void require_finite(const std::vector<float>& values) {
  for (const float value : values)
    if (!std::isfinite(value))
      fail(Error::Kind::device, "the model gave values that are not numbers; nothing was written");
}

}  // namespace

Tiler::Answer Tiler::answer(const Hand& hand, const Rows& picture, Group group, const Ends& ends, const Region& window,
                            const Told* told, const Progress& progress) const {
  if (ends) return run_pixels(hand, picture, group, *ends, window, progress);
  std::vector<float> in(static_cast<size_t>(convention_.channels * window.width * window.height));
  fetch(picture, group, window, in.data());
  const AxisRules across = rules(true, false), down = rules(false, false);
  Answer answer;
  answer.width = window.width * convention_.scale - across.lost_before - across.lost_after;
  answer.height = window.height * convention_.scale - down.lost_before - down.lost_after;
  answer.samples = convention_.out_channels;
  const std::vector<Tensor> given = told ? this->given(*told, window) : std::vector<Tensor>{};
  run_window(told ? *told->last : hand.model(), in.data(), window.width, window.height, given, answer.planes, progress);
  return answer;
}

std::vector<float> Tiler::Answer::part(const Region& region) const {
  std::vector<float> kept(static_cast<size_t>(samples * region.width * region.height));
  for (int64_t c = 0; c < samples; ++c)
    for (int64_t row = 0; row < region.height; ++row)
      std::copy_n(planes.data() + (c * height + region.y + row) * width + region.x, region.width,
                  kept.data() + (c * region.height + row) * region.width);
  require_finite(kept);
  return kept;
}

int64_t Tiler::place(int64_t channel, int64_t channels) const {
  return convention_.bgr && channels > 1 && channel < 3 ? 2 - channel : channel;
}

Tensor Tiler::model_input(const float* planes, int64_t width, int64_t height) const {
  Tensor input = Tensor::make(convention_.input(width, height));
  const Strides in(input.type.shape, convention_.in);
  std::vector<float> light;
  if (convention_.linear) {
    light.assign(planes, planes + convention_.channels * width * height);
    to_light(light);
    planes = light.data();
  }
  visit(input.type.dtype, [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>)
      for (int64_t c = 0; c < convention_.channels; ++c)
        write_plane(input.as<T>() + place(c, convention_.channels) * in.channel, in, planes + c * width * height, width,
                    height, convention_.in_levels[static_cast<size_t>(c)]);
  });
  return input;
}

void Tiler::run_model(const Upsampler& model, const float* planes, int64_t width, int64_t height, List<Tensor> given,
                      std::vector<float>& out, const Progress& progress) const {
  const Tensor input = model_input(planes, width, height);
  const std::vector<Tensor> results = given.empty() ? model.run_watched(input, progress) : model.run_part(input, given);
  const Tensor& output = results[static_cast<size_t>(convention_.output)];
  const Shape& shape = output.type.shape;
  const auto extent = [&](int axis) { return axis < shape.rank() ? shape[static_cast<size_t>(axis)] : int64_t{0}; };
  const int64_t lost = convention_.lost_before + convention_.lost_after;
  const int64_t out_width = width * convention_.scale - lost, out_height = height * convention_.scale - lost;
  if (extent(convention_.out.channel) != convention_.out_channels || extent(convention_.out.y) != out_height ||
      extent(convention_.out.x) != out_width)
    fail(Error::Kind::shape, "the model gave ", output.type, " for a window of ", width, "x", height);
  const Strides strides(shape, convention_.out);
  out.resize(static_cast<size_t>(convention_.out_channels * out_width * out_height));
  visit(output.type.dtype, [&]<class T>() {
    for (int64_t c = 0; c < convention_.out_channels; ++c)
      read_plane(output.as<T>() + place(c, convention_.out_channels) * strides.channel, strides,
                 out.data() + c * out_width * out_height, out_width, out_height,
                 convention_.out_levels[static_cast<size_t>(c)]);
  });
  if (convention_.linear) from_light(out);
}

void Tiler::run_window(const Upsampler& model, const float* planes, int64_t width, int64_t height, List<Tensor> given,
                       std::vector<float>& out, const Progress& progress) const {
  if (!options_.test_time_augmentation) {
    run_model(model, planes, width, height, given, out, progress);
    return progress(1);
  }
  const int64_t channels = convention_.out_channels, scale = convention_.scale;
  const int64_t lost = std::max(convention_.lost_before, convention_.lost_after);
  const int64_t crop = lost - convention_.lost_before;
  const int64_t whole_width = width * scale - convention_.lost_before - convention_.lost_after;
  const int64_t whole_height = height * scale - convention_.lost_before - convention_.lost_after;
  const int64_t out_width = width * scale - 2 * lost, out_height = height * scale - 2 * lost;
  std::vector<float> turned(static_cast<size_t>(convention_.channels * width * height)), result, cropped, back;
  out.assign(static_cast<size_t>(channels * out_width * out_height), 0.0f);
  cropped.resize(out.size());
  back.resize(out.size());
  const bool square = width == height || !(convention_.fixed_width || convention_.fixed_height);
  const int symmetries = square ? 8 : 4;
  for (int symmetry = 0; symmetry < symmetries; ++symmetry) {
    const bool swap = symmetry & 4;
    turn(planes, convention_.channels, width, height, symmetry, turned.data());
    run_model(model, turned.data(), swap ? height : width, swap ? width : height, {}, result,
              [&](double part) { progress((symmetry + part) / symmetries); });
    const int64_t from_width = swap ? whole_height : whole_width, from_height = swap ? whole_width : whole_height;
    const int64_t to_width = swap ? out_height : out_width, to_height = swap ? out_width : out_height;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t y = 0; y < to_height; ++y)
        std::copy_n(result.data() + (c * from_height + y + crop) * from_width + crop, to_width,
                    cropped.data() + (c * to_height + y) * to_width);
    turn(cropped.data(), channels, to_width, to_height, inverse(symmetry), back.data());
    for (size_t i = 0; i < out.size(); ++i) out[i] += back[i] / static_cast<float>(symmetries);
    progress((symmetry + 1.0) / symmetries);
  }
}

}  // namespace tessera::upscale
