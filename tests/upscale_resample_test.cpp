// Resizing pictures: where pixels lie, and what alpha does to colors. What EXIF says more than once stays.
#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "upscale/resample.h"

namespace tessera::upscale {
namespace {

uint8_t& sample(Picture& picture, int64_t x, int64_t y, int channel) {
  return reinterpret_cast<uint8_t&>(
      picture.samples[static_cast<size_t>((y * picture.width + x) * picture.channels + channel)]);
}

Picture turned(Picture picture) {
  Picture result = picture;
  for (int64_t y = 0; y < picture.height; ++y)
    for (int64_t x = 0; x < picture.width; ++x)
      sample(result, picture.width - 1 - x, picture.height - 1 - y, 0) = sample(picture, x, y, 0);
  return result;
}

// A filter that is half a pixel off gives another picture of the turned one.
TEST(UpscaleResample, turned_pictures_give_turned_results) {
  for (const Filter filter : {Filter::bicubic, Filter::lanczos3})
    for (const auto& [width, height] : {std::pair{31, 5}, {24, 14}, {5, 16}, {12, 7}}) {
      const Picture picture = noise(12, 7, 1);
      Picture plain = turned(resize(picture, width, height, filter));
      Picture other = resize(turned(picture), width, height, filter);
      for (int64_t y = 0; y < height; ++y)
        for (int64_t x = 0; x < width; ++x)
          ASSERT_NEAR(sample(plain, x, y, 0), sample(other, x, y, 0), 1)
              << width << "x" << height << ": " << x << "," << y;
    }
}

TEST(UpscaleResample, one_color_stays_what_it_is_under_any_alpha) {
  Picture picture = noise(9, 8, 4);
  const int color[] = {200, 40, 120};
  for (int64_t y = 0; y < 8; ++y)
    for (int64_t x = 0; x < 9; ++x)
      for (int c = 0; c < 3; ++c) sample(picture, x, y, c) = static_cast<uint8_t>(color[c]);
  Picture result = resize(picture, 20, 13, Filter::bicubic);
  for (int64_t y = 0; y < 13; ++y)
    for (int64_t x = 0; x < 20; ++x)
      for (int c = 0; c < 3 && sample(result, x, y, 3) > 2; ++c)
        ASSERT_NEAR(sample(result, x, y, c), color[c], 1) << x << "," << y;
}

// An orientation is one number; an entry of two is something else, and not ours to change.
TEST(UpscaleResample, an_entry_of_several_numbers_is_not_renewed) {
  for (const int count : {1, 2}) {
    const int bytes[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, count, 0, 0, 0, 6, 0, 7, 0, 0, 0, 0, 0};
    Picture picture = noise(2, 2, 1);
    for (const int byte : bytes) picture.exif.push_back(static_cast<std::byte>(byte));
    renew_metadata(picture);
    ASSERT_EQ(picture.exif.size(), std::size(bytes));
    EXPECT_EQ(static_cast<int>(picture.exif[18]), count == 1 ? 1 : 6);
  }
}

}  // namespace
}  // namespace tessera::upscale
