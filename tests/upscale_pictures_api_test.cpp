// Files of pictures through the C interface, as a caller reads, writes and misuses it.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "include/tessera/pictures.h"
#include "tests/statuses.h"
#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "upscale/codecs/codec.h"

namespace tessera::upscale {
namespace {

using test::expect_failure;
using test::expect_success;
using testing::HasSubstr;

namespace fs = std::filesystem;

struct Reader_ {
  tessera_picture_reader* it = nullptr;
  explicit Reader_(const Bytes& bytes, bool as_stored = false) {
    tessera_picture_reader_options options;
    TESSERA_INIT(&options);
    options.as_stored = as_stored;
    options.name = "given";
    expect_success(tessera_picture_reader_open_memory(bytes.data(), bytes.size(), &options, &it));
  }
  Reader_(const Reader_&) = delete;
  Reader_& operator=(const Reader_&) = delete;
  ~Reader_() { tessera_picture_reader_free(it); }
  tessera_picture_facts facts() const {
    tessera_picture_facts facts;
    TESSERA_INIT(&facts);
    expect_success(tessera_picture_reader_ask(it, &facts));
    return facts;
  }
};

tessera_picture rows_of(Picture& picture, int64_t first, int64_t count) {
  tessera_picture rows;
  TESSERA_INIT(&rows);
  rows.width = picture.width, rows.height = count, rows.channels = picture.channels;
  rows.dtype = picture.bits == 8 ? TESSERA_UINT8 : picture.bits == 16 ? TESSERA_UINT16 : TESSERA_FLOAT32;
  rows.light = picture.bits == 32;
  rows.data = picture.row(first);
  return rows;
}

tessera_picture_writer_options options_for(const Picture& picture, const char* format) {
  tessera_picture_writer_options options;
  TESSERA_INIT(&options);
  options.width = picture.width, options.height = picture.height, options.channels = picture.channels;
  options.dtype = picture.bits == 8 ? TESSERA_UINT8 : picture.bits == 16 ? TESSERA_UINT16 : TESSERA_FLOAT32;
  options.light = picture.bits == 32;
  options.format = format;
  return options;
}

/// Writes it in memory, a few rows at a time.
Bytes written(Picture& picture, const tessera_picture_writer_options& options) {
  tessera_picture_writer* writer = nullptr;
  expect_success(tessera_picture_writer_create_memory(&options, &writer));
  for (int64_t y = 0; y < picture.height; y += 7) {
    const tessera_picture rows = rows_of(picture, y, std::min<int64_t>(7, picture.height - y));
    expect_success(tessera_picture_writer_write(writer, &rows));
  }
  expect_success(tessera_picture_writer_finish(writer));
  const void* data = nullptr;
  size_t bytes = 0;
  expect_success(tessera_picture_writer_bytes(writer, &data, &bytes));
  const auto* first = static_cast<const std::byte*>(data);
  Bytes copy(first, first + bytes);
  tessera_picture_writer_free(writer);
  return copy;
}

Picture read_all(const Bytes& bytes, int channels, int bits) {
  const Reader_ reader(bytes);
  Picture picture = blank(reader.facts().width, reader.facts().height, channels, bits);
  for (int64_t y = 0; y < picture.height; y += 5) {
    const tessera_picture rows = rows_of(picture, y, std::min<int64_t>(5, picture.height - y));
    expect_success(tessera_picture_reader_read(reader.it, &rows));
  }
  return picture;
}

Picture colors(int64_t width, int64_t height, int channels, int bits) {
  Picture picture = blank(width, height, channels, bits);
  std::vector<float> row(static_cast<size_t>(width));
  for (int64_t y = 0; y < height; ++y)
    for (int c = 0; c < channels; ++c) {
      for (int64_t x = 0; x < width; ++x)
        row[static_cast<size_t>(x)] = static_cast<float>((x * 7 + y * 3 + c * 31) % 97) / 97;
      picture.store(0, y, width, c, row.data());
    }
  return picture;
}

TEST(UpscalePicturesApi, what_is_written_is_read_again) {
  const struct {
    const char* format;
    int channels, bits;
  } kinds[] = {{"png", 4, 8},  {"png", 1, 16}, {"tif", 3, 16}, {"tif", 3, 32}, {"bmp", 3, 8},
               {"ppm", 3, 16}, {"pam", 2, 8},  {"pfm", 3, 32}, {"webp", 4, 8}};
  for (const auto& [format, channels, bits] : kinds) {
    SCOPED_TRACE(format);
    Picture picture = colors(23, 31, channels, bits);
    const Bytes bytes = written(picture, options_for(picture, format));
    const tessera_picture_facts facts = Reader_(bytes).facts();
    EXPECT_STREQ(facts.format, std::string(format) == "ppm" ? "ppm" : format);
    EXPECT_EQ(facts.width, 23);
    EXPECT_EQ(facts.height, 31);
    EXPECT_EQ(facts.channels, channels);
    EXPECT_EQ(facts.dtype, bits == 8 ? TESSERA_UINT8 : bits == 16 ? TESSERA_UINT16 : TESSERA_FLOAT32);
    EXPECT_EQ(facts.light, bits == 32);
    EXPECT_TRUE(read_all(bytes, channels, bits).samples == picture.samples);
  }
}

TEST(UpscalePicturesApi, rows_become_what_the_caller_has) {
  Picture picture = colors(9, 6, 1, 8);
  const Bytes bytes = written(picture, options_for(picture, "png"));
  // Gray of 8 bits into planes of floats, as models have colors.
  std::vector<float> planes(3 * 9 * 6);
  const Reader_ reader(bytes);
  tessera_picture rows;
  TESSERA_INIT(&rows);
  rows.width = 9, rows.height = 6, rows.channels = 3, rows.dtype = TESSERA_FLOAT32, rows.data = planes.data();
  rows.pixel_stride = 4, rows.row_stride = 9 * 4, rows.channel_stride = 9 * 6 * 4;
  expect_success(tessera_picture_reader_read(reader.it, &rows));
  for (int64_t y = 0; y < 6; ++y)
    for (int64_t x = 0; x < 9; ++x)
      for (int64_t c = 0; c < 3; ++c)
        EXPECT_EQ(planes[static_cast<size_t>(c * 54 + y * 9 + x)],
                  static_cast<float>(std::to_integer<int>(picture.row(y)[x])) / 255);
  // Again, with room for transparency and 16 bits.
  expect_success(tessera_picture_reader_restart(reader.it));
  Picture wide = blank(9, 6, 4, 16);
  rows = rows_of(wide, 0, 6);
  expect_success(tessera_picture_reader_read(reader.it, &rows));
  float alpha = 0, red = 0;
  wide.load(8, 5, 1, 3, &alpha);
  wide.load(8, 5, 1, 0, &red);
  EXPECT_EQ(alpha, 1);
  EXPECT_NEAR(red, std::to_integer<int>(picture.row(5)[8]) / 255.0, 1e-6);
  // No row is left.
  expect_failure(tessera_picture_reader_read(reader.it, &rows), TESSERA_USAGE,
                 "given: 0 of its 6 rows are left, not 6");
}

TEST(UpscalePicturesApi, what_a_file_says_goes_along) {
  Picture picture = colors(16, 8, 3, 8);
  tessera_picture_writer_options options = options_for(picture, "png");
  const tessera_picture_text texts[] = {{"Title", "a picture"}, {"Comment", "gr\xc3\xbcn"}};
  options.texts = texts;
  options.text_count = 2;
  options.density_x = 3937;
  Colorimetry linear;
  linear.gamma = 1.0;
  const Bytes icc = profile_of(linear, false);
  ASSERT_FALSE(icc.empty());
  options.icc = icc.data();
  options.icc_bytes = icc.size();
  const Bytes first = written(picture, options);
  const Reader_ reader(first);
  // As the reader's file has it, in another format and size.
  Picture larger = colors(32, 16, 3, 8);
  options = options_for(larger, "tif");
  options.like = reader.it;
  const Bytes second = written(larger, options);
  const Reader_ again(second);
  for (const Reader_* each : {&reader, &again}) {
    const tessera_picture_facts facts = each->facts();
    EXPECT_EQ(facts.icc_bytes, icc.size());
    EXPECT_NEAR(facts.density_x, 3937, 0.5);
    EXPECT_NEAR(facts.density_y, 3937, 0.5);
    std::set<std::string> told;
    const char* key = nullptr;
    for (size_t i = 0; const char* text = tessera_picture_reader_text(each->it, i, &key); ++i)
      told.insert(cat(key, "=", text));
    EXPECT_TRUE(told.contains("Title=a picture")) << testing::PrintToString(told);
  }
  const char* key = "";
  EXPECT_EQ(tessera_picture_reader_text(again.it, 99, &key), nullptr);
  EXPECT_EQ(key, nullptr);
}

// The orientation is applied, or told.
TEST(UpscalePicturesApi, orientation_is_applied_or_told) {
  Picture picture = colors(12, 5, 3, 8);
  const unsigned char turned[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0};
  const auto* exif = reinterpret_cast<const std::byte*>(turned);
  picture.exif.assign(exif, exif + sizeof turned);
  std::vector<std::string> notes;
  const Bytes bytes = encode(picture, Format::png, {}, notes);
  const Reader_ upright(bytes), stored(bytes, true);
  EXPECT_EQ(upright.facts().width, 5);
  EXPECT_EQ(upright.facts().orientation, 1);
  EXPECT_EQ(stored.facts().width, 12);
  EXPECT_EQ(stored.facts().orientation, 6);
}

TEST(UpscalePicturesApi, a_file_appears_whole_or_not_at_all) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path().string() + "/deep/er/out.png";
  Picture picture = colors(20, 10, 3, 8);
  const tessera_picture_writer_options options = options_for(picture, nullptr);
  tessera_picture_writer* writer = nullptr;
  expect_success(tessera_picture_writer_create(path.c_str(), &options, &writer));
  tessera_picture rows = rows_of(picture, 0, 4);
  expect_success(tessera_picture_writer_write(writer, &rows));
  expect_failure(tessera_picture_writer_finish(writer), TESSERA_USAGE, "6 of its 10 rows have not come");
  const void* data = nullptr;
  size_t bytes = 0;
  expect_failure(tessera_picture_writer_bytes(writer, &data, &bytes), TESSERA_USAGE, "is a file");
  tessera_picture_writer_free(writer);
  EXPECT_TRUE(fs::is_empty(folder.path().string() + "/deep/er"));

