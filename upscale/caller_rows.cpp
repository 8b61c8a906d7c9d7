#include "upscale/caller_rows.h"

#include <cmath>
#include <cstring>

namespace tessera::upscale {
namespace {

constexpr float top = 65535.0f;

int64_t bytes_of(tessera_dtype dtype) { return dtype == TESSERA_UINT8 ? 1 : dtype == TESSERA_UINT16 ? 2 : 4; }

Frame frame_of(const tessera_picture& picture) {
  Frame frame;
  frame.width = picture.width;
  frame.height = picture.height;
  frame.channels = picture.channels;
  frame.bits = picture.dtype == TESSERA_UINT8 ? 8 : picture.light ? 32 : 16;
  return frame;
}

bool is_dense(const tessera_picture& picture) {
  return (picture.dtype != TESSERA_FLOAT32 || picture.light) && picture.channel_stride == bytes_of(picture.dtype) &&
         picture.pixel_stride == picture.channels * picture.channel_stride;
}

std::byte* row_of(const tessera_picture& picture, int64_t y) {
  return static_cast<std::byte*>(picture.data) + y * picture.row_stride;
}

/// Visits the samples of a row of the caller's, and those of a row of ours, which follow each other.
template <class Theirs, class Ours, class Visit>
void each_sample(const tessera_picture& picture, int64_t y, Ours* ours, const Visit& visit) {
  std::byte* row = row_of(picture, y);
  for (int64_t x = 0; x < picture.width; ++x, row += picture.pixel_stride)
    for (int64_t c = 0; c < picture.channels; ++c)
      visit(*reinterpret_cast<Theirs*>(row + c * picture.channel_stride), *ours++);
}

/// Calls copy.operator()<Theirs, Ours>() with the types of the samples.
template <class Copy>
void with_types(const tessera_picture& picture, const Copy& copy) {
  if (picture.dtype == TESSERA_UINT8) return copy.template operator()<uint8_t, uint8_t>();
  if (picture.dtype == TESSERA_UINT16) return copy.template operator()<uint16_t, uint16_t>();
  if (picture.light) return copy.template operator()<float, float>();
  copy.template operator()<float, uint16_t>();
}

}  // namespace

tessera_picture checked(const tessera_picture& given) {
  tessera_picture picture = given;
  const auto wrong = [](const auto&... words) { fail(Error::Kind::usage, "a picture ", words...); };
  if (picture.width < 1 || picture.height < 1) wrong("of ", picture.width, "x", picture.height, " pixels cannot be");
  if (picture.channels < 1 || picture.channels > 4) wrong("of ", picture.channels, " channels: 1 to 4 are known");
  if (picture.dtype != TESSERA_UINT8 && picture.dtype != TESSERA_UINT16 && picture.dtype != TESSERA_FLOAT32)
    wrong("has samples of uint8, uint16 or float32, not of type ", static_cast<int>(picture.dtype));
  if (picture.light && picture.dtype != TESSERA_FLOAT32) wrong("of light has samples of float32");
  if (!picture.data) wrong("has no data");
  const int64_t bytes = bytes_of(picture.dtype);
  if (!picture.channel_stride) picture.channel_stride = bytes;
  if (!picture.pixel_stride) picture.pixel_stride = picture.channels * bytes;
  if (!picture.row_stride && __builtin_mul_overflow(picture.width, picture.pixel_stride, &picture.row_stride))
    wrong("is too wide");
  for (const int64_t stride : {picture.row_stride, picture.pixel_stride, picture.channel_stride})
    if (stride % bytes != 0) wrong("has a stride of ", stride, " bytes, and samples of ", bytes);
  if (reinterpret_cast<uintptr_t>(picture.data) % static_cast<uintptr_t>(bytes) != 0) wrong("is not aligned");
  return picture;
}

CallerSource::CallerSource(const tessera_picture& given) : from_(checked(given)) {
  static_cast<Frame&>(head_) = frame_of(from_);
}

void CallerSource::read(int64_t count, std::byte* to) {
  const int64_t bytes = head_.row_bytes();
  for (int64_t i = 0; i < count; ++i, ++next_, to += bytes) {
    if (is_dense(from_)) {
      std::memcpy(to, row_of(from_, next_), static_cast<size_t>(bytes));
      continue;
    }
    with_types(from_, [&]<class Theirs, class Ours>() {
      each_sample<const Theirs>(from_, next_, reinterpret_cast<Ours*>(to), [](const Theirs& theirs, Ours& ours) {
        if constexpr (std::is_same_v<Theirs, Ours>)
          ours = theirs;
        else  // what is no number is black
          ours = static_cast<Ours>(theirs > 0 ? std::lround(std::min(theirs, 1.0f) * top) : 0);
      });
    });
  }
}

CallerSink::CallerSink(const tessera_picture& given) : to_(checked(given)), frame_(frame_of(to_)) {}

void CallerSink::begin(const Head& head) {
  if (head.channels != frame_.channels)
    fail(Error::Kind::usage, "the result has ", head.channels, " channels, and the caller's picture ", frame_.channels);
  next_ = 0;
}

void CallerSink::write(const std::byte* rows, int64_t count) {
  const int64_t bytes = frame_.row_bytes();
  for (int64_t i = 0; i < count; ++i, ++next_, rows += bytes) {
    if (is_dense(to_)) {
      std::memcpy(row_of(to_, next_), rows, static_cast<size_t>(bytes));
      continue;
    }
    with_types(to_, [&]<class Theirs, class Ours>() {
      each_sample<Theirs>(to_, next_, reinterpret_cast<const Ours*>(rows), [](Theirs& theirs, const Ours& ours) {
        if constexpr (std::is_same_v<Theirs, Ours>)
          theirs = ours;
        else
          theirs = static_cast<float>(ours) / top;
      });
    });
  }
}

}  // namespace tessera::upscale
