#include "upscale/codecs/animation.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

template <class T>
void blend(const T* in, int64_t pixels, bool over, T* out) {
  constexpr uint64_t top = std::numeric_limits<T>::max();
  if (!over) std::copy_n(in, 4 * pixels, out);
  for (int64_t i = 0; over && i < pixels; ++i, in += 4, out += 4) {
    const uint64_t alpha = in[3], below = out[3] * (top - alpha) / top, sum = alpha + below;
    for (int c = 0; c < 3; ++c)
      if (sum > 0) out[c] = static_cast<T>((in[c] * alpha + out[c] * below + sum / 2) / sum);
    out[3] = static_cast<T>(sum);
  }
}

}  // namespace

Canvas::Canvas(int64_t width, int64_t height, int bits) {
  picture_.width = width;
  picture_.height = height;
  picture_.channels = 4;
  picture_.bits = bits;
  picture_.allocate();
}

void Canvas::draw(const Picture& frame, int64_t x, int64_t y, bool over) {
  const int64_t first = std::max<int64_t>(0, -x), width = std::min(frame.width, picture_.width - x) - first;
  const int64_t pixel = 4 * picture_.bits / 8;
  if (width <= 0) return;
  for (int64_t row = std::max<int64_t>(0, -y); row < std::min(frame.height, picture_.height - y); ++row) {
    const std::byte* in = frame.row(row) + first * pixel;
    std::byte* out = picture_.row(y + row) + (x + first) * pixel;
    if (picture_.bits == 16)
      blend(reinterpret_cast<const uint16_t*>(in), width, over, reinterpret_cast<uint16_t*>(out));
    else
      blend(reinterpret_cast<const uint8_t*>(in), width, over, reinterpret_cast<uint8_t*>(out));
  }
}

void Canvas::clear(int64_t x, int64_t y, int64_t width, int64_t height) {
  const int64_t pixel = 4 * picture_.bits / 8;
  const int64_t left = std::max<int64_t>(0, x), right = std::min(picture_.width, x + width);
  for (int64_t row = std::max<int64_t>(0, y); row < std::min(picture_.height, y + height); ++row)
    if (left < right) std::memset(picture_.row(row) + left * pixel, 0, static_cast<size_t>((right - left) * pixel));
}

void check_frames(size_t frames, const Frame& each, const DecodeLimits& limits) {
  if (static_cast<int64_t>(frames) > limits.pixels / std::max<int64_t>(1, each.width * each.height))
    fail(Error::Kind::file, "an animation of ", frames, " frames or more of ", each.width, "x", each.height,
         ", over the limit of ", limits.pixels, " pixels in all", limits.advice());
}

std::optional<Animation> decode_animation(List<std::byte> bytes, const DecodeLimits& limits) {
  const std::optional<Format> format = recognize(bytes);
  std::optional<Animation> animation;
  if (format == Format::gif) animation = animation_in_gif(bytes, limits);
  if (format == Format::png) animation = animation_in_png(bytes, limits);
  if (format == Format::webp) animation = animation_in_webp(bytes, limits);
  if (!animation || animation->frames.size() < 2) return std::nullopt;
  // Who sees nothing through any frame has no alpha.
  const auto opaque = [](const Picture& frame) { return frame.range(3).first >= 1; };
  if (std::all_of(animation->frames.begin(), animation->frames.end(), opaque))
    for (Picture& frame : animation->frames) {
      Picture plain(static_cast<const Head&>(frame));
      plain.channels = 3;
      plain.allocate();
      RowConverter(frame, plain).run(frame.samples.data(), 0, frame.height, plain.samples.data());
      frame = std::move(plain);
    }
  Head& first = animation->frames[0];
  std::erase_if(first.notes, [](const std::string& note) { return note.starts_with("an animation"); });
  // Turning frames that are drawn on each other would take more than it is worth: nobody stores them so.
  renew_metadata(first);
  return animation;
}

bool holds_animations(Format format) { return format == Format::png || format == Format::webp; }

Bytes encode_animation(const Animation& animation, Format format, const EncodeOptions& options,
                       std::vector<std::string>& notes) {
  Bytes bytes;
  Sink sink;
  sink.write = [&](List<std::byte> more) { bytes.insert(bytes.end(), more.begin(), more.end()); };
  const Head head = fit_head(animation.frames[0], format, notes);
  Animation fitted{{}, animation.milliseconds, animation.loops};
  for (const Picture& frame : animation.frames) {
    Picture& converted = fitted.frames.emplace_back(head);
    converted.allocate();
    RowConverter(frame, converted, options).run(frame.samples.data(), 0, frame.height, converted.samples.data());
  }
  if (format == Format::png)
    write_png_animation(fitted, options, sink, notes);
  else
    write_webp_animation(fitted, options, sink);
  return bytes;
}

}  // namespace tessera::upscale
