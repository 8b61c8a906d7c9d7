// Frames of videos: as pictures and back, and through a pipe in order.
#include <cmath>
#include <fstream>

#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "tools/upscale/video.h"

namespace tessera::upscale {
namespace {

const char* const names[] = {"gray",        "gray10le",    "yuv420p",     "yuv422p", "yuv444p",
                             "yuv420p10le", "yuv422p12le", "yuv444p16le", "rgb24",   "rgb48le"};

FrameFormat format_of(const char* name, int64_t width, int64_t height, bool full = false) {
  const auto format = format_of_pixels(name);
  EXPECT_TRUE(format) << name;
  FrameFormat sized = format->sized(width, height);
  sized.full |= full;
  return sized;
}

/// Smooth colors that are in the range of all of RGB.
Picture smooth(int64_t width, int64_t height, int channels, double phase = 0) {
  Picture picture = blank(width, height, channels, 16);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) {
        const float value = 0.5f + 0.3f * static_cast<float>(std::sin(0.11 * static_cast<double>(x + 2 * c) + phase) *
                                                             std::cos(0.07 * static_cast<double>(y) + c));
        picture.store(x, y, 1, c, &value);
      }
  return picture;
}

double distance(const Picture& a, const Picture& b) {
  double worst = 0;
  for (int64_t y = 0; y < a.height; ++y)
    for (int64_t x = 0; x < a.width; ++x)
      for (int c = 0; c < a.channels; ++c) {
        float one = 0, other = 0;
        a.load(x, y, 1, c, &one);
        b.load(x, y, 1, c, &other);
        worst = std::max(worst, std::abs(static_cast<double>(one - other)));
      }
  return worst;
}

TEST(UpscaleVideo, frames_become_pictures_and_frames_again) {
  for (const char* name : names)
    for (const bool full : {false, true})
      for (const int64_t width : {32, 33}) {
        const FrameFormat format = format_of(name, width, 21, full);
        const Picture picture = smooth(width, 21, format.kind == FrameFormat::Kind::gray ? 1 : 3);
        const Bytes frame = frame_of(format, picture);
        EXPECT_EQ(std::ssize(frame), format.bytes()) << name;
        const Picture back = picture_of(format, frame);
        // A code of 8 bits is 1/219 of the range; edges of subsampled colors are continued.
        EXPECT_LT(distance(picture, back), format.across > 1 ? 0.04 : 2.0 / 219) << name;
        // What has been through it once stays.
        const Bytes again = frame_of(format, back);
        EXPECT_TRUE(format.across > 1 || again == frame) << name;
      }
}

TEST(UpscaleVideo, colors_are_those_of_the_standards) {
  // Red of full strength in BT.601: 81 90 240; in BT.709: 63 102 240.
  for (const auto& [matrix, codes] :
       {std::pair{"bt601", std::array{81, 90, 240}}, {"bt709", std::array{63, 102, 240}}}) {
    FrameFormat format = format_of("yuv420p", 4, 4);
    ASSERT_TRUE(set_matrix(format, matrix));
    Picture red = blank(4, 4, 3, 16);
    const std::vector<float> ones(4, 1.0f);
    for (int64_t y = 0; y < 4; ++y) red.store(0, y, 4, 0, ones.data());
    const Bytes frame = frame_of(format, red);
    EXPECT_EQ(static_cast<int>(frame[0]), codes[0]);
    EXPECT_EQ(static_cast<int>(frame[16]), codes[1]);
    EXPECT_EQ(static_cast<int>(frame[20]), codes[2]);
    EXPECT_LT(distance(picture_of(format, frame), red), 0.01);
  }
  // Codes of ten bits, the low byte first; white is 940.
  const FrameFormat format = format_of("yuv444p10le", 1, 1);
  Picture white = blank(1, 1, 3, 16);
  const float one = 1;
  for (int c = 0; c < 3; ++c) white.store(0, 0, 1, c, &one);
  const Bytes frame = frame_of(format, white);
  EXPECT_EQ(static_cast<int>(frame[0]) | static_cast<int>(frame[1]) << 8, 940);
  EXPECT_EQ(static_cast<int>(frame[2]) | static_cast<int>(frame[3]) << 8, 512);
}

TEST(UpscaleVideo, gray_and_rgb_of_8_bits_are_the_pixels_themselves) {
  const Picture gray = noise(13, 7, 1), rgb = noise(13, 7, 3);
  EXPECT_EQ(frame_of(format_of("gray", 13, 7), gray), gray.samples);
  EXPECT_EQ(picture_of(format_of("rgb24", 13, 7), rgb.samples).samples, rgb.samples);
  EXPECT_EQ(picture_of(format_of("rgb24", 13, 7), rgb.samples).bits, 8);
}

/// The bundled model, and a scene of 100 frames in a file.
struct UpscaleScene : testing::Test {
  const test::TemporaryFolder folder;
  const std::filesystem::path in = folder.path() / "in", out = folder.path() / "out";
  std::unique_ptr<Upsampler> model;
  Chain chain;
  Console console{1, true};
  std::atomic<bool> cancel{false};

