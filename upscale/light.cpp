#include "upscale/light.h"

#include <algorithm>
#include <cmath>

namespace tessera::upscale {
namespace {

/// Calls f(sample, is alpha) for all samples of a row.
template <class F>
void each_sample(const Frame& frame, const F& f) {
  for (int64_t i = 0; i < frame.width * frame.channels; ++i)
    f(i, frame.has_alpha() && i % frame.channels + 1 == frame.channels);
}

}  // namespace

float code_light(float light) {
  return light <= 0.0031308f ? light * 12.92f : 1.055f * std::pow(light, 1 / 2.4f) - 0.055f;
}
float decode_light(float coded) {
  return coded <= 0.04045f ? coded / 12.92f : std::pow((coded + 0.055f) / 1.055f, 2.4f);
}

LightSource::LightSource(RowSource& source, const Recycler& memory)
    : source_(source), head_(source.head()), row_(allocate_rows(source.head(), 1, memory)) {
  source_.restart();
  const auto* in = reinterpret_cast<const float*>(row_.get());
  for (int64_t y = 0; y < head_.height; ++y) {
    source_.read(1, row_.get());
    each_sample(head_, [&](int64_t i, bool alpha) {
      if (!alpha && std::isfinite(in[i])) peak_ = std::max(peak_, in[i]);
    });
  }
  source_.restart();
  head_.bits = 16;
}

void LightSource::read(int64_t count, std::byte* to) {
  const auto* in = reinterpret_cast<const float*>(row_.get());
  const float white = code_light(peak_);
  for (; count > 0; --count, to += head_.row_bytes()) {
    source_.read(1, row_.get());
    auto* out = reinterpret_cast<uint16_t*>(to);
    each_sample(head_, [&](int64_t i, bool alpha) {
      const float value = std::isnan(in[i]) ? 0 : std::clamp(in[i], 0.0f, alpha ? 1.0f : peak_);
      out[i] = static_cast<uint16_t>((alpha ? value : code_light(value) / white) * 65535 + 0.5f);
    });
  }
}

void LightSink::begin(const Head& head) {
  head_ = head;
  row_.resize(static_cast<size_t>(head.width * head.channels));
  Head floats = head;
  floats.bits = 32;
  next_.begin(floats);
}

void LightSink::write(const std::byte* rows, int64_t count) {
  const float white = code_light(peak_);
  for (; count > 0; --count, rows += head_.row_bytes()) {
    const auto* in = reinterpret_cast<const uint16_t*>(rows);
    each_sample(head_, [&](int64_t i, bool alpha) {
      const float value = static_cast<float>(in[i]) / 65535;
      row_[static_cast<size_t>(i)] = alpha ? value : decode_light(value * white);
    });
    next_.write(reinterpret_cast<const std::byte*>(row_.data()), 1);
  }
}

}  // namespace tessera::upscale
