// Windows as pixels: rows of the picture's own samples go into the model, and rows of the result's come out.
#include <algorithm>

#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

/// The samples of a picture's pixels that lie side by side and go through a model together.
struct Samples {
  int64_t first, count, bytes;  ///< `bytes` of one
};

template <class T>
void copy_pixels(const T* in, int64_t in_step, T* out, int64_t out_step, int64_t samples, int64_t count) {
  if (in_step == samples && out_step == samples) {
    std::copy_n(in, count * samples, out);
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    for (int64_t s = 0; s < samples; ++s) out[i * out_step + s] = in[i * in_step + s];
}

/// Samples of `count` pixels, from pixels of `in_step` bytes to pixels of `out_step` bytes.
void copy_pixels(const std::byte* in, int64_t in_step, std::byte* out, int64_t out_step, const Samples& samples,
                 int64_t count) {
  if (samples.bytes == 1) return copy_pixels<std::byte>(in, in_step, out, out_step, samples.count, count);
  copy_pixels<uint16_t>(reinterpret_cast<const uint16_t*>(in), in_step / 2, reinterpret_cast<uint16_t*>(out),
                        out_step / 2, samples.count, count);
}

/// A window of a picture whose edges go on forever.
void gather(const Rows& picture, const Samples& samples, const Region& window, std::byte* out) {
  const int64_t step = picture.channels * samples.bytes, pixel = samples.count * samples.bytes;
  const int64_t from = std::clamp<int64_t>(window.x, 0, picture.width);
  const int64_t to = std::clamp<int64_t>(window.x + window.width, 0, picture.width);
  for (int64_t row = 0; row < window.height; ++row, out += window.width * pixel) {
    const int64_t y = std::clamp<int64_t>(window.y + row, 0, picture.height - 1);
    const std::byte* in = picture.row(y) + samples.first * samples.bytes;
    const auto pixel_at = [&](int64_t x) { return out + (x - window.x) * pixel; };
    for (int64_t x = window.x; x < std::min<int64_t>(0, window.x + window.width); ++x)
      copy_pixels(in, step, pixel_at(x), pixel, samples, 1);
    if (from < to) copy_pixels(in + from * step, step, pixel_at(from), pixel, samples, to - from);
    for (int64_t x = std::max(window.x, picture.width); x < window.x + window.width; ++x)
      copy_pixels(in + (picture.width - 1) * step, step, pixel_at(x), pixel, samples, 1);
  }
}

}  // namespace

// Where colors of a result come from elsewhere, or from eight turned runs, or means from other windows, values have to
// be joined as floats.
Tiler::Ends Tiler::ends_of(const Frame& picture, Group group, const Frame& result) const {
  const bool gray = group == Group::alpha || picture.color_channels() == 1;
  if (options_.test_time_augmentation || !has_pixel_ends(convention_) || (convention_.channels == 1 && !gray))
    return {};
  const bool gray_result = group == Group::alpha || result.color_channels() == 1;
  PixelEnds ends;
  ends.bits_in = picture.bits;
  ends.bits_out = result.bits;
  ends.samples_in = gray ? 1 : 3;
  for (int64_t channel = 0; channel < std::min(convention_.channels, 3); ++channel)
    ends.from.push_back(gray ? 0 : channel);
  const bool alpha = convention_.channels == 4 && group == Group::color && picture.has_alpha();
  if (convention_.channels == 4) ends.from.push_back(alpha ? ends.samples_in++ : -1);
  for (int64_t channel = 0; channel < std::min(convention_.out_channels, 3); ++channel) ends.to.push_back(channel);
  ends.gray = gray_result && ends.to.size() == 3;
  if (alpha) ends.to.push_back(3);
  if (!first_->with(convention_, ends)) return {};
  return ends;
}

Tiler::Answer Tiler::run_pixels(const Hand& hand, const Rows& picture, Group group, const PixelEnds& ends,
                                const Region& window, const Progress& progress) const {
  const DType in_type = ends.bits_in == 16 ? DType::uint16 : DType::uint8;
  const Tensor in = Tensor::make_from(pixels_, {in_type, {window.height, window.width, ends.samples_in}});
  const int64_t first = group == Group::alpha ? picture.channels - 1 : 0;
  gather(picture, {first, ends.samples_in, ends.bits_in / 8}, window, in.bytes.get());
  const std::vector<Tensor> results = hand.with(convention_, ends)->run_watched(in, progress);
  const int64_t lost = convention_.lost_before + convention_.lost_after;
  Answer answer;
  answer.width = window.width * convention_.scale - lost;
  answer.height = window.height * convention_.scale - lost;
  answer.samples = ends.samples_out();
  answer.pixels = results[0];
  if (results[0].type.shape != Shape{answer.height, answer.width, answer.samples})
    fail(Error::Kind::shape, "the model gave ", results[0].type, " for a window of ", window.width, "x", window.height);
  answer.facts = PixelFacts(results[1], ends.bits_out);
  progress(1);
  return answer;
}

float Tiler::Answer::at(int sample, int64_t x, int64_t y) const {
  if (!pixels.bytes) return std::clamp(planes[static_cast<size_t>((sample * height + y) * width + x)], 0.0f, 1.0f);
  const int64_t at = (y * width + x) * samples + sample;
  return pixels.type.dtype == DType::uint16 ? static_cast<float>(pixels.as<const uint16_t>()[at]) / 65535.0f
                                            : static_cast<float>(pixels.as<const uint8_t>()[at]) / 255.0f;
}

void Tiler::store_pixels(Group group, const Answer& answer, const Place& place, Rows& result) {
  const auto& [kept, out] = place;
  const int64_t bytes = result.bits / 8, first = group == Group::alpha ? result.channels - 1 : 0;
  const int64_t step = result.channels * bytes, pixel = answer.samples * bytes;
  for (int64_t y = 0; y < out.height; ++y)
    copy_pixels(answer.pixels.bytes.get() + ((kept.y + y) * answer.width + kept.x) * pixel, pixel,
                result.row(out.y + y) + out.x * step + first * bytes, step, {first, answer.samples, bytes}, out.width);
}

}  // namespace tessera::upscale
