#include "upscale/codecs/tone.h"

#include <algorithm>
#include <cmath>

#include "upscale/light.h"

namespace tessera::upscale {
namespace {

constexpr int pq = 16, hlg = 18;  // by the numbers of H.273, as are primaries
/// Candelas per square metre: of white, and of the brightest light where nothing tells (BT.2408).
constexpr double white = 203, usual_peak = 1000;
constexpr size_t steps = 4096;

/// SMPTE ST 2084.
constexpr double m1 = 2610.0 / 16384, m2 = 2523.0 / 32, c1 = 3424.0 / 4096, c2 = 2413.0 / 128, c3 = 2392.0 / 128;
double pq_light(double code) {
  const double power = std::pow(code, 1 / m2);
  return 10000 * std::pow(std::max(power - c1, 0.0) / (c2 - c3 * power), 1 / m1);
}
double pq_code(double light) {
  const double power = std::pow(light / 10000, m1);
  return std::pow((c1 + c2 * power) / (1 + c3 * power), m2);
}
/// BT.2100, of the scene.
double hlg_light(double code) {
  constexpr double a = 0.17883277, b = 0.28466892, c = 0.55991073;
  return code <= 0.5 ? code * code / 3 : (std::exp((code - c) / a) + b) / 12;
}

/// BT.2390: up to a knee what it was, then a curve that ends in white.
double dimmed(double light, double peak) {
  const double all = pq_code(peak), most = pq_code(white) / all, knee = 1.5 * most - 0.5;
  const double code = std::min(pq_code(light) / all, 1.0);
  if (code < knee) return light;
  const double t = (code - knee) / (1 - knee), t2 = t * t, t3 = t2 * t;
  return pq_light(((2 * t3 - 3 * t2 + 1) * knee + (t3 - 2 * t2 + t) * (1 - knee) + (3 * t2 - 2 * t3) * most) * all);
}

constexpr float from_bt2020[] = {1.6605f, -0.5876f, -0.0728f, -0.1246f, 1.1329f, -0.0083f, -0.0182f, -0.1006f, 1.1187f};
constexpr float from_p3[] = {1.2249f, -0.2247f, 0, -0.0420f, 1.0419f, 0, -0.0197f, -0.0786f, 1.0979f};
constexpr float srgb_luma[] = {0.2126f, 0.7152f, 0.0722f};

/// What PNG's chunks say of the brightest light; 0: nothing.
double told_peak(const Colorimetry& color) {
  const auto number = [](const Bytes& bytes, size_t at) {
    double value = 0;
    for (size_t i = 0; i < 4; ++i) value = value * 256 + std::to_integer<int>(bytes[at + i]);
    return value / 10000;
  };
  if (color.light.size() >= 4 && number(color.light, 0) > 0) return number(color.light, 0);
  return color.mastering.size() >= 20 ? number(color.mastering, 16) : 0;
}

/// Between the entries of a table over 0..1.
float between(const std::vector<float>& table, float at) {
  const float place = std::clamp(at, 0.0f, 1.0f) * static_cast<float>(steps);
  const auto index = std::min(static_cast<size_t>(place), steps - 1);
  return table[index] + (place - static_cast<float>(index)) * (table[index + 1] - table[index]);
}

}  // namespace

std::optional<ToneMapper> ToneMapper::of(const Head& head) {
  if (head.color.cicp.size() != 4 || !head.icc.empty() || head.bits == 32) return std::nullopt;
  const int curve = std::to_integer<int>(head.color.cicp[1]);
  if (curve != pq && curve != hlg) return std::nullopt;
  return ToneMapper(head);
}

ToneMapper::ToneMapper(const Head& head)
    : from_(head), mapped_(head), hlg_(std::to_integer<int>(head.color.cicp[1]) == hlg) {
  mapped_.bits = 16;
  const int primaries = std::to_integer<int>(head.color.cicp[0]);
  to_srgb_ = primaries == 9 ? from_bt2020 : primaries == 12 ? from_p3 : nullptr;
  const double told = told_peak(head.color);
  const double peak = std::clamp(told > 0 && !hlg_ ? told : usual_peak, white + 1, 10000.0);
  peak_ = static_cast<float>(peak / white);
  for (int code = 0; code < 65536; ++code) {
    const double part = code / 65535.0;
    light_.push_back(static_cast<float>(hlg_ ? hlg_light(part) : pq_light(part) / white));
  }
  for (size_t i = 0; i <= steps; ++i) {
    const double part = static_cast<double>(i) / steps, light = part * part * peak;
    gains_.push_back(static_cast<float>(i ? dimmed(light, peak) / light : 1));
    coded_.push_back(code_light(static_cast<float>(part)));
  }
}

/// Samples of three channels, as parts of the most, to those of sRGB.
void ToneMapper::map(const float* coded, float* color) const {
  float light[3];
  for (int c = 0; c < 3; ++c) light[c] = light_[static_cast<size_t>(coded[c] * 65535 + 0.5f)];
  if (hlg_) {  // from the scene to what is shown
    const float luminance = 0.2627f * light[0] + 0.6780f * light[1] + 0.0593f * light[2];
    const float gain = luminance > 0 ? peak_ * std::pow(luminance, 0.2f) : 0;
    for (float& l : light) l *= gain;
  }
  const float brightest = std::max({light[0], light[1], light[2]});
  const float gain = between(gains_, std::sqrt(brightest / peak_));
  for (float& l : light) l = std::min(l * gain, 1.0f);
  float mixed[3] = {light[0], light[1], light[2]};
  for (int c = 0; to_srgb_ && c < 3; ++c)
    mixed[c] = to_srgb_[3 * c] * light[0] + to_srgb_[3 * c + 1] * light[1] + to_srgb_[3 * c + 2] * light[2];
  // What sRGB does not have comes nearer to gray until it has.
  const float gray =
      std::clamp(srgb_luma[0] * mixed[0] + srgb_luma[1] * mixed[1] + srgb_luma[2] * mixed[2], 0.0f, 1.0f);
  const auto [low, high] = std::minmax({mixed[0], mixed[1], mixed[2]});
  float part = 1;
  if (low < 0) part = std::min(part, gray / (gray - low));
  if (high > 1) part = std::min(part, (1 - gray) / (high - gray));
  for (int c = 0; c < 3; ++c) color[c] = between(coded_, gray + (mixed[c] - gray) * part);
}

void ToneMapper::run(const std::byte* in, int64_t rows, std::byte* out) const {
  const Rows from(from_, const_cast<std::byte*>(in), rows);  // only read
  Rows to(mapped_, out, rows);
  const int channels = from_.channels, colors = from_.color_channels();
  const auto width = static_cast<size_t>(from_.width);
  std::vector<std::vector<float>> planes(4, std::vector<float>(width));
  for (int64_t y = 0; y < rows; ++y) {
    for (int c = 0; c < channels; ++c) from.load(0, y, from_.width, c, planes[static_cast<size_t>(c)].data());
    for (size_t x = 0; x < width; ++x) {
      const float coded[] = {planes[0][x], planes[colors > 1 ? 1 : 0][x], planes[colors > 1 ? 2 : 0][x]};
      float color[3];
      map(coded, color);
      for (int c = 0; c < colors; ++c) planes[static_cast<size_t>(c)][x] = color[c];
    }
    for (int c = 0; c < channels; ++c) to.store(0, y, from_.width, c, planes[static_cast<size_t>(c)].data());
  }
}

}  // namespace tessera::upscale
