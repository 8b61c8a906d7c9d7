// Sheets and pages that show what a model made.
#include <gmock/gmock.h>

#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "tools/upscale/comparison.h"

namespace tessera::upscale {
namespace {

/// Gray, with noise in one place.
Picture busy_at(int64_t width, int64_t height, const Region& place, int channels = 3) {
  Picture picture = blank(width, height, channels);
  const Picture inside = noise(place.width, place.height, channels);
  for (int64_t y = 0; y < place.height; ++y)
    std::copy_n(inside.row(y), inside.row_bytes(), picture.row(place.y + y) + place.x * channels);
  return picture;
}

Picture enlarged(const Picture& picture, int64_t scale) {
  Picture large = blank(picture.width * scale, picture.height * scale, picture.channels, picture.bits);
  const int64_t pixel = picture.row_bytes() / picture.width;
  for (int64_t y = 0; y < large.height; ++y)
    for (int64_t x = 0; x < large.width; ++x)
      std::copy_n(picture.row(y / scale) + x / scale * pixel, pixel, large.row(y) + x * pixel);
  return large;
}

TEST(UpscaleComparison, places_are_where_something_is) {
  const Picture picture = busy_at(400, 300, {128, 64, 64, 64});
  const std::vector<Region> places = busy_places(picture);
  ASSERT_EQ(places.size(), 4u);
  EXPECT_EQ(places[0], (Region{128, 64, 64, 64}));
  EXPECT_EQ(busy_places(blank(10, 500, 1)).size(), 4u);
  EXPECT_EQ(busy_places(blank(1, 1, 1)), (std::vector<Region>{{0, 0, 1, 1}}));
}

TEST(UpscaleComparison, a_sheet_has_the_pixels_of_all_three) {
  const Picture source = busy_at(128, 64, {64, 0, 64, 64}), result = enlarged(source, 4);
  const Picture sheet = sheet_of(source, result);
  EXPECT_EQ(sheet.width, 3 * (256 + 8) + 8);
  EXPECT_EQ(sheet.height, 24 + 2 * (256 + 8));
  // Squares of the source are what this result has; bicubic is not.
  bool as_source = true, as_bicubic = true, as_result = true;
  for (int64_t y = 0; y < 256; ++y)
    for (int64_t x = 0; x < 256 * 3; ++x) {
      const std::byte* row = sheet.row(24 + y) + x;
      const std::byte wanted = result.row(y)[256 * 3 + x];
      as_source &= row[8 * 3] == wanted;
      as_bicubic &= row[(8 + 264) * 3] == wanted;
      as_result &= row[(8 + 2 * 264) * 3] == wanted;
    }
  EXPECT_TRUE(as_source);
  EXPECT_FALSE(as_bicubic);
  EXPECT_TRUE(as_result);
}

TEST(UpscaleComparison, pictures_of_every_kind_are_shown) {
  for (const int channels : {1, 2, 3, 4})
    for (const int bits : {8, 16, 32})
      for (const auto& [width, height] : {std::pair{1, 1}, {3, 200}, {90, 70}}) {
        Picture source = noise(width, height, channels, bits);
        if (bits == 32) {
          const std::vector<float> bright(static_cast<size_t>(width), 1.5f);
          for (int64_t y = 0; y < height; ++y)
            for (int c = 0; c < channels; ++c) source.store(0, y, width, c, bright.data());
        }
        const Picture sheet = sheet_of(source, resize(source, width * 3, height * 2, Filter::bicubic));
        EXPECT_EQ(sheet.channels, 3);
        EXPECT_GT(sheet.width, 300);
      }
}

TEST(UpscaleComparison, a_page_needs_nothing_beside_it) {
  const Picture source = noise(90, 70, 3);
  const std::string page = page_of(source, enlarged(source, 2), "a<b&\"c\".png");
  EXPECT_THAT(page, testing::HasSubstr("<h1>a&lt;b&amp;&quot;c&quot;.png</h1>"));
  EXPECT_THAT(page, testing::Not(testing::HasSubstr("http")));
  size_t images = 0;
  for (size_t at = page.find("src=\""); at != std::string::npos; at = page.find("src=\"", at + 1), ++images)
    EXPECT_EQ(page.compare(at + 5, 11, "data:image/"), 0);
  EXPECT_EQ(images, 3u);
}

}  // namespace
}  // namespace tessera::upscale
