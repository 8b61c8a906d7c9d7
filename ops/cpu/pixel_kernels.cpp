// Pixels to planes and back: the ends of an upscaler (see ops/pixels.h).
#include <algorithm>
#include <cstring>

#include "ops/cpu/kernel.h"
#include "ops/pixels.h"

namespace tessera::cpu {
namespace {

using ops::most_samples;

constexpr int64_t grain = 1 << 14;  // pixels that are worth a thread

// What a sample of 8 bits becomes in each channel is looked up; one of 16 bits is computed.
template <class T>
void to_planes(const Args& args, Threads& threads) noexcept {
  constexpr bool looks_up = sizeof(T) == 1;
  constexpr float unit = 1.0f / static_cast<float>(std::numeric_limits<T>::max());
  const ops::ToPlanes to(args);
  const Shape& shape = args.in[0].shape();
  const int64_t count = shape[0] * shape[1], samples = shape[2];
  const T* in = args.in[0].as<const T>();
  float table[most_samples][256];
  if constexpr (looks_up)
    for (size_t c = 0; c < to.from.size(); ++c)
      for (int sample = 0; sample < 256; ++sample) table[c][sample] = to.number(c, static_cast<float>(sample) * unit);
  threads.parallel(count, grain, [&](int64_t begin, int64_t end, int) {
    for (size_t c = 0; c < to.from.size(); ++c) {
      float* out = args.out[0].as<float>() + static_cast<int64_t>(c) * count;
      const T* from = in + to.from[c];
      if (to.from[c] < 0)
        std::fill(out + begin, out + end, to.number(c, 1.0f));
      else if constexpr (looks_up)
        for (int64_t i = begin; i < end; ++i) out[i] = table[c][from[i * samples]];
      else
        for (int64_t i = begin; i < end; ++i) out[i] = to.number(c, static_cast<float>(from[i * samples]) * unit);
    }
  });
}

void run_to_planes(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  args.in[0].type.dtype == DType::uint8 ? to_planes<uint8_t>(args, threads) : to_planes<uint16_t>(args, threads);
}

// What is known of one sample of the pixels that one thread saw, in lanes side by side.
struct Facts {
  static constexpr int lanes = 8;
  using Lanes [[gnu::vector_size(lanes * sizeof(float)), gnu::aligned(alignof(float))]] = float;
  int64_t not_finite = 0;
  Lanes least = Lanes{} + std::numeric_limits<float>::infinity();
  Lanes most = Lanes{} - std::numeric_limits<float>::infinity();

  void add(const float* values, int64_t count) {
    int32_t finite = 0;
    for (int64_t i = 0; i < count; ++i) finite += std::abs(values[i]) <= std::numeric_limits<float>::max();
    not_finite += count - finite;
    const int64_t whole = count / lanes * lanes;
    Lanes several;
    for (int64_t i = 0; i < whole; i += lanes) {
      std::memcpy(&several, values + i, sizeof several);
      least = several < least ? several : least;
      most = several > most ? several : most;
    }
    for (int64_t i = whole; i < count; ++i) {
      least[0] = values[i] < least[0] ? values[i] : least[0];
      most[0] = values[i] > most[0] ? values[i] : most[0];
    }
  }
  void join(const Facts& other) {
    not_finite += other.not_finite;
    for (int lane = 0; lane < lanes; ++lane) {
      const float low = other.least[lane], high = other.most[lane];
      least[0] = std::min<float>(least[0], low);
      most[0] = std::max<float>(most[0], high);
    }
  }
};

constexpr int64_t run_length = 512;  // pixels that are converted at once

// Some of the pixels, from `begin` on: the values of one sample.
void values_of(const ops::ToPixels& to, const float* planes, int64_t plane, size_t sample, int64_t begin, int64_t count,
               float* values) {
  const auto convert = [&](size_t k, float* out) {
    const float* in = planes + to.from[k] * plane + begin;
    const float black = to.black[static_cast<size_t>(to.from[k])], unit = to.unit[static_cast<size_t>(to.from[k])];
    for (int64_t i = 0; i < count; ++i) out[i] = (in[i] - black) * unit;
  };
  if (!to.gray || sample > 0) return convert(to.gray ? sample + 2 : sample, values);
  float others[2][run_length];
  convert(0, values);
  convert(1, others[0]);
  convert(2, others[1]);
  for (int64_t i = 0; i < count; ++i) values[i] = (values[i] + others[0][i] + others[1][i]) / 3;
}

template <class T, size_t samples>
void interleave(const T (*from)[run_length], int64_t count, T* out) {
  for (int64_t i = 0; i < count; ++i)
    for (size_t s = 0; s < samples; ++s) out[static_cast<size_t>(i) * samples + s] = from[s][i];
}

template <class T>
void to_pixels(const Args& args, Threads& threads) noexcept {
  const ops::ToPixels to(args);
  const Shape& shape = args.in[0].shape();
  const int64_t plane = shape[2] * shape[3];
  const size_t samples = to.samples();
  const auto store = samples == 1   ? interleave<T, 1>
                     : samples == 2 ? interleave<T, 2>
                     : samples == 3 ? interleave<T, 3>
                                    : interleave<T, 4>;
  auto* facts = reinterpret_cast<Facts*>(args.scratch);  // [thread][sample]
  const size_t places = static_cast<size_t>(threads.count()) * samples;
  std::uninitialized_fill_n(facts, places, Facts{});
  threads.parallel(plane, grain, [&](int64_t begin, int64_t end, int thread) {
    float values[run_length];
    T rows[most_samples][run_length];
    for (int64_t at = begin; at < end; at += run_length) {
      const int64_t count = std::min(run_length, end - at);
      for (size_t s = 0; s < samples; ++s) {
        values_of(to, args.in[0].as<const float>(), plane, s, at, count, values);
        facts[static_cast<size_t>(thread) * samples + s].add(values, count);
        for (int64_t i = 0; i < count; ++i) rows[s][i] = ops::sample_of<T>(values[i]);
      }
      store(rows, count, args.out[0].as<T>() + at * static_cast<int64_t>(samples));
    }
  });
  auto* out = args.out[1].as<float>();
  for (size_t s = 0; s < samples; ++s) {
    Facts all;
    for (size_t place = s; place < places; place += samples) all.join(facts[place]);
    out[s] = static_cast<float>(all.not_finite);
    out[samples + s] = all.least[0];
    out[2 * samples + s] = all.most[0];
  }
}

void run_to_pixels(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  args.out[0].type.dtype == DType::uint8 ? to_pixels<uint8_t>(args, threads) : to_pixels<uint16_t>(args, threads);
}

int64_t facts_bytes(const CpuKernel&, const Problem&, int threads) {
  return static_cast<int64_t>(sizeof(Facts) * most_samples) * threads;
}

constexpr CpuKernel list[] = {
    {.op = "PixelsToPlanes", .name = "pixels to planes", .domain = internal_domain, .run = run_to_planes},
    {.op = "PlanesToPixels",
     .name = "planes to pixels",
     .domain = internal_domain,
     .scratch = facts_bytes,
     .run = run_to_pixels},
};

}  // namespace

extern const KernelFile pixel_kernels;
const KernelFile pixel_kernels{list};

}  // namespace tessera::cpu