  std::ofstream(path) << "before";
  expect_success(tessera_picture_writer_create(path.c_str(), &options, &writer));
  rows = rows_of(picture, 0, 10);
  expect_success(tessera_picture_writer_write(writer, &rows));
  EXPECT_EQ(fs::file_size(path), 6u);
  expect_success(tessera_picture_writer_finish(writer));
  expect_failure(tessera_picture_writer_finish(writer), TESSERA_USAGE, "finished already");
  expect_failure(tessera_picture_writer_write(writer, &rows), TESSERA_USAGE, "finished already");
  tessera_picture_writer_free(writer);
  tessera_picture_reader* reader = nullptr;
  expect_success(tessera_picture_reader_open(path.c_str(), nullptr, &reader));
  Picture again = blank(20, 10, 3, 8);
  rows = rows_of(again, 0, 10);
  expect_success(tessera_picture_reader_read(reader, &rows));
  EXPECT_TRUE(again.samples == picture.samples);
  tessera_picture_reader_free(reader);
}

TEST(UpscalePicturesApi, notes_tell_what_a_format_cannot_hold) {
  Picture picture = colors(10, 10, 4, 16);
  const tessera_picture_writer_options options = options_for(picture, "jpg");
  tessera_picture_writer* writer = nullptr;
  expect_success(tessera_picture_writer_create_memory(&options, &writer));
  EXPECT_THAT(tessera_picture_writer_note(writer, 0), HasSubstr("no transparency"));
  EXPECT_THAT(tessera_picture_writer_note(writer, 1), HasSubstr("8 bits"));
  EXPECT_EQ(tessera_picture_writer_note(writer, 2), nullptr);
  tessera_picture_writer_free(writer);
}

TEST(UpscalePicturesApi, misuse_is_told) {
  Picture picture = colors(10, 10, 3, 8);
  tessera_picture_writer* writer = nullptr;
  const auto refused = [&](tessera_picture_writer_options options, const char* text) {
    expect_failure(tessera_picture_writer_create_memory(&options, &writer), TESSERA_USAGE, text);
    EXPECT_EQ(writer, nullptr);
  };
  tessera_picture_writer_options options = options_for(picture, "gif");
  refused(options, "format \"gif\": give png, jpg");
  options.format = nullptr;
  refused(options, "give png, jpg");
  options = options_for(picture, "jpg");
  options.quality = 101;
  refused(options, "quality is 101");
  options.quality = 0;
  options.lossless = 1;
  refused(options, "jpg always loses something");
  options = options_for(picture, "png");
  options.channels = 5;
  refused(options, "of 5 channels");
  options.struct_size = 0;
  refused(options, "initialize it first");
  expect_failure(tessera_picture_writer_create_memory(nullptr, &writer), TESSERA_USAGE, "NULL");
  options = options_for(picture, nullptr);
  expect_failure(tessera_picture_writer_create("/tmp/no_ending", &options, &writer), TESSERA_USAGE, "its ending");

  options = options_for(picture, "png");
  expect_success(tessera_picture_writer_create_memory(&options, &writer));
  Picture other = colors(10, 10, 4, 8), narrow = colors(9, 10, 3, 8);
  tessera_picture rows = rows_of(other, 0, 10);
  expect_failure(tessera_picture_writer_write(writer, &rows), TESSERA_USAGE,
                 "rows of 3 channels with 8 bits, not of 4");
  rows = rows_of(narrow, 0, 10);
  expect_failure(tessera_picture_writer_write(writer, &rows), TESSERA_USAGE, "10 pixels, not 9");
  const void* data = nullptr;
  size_t bytes = 0;
  expect_failure(tessera_picture_writer_bytes(writer, &data, &bytes), TESSERA_USAGE, "is not finished");
  tessera_picture_writer_free(writer);

  tessera_picture_reader* reader = nullptr;
  expect_failure(tessera_picture_reader_open("/nonexistent.png", nullptr, &reader), TESSERA_FILE, "/nonexistent.png: ");
  expect_failure(tessera_picture_reader_open_memory("GIF8", 4, nullptr, &reader), TESSERA_FILE, "picture in memory: ");
  const Bytes png = written(picture, options_for(picture, "png"));
  tessera_picture_reader_options small;
  TESSERA_INIT(&small);
  small.most_pixels = 99;
  expect_failure(tessera_picture_reader_open_memory(png.data(), png.size(), &small, &reader), TESSERA_FILE,
                 "most_pixels raises it");
  const Reader_ colored(png);
  Picture gray = blank(10, 10, 1, 8), light = blank(10, 10, 3, 32);
  rows = rows_of(gray, 0, 10);
  expect_failure(tessera_picture_reader_read(colored.it, &rows), TESSERA_USAGE, "it has colors");
  rows = rows_of(light, 0, 10);
  expect_failure(tessera_picture_reader_read(colored.it, &rows), TESSERA_USAGE, "no light");
  Bytes cut(png.begin(), png.begin() + static_cast<ptrdiff_t>(png.size() / 2));
  const Reader_ half(cut);
  Picture all = blank(10, 10, 3, 8);
  rows = rows_of(all, 0, 10);
  expect_failure(tessera_picture_reader_read(half.it, &rows), TESSERA_FILE, "given: ");
}

}  // namespace
}  // namespace tessera::upscale