  void SetUp() override {
    std::string note, device;
    ModelOptions options;
    options.device = "cpu";
    model = open_upsampler("", options, nullptr, note, device);
    chain.add(std::make_shared<Tiler>(*model, TilerOptions{}));
  }
  static Bytes frame(const FrameFormat& format, int number) {
    return frame_of(format,
                    smooth(format.width, format.height, format.kind == FrameFormat::Kind::gray ? 1 : 3, number));
  }
  void write(const std::string& header, const FrameFormat& format, int count, size_t missing = 0) {
    std::string text = header;
    for (int i = 0; i < count; ++i) {
      const Bytes bytes = frame(format, i);
      text += cat(header.empty() ? "" : "FRAME\n", Text(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    }
    text.resize(text.size() - missing);
    std::ofstream(in, std::ios::binary) << text;
  }
  /// Each frame as a picture of its own.
  std::string expected(const std::string& header, const FrameFormat& format, int count) {
    std::string text = header;
    for (int i = 0; i < count; ++i) {
      Report report;
      const Picture large = chain.upscale(picture_of(format, frame(format, i)), report);
      const Bytes bytes = frame_of(format.sized(large.width, large.height), large);
      text += cat(header.empty() ? "" : "FRAME\n", Text(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    }
    return text;
  }
  std::string result() const {
    const Bytes bytes = read_file(out);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string failure(const Video& video) {
    try {
      upscale_video(video, chain, {}, console, cancel);
    } catch (const Error& error) {
      EXPECT_FALSE(std::filesystem::exists(out));
      return error.what();
    }
    return "";
  }
};

TEST_F(UpscaleScene, a_hundred_frames_are_their_pictures_bit_for_bit) {
  const struct {
    const char *kind, *pixels, *more;
    bool left;
  } cases[] = {{"420jpeg", "yuv420p", "", false},
               {"422p10", "yuv422p10le", " XCOLORRANGE=FULL", true},
               {"444", "yuv444p", "", false},
               {"mono", "gray", "", false}};
  for (const auto& [kind, pixels, more, left] : cases) {
    FrameFormat format = format_of(pixels, 19, 11, Text(more).ends_with("FULL"));
    format.left = left;
    const auto header = [&](int64_t width, int64_t height) {
      return cat("YUV4MPEG2 W", width, " H", height, " F30000:1001 Ip A1:1 C", kind, more, "\n");
    };
    write(header(19, 11), format, 100);
    const VideoReport report = upscale_video({in, out, std::nullopt}, chain, {}, console, cancel);
    EXPECT_EQ(report.frames, 100);
    EXPECT_TRUE(result() == expected(header(38, 22), format, 100)) << kind;
  }
}

TEST_F(UpscaleScene, bare_frames_come_as_bare_frames) {
  const FrameFormat format = format_of("yuv420p10le", 20, 12);
  write("", format, 5);
  EXPECT_EQ(upscale_video({in, out, format}, chain, {}, console, cancel).frames, 5);
  EXPECT_TRUE(result() == expected("", format, 5));
}

TEST_F(UpscaleScene, what_is_no_video_is_refused) {
  const FrameFormat format = format_of("yuv420p", 20, 12);
  const std::string good = "YUV4MPEG2 W20 H12 F25:1 Ip C420mpeg2\n";
  for (const auto& [header, missing, why] : {std::tuple{good, size_t{3}, "ends within frame 2"},
                                             {good + "x", size_t{0}, "frame 1 is none"},
                                             {std::string("YUV4MPEG2 W20 H12 It C420\n"), size_t{0}, "interlaced"},
                                             {std::string("YUV4MPEG2 W20 H12 C411\n"), size_t{0}, "411"},
                                             {std::string("YUV4MPEG2 W20 H12 C420p99\n"), size_t{0}, "420p99"},
                                             {std::string("YUV4MPEG2 W20 C420\n"), size_t{0}, "no size"},
                                             {std::string("YUV4MPEG2 W0 H12\n"), size_t{0}, "no such size"},
                                             {std::string("YUV4MPEG W20 H12\n"), size_t{0}, "no YUV4MPEG2"}}) {
    write(header, format, 2, missing);
    const std::string told = failure({in, out, std::nullopt});
    EXPECT_NE(told.find(why), std::string::npos) << header << told;
    EXPECT_TRUE(told.starts_with(in.string())) << told;
  }
  write(good, format, 0);
  EXPECT_NE(failure({in, out, std::nullopt}).find("no frames"), std::string::npos);
  write("", format, 2, 1);
  EXPECT_NE(failure({in, out, format}).find("ends within frame 2"), std::string::npos);
  cancel = true;
  EXPECT_EQ(failure({in, out, format}), "interrupted");
}

}  // namespace
}  // namespace tessera::upscale
