// The upscaler's C interface, as a caller uses and misuses it.
#include <gmock/gmock.h>

#include <cmath>
#include <thread>

#include "include/tessera/upscale.h"
#include "tests/places.h"
#include "tests/statuses.h"
#include "tests/support.h"
#include "tests/upscale_pictures.h"
#ifdef TESSERA_VULKAN
#include "tests/vulkan_device.h"
#endif
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

using test::expect_failure;
using test::expect_success;
using testing::HasSubstr;

tessera_upscaler_options on_cpu(int64_t tile = 0) {
  tessera_upscaler_options options;
  TESSERA_INIT(&options);
  options.devices = "cpu";
  options.tile = tile;
  return options;
}

struct Upscaler {
  tessera_upscaler* it = nullptr;
  explicit Upscaler(int64_t tile = 0) {
    const tessera_upscaler_options options = on_cpu(tile);
    expect_success(tessera_upscaler_open("photo-x2", &options, &it));
  }
  Upscaler(const Upscaler&) = delete;
  Upscaler& operator=(const Upscaler&) = delete;
  ~Upscaler() { tessera_upscaler_free(it); }
};

tessera_picture plain(const Picture& picture) {
  tessera_picture plain;
  TESSERA_INIT(&plain);
  plain.width = picture.width;
  plain.height = picture.height;
  plain.channels = picture.channels;
  plain.dtype = picture.bits == 8 ? TESSERA_UINT8 : TESSERA_UINT16;
  plain.data = const_cast<std::byte*>(picture.samples.data());
  return plain;
}

/// By the engine itself.
Picture expected_of(const Picture& picture, int64_t tile = 0) {
  std::string note, device;
  ModelOptions options;
  options.device = "cpu";
  const auto model = open_upsampler("", options, nullptr, note, device);
  TilerOptions how;
  how.tile = tile;
  Report report;
  return Tiler(*model, how).upscale(picture, report);
}

TEST(UpscaleCApi, says_what_the_bundled_model_is) {
  const Upscaler upscaler;
  tessera_upscaler_facts facts;
  TESSERA_INIT(&facts);
  expect_success(tessera_upscaler_ask(upscaler.it, &facts));
  EXPECT_STREQ(facts.name, "photo-x2");
  EXPECT_EQ(facts.scale, 2);
  EXPECT_EQ(facts.channels, 3);
  EXPECT_EQ(facts.white[1], 1);
  EXPECT_EQ(facts.reach, 11);
  EXPECT_EQ(facts.device_count, 1u);
  EXPECT_STREQ(tessera_upscaler_device(upscaler.it, 0), "cpu");
  EXPECT_EQ(tessera_upscaler_device(upscaler.it, 1), nullptr);
  EXPECT_EQ(tessera_upscaler_note(upscaler.it, 0), nullptr);
}

TEST(UpscaleCApi, explains_what_was_found) {
  const Upscaler upscaler;
  tessera_findings* findings = nullptr;
  expect_success(tessera_upscaler_explain(upscaler.it, &findings));
  ASSERT_GT(tessera_findings_count(findings), 5u);
  std::string scale;
  const char *what = nullptr, *value = nullptr, *evidence = nullptr;
  for (size_t i = 0; i < tessera_findings_count(findings); ++i) {
    expect_success(tessera_findings_get(findings, i, &what, &value, &evidence));
    if (std::string(what) == "scale") scale = value;
    EXPECT_STRNE(evidence, "") << what;
  }
  EXPECT_EQ(scale, "x2");
  expect_failure(tessera_findings_get(findings, tessera_findings_count(findings), &what, &value, &evidence),
                 TESSERA_USAGE, "there is no finding");
  tessera_findings_free(findings);
}

TEST(UpscaleCApi, gives_the_engines_samples_for_every_kind_of_picture) {
  const Upscaler upscaler;
  for (const int channels : {1, 2, 3, 4})
    for (const int bits : {8, 16}) {
      const Picture picture = noise(37, 29, channels, bits);
      const Picture expected = expected_of(picture);
      Picture result = blank(74, 58, channels, bits);
      const tessera_picture from = plain(picture), to = plain(result);
      tessera_upscale_report* report = nullptr;
      expect_success(tessera_upscale(upscaler.it, &from, &to, nullptr, &report));
      EXPECT_TRUE(result.samples == expected.samples) << channels << " channels, " << bits << " bits";
      tessera_upscale_summary summary;
      TESSERA_INIT(&summary);
      expect_success(tessera_upscale_report_get(report, &summary));
      EXPECT_EQ(summary.windows, 1);
      EXPECT_GT(summary.model_seconds, 0);
      tessera_upscale_report_free(report);
    }
}

// Light goes through as itself: gray stays what it is, also where it is brighter than white.
TEST(UpscaleCApi, light_may_be_brighter_than_white) {
  const Upscaler upscaler;
  constexpr int64_t width = 40, height = 24;
  std::vector<float> light(static_cast<size_t>(3 * width * height), 0.18f), out(4 * light.size());
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = width / 2; x < width; ++x)
      for (int64_t c = 0; c < 3; ++c) light[static_cast<size_t>((y * width + x) * 3 + c)] = 4;
  tessera_picture from, to;
  TESSERA_INIT(&from);
  from.width = width, from.height = height, from.channels = 3, from.dtype = TESSERA_FLOAT32, from.data = light.data();
  from.light = 1;
  to = from;
  to.width *= 2, to.height *= 2, to.data = out.data();
  expect_success(tessera_upscale(upscaler.it, &from, &to, nullptr, nullptr));
  const auto at = [&](int64_t x) { return out[static_cast<size_t>((height * 2 * width + x) * 3)]; };
  EXPECT_NEAR(at(10), 0.18f, 0.01f);
  EXPECT_NEAR(at(2 * width - 10), 4, 0.1f);
  to.light = 0;
  expect_failure(tessera_upscale(upscaler.it, &from, &to, nullptr, nullptr), TESSERA_USAGE, "one is light");
  from.dtype = TESSERA_UINT16;
  expect_failure(tessera_upscale(upscaler.it, &from, &to, nullptr, nullptr), TESSERA_USAGE, "float32");
}

// Planes of floats, the last row first, into a part of a larger picture of 16 bits.
TEST(UpscaleCApi, reads_and_writes_with_any_strides) {
  const Upscaler upscaler;
  constexpr int64_t width = 30, height = 21, plane = width * height;
  const Picture picture = noise(width, height, 3, 16);
  std::vector<float> floats(static_cast<size_t>(3 * plane));
  for (int64_t y = 0; y < height; ++y)
    for (int c = 0; c < 3; ++c) picture.load(0, y, width, c, floats.data() + c * plane + (height - 1 - y) * width);
  tessera_picture from;
  TESSERA_INIT(&from);
  from.width = width;
  from.height = height;
  from.channels = 3;
  from.dtype = TESSERA_FLOAT32;
  from.data = floats.data() + (height - 1) * width;
  from.row_stride = -width * 4;
  from.pixel_stride = 4;
  from.channel_stride = plane * 4;
  Picture canvas = blank(2 * width + 10, 2 * height + 7, 4, 16);
  tessera_picture to = plain(canvas);
  to.width = 2 * width;
  to.height = 2 * height;
  to.channels = 3;
  to.pixel_stride = 8;
  to.row_stride = canvas.row_bytes();
  to.data = canvas.row(5) + 3 * 8;
  expect_success(tessera_upscale(upscaler.it, &from, &to, nullptr, nullptr));
  const Picture expected = expected_of(picture);
  std::vector<float> got(static_cast<size_t>(canvas.width)), wanted(static_cast<size_t>(expected.width));
  for (int64_t y = 0; y < canvas.height; ++y)
    for (int c = 0; c < 4; ++c) {
      const bool inside = y >= 5 && y < 5 + expected.height && c < 3;
      canvas.load(0, y, canvas.width, c, got.data());
      if (inside) expected.load(0, y - 5, expected.width, c, wanted.data());
      for (int64_t x = 0; x < canvas.width; ++x) {
        const bool here = inside && x >= 3 && x < 3 + expected.width;
        ASSERT_EQ(got[static_cast<size_t>(x)], here ? wanted[static_cast<size_t>(x - 3)] : 0.0f) << x << "," << y;
      }
    }
  // And out as floats.
  std::vector<float> out(static_cast<size_t>(4 * plane * 3));
  tessera_picture result = from;
  result.width = 2 * width;
  result.height = 2 * height;
  result.data = out.data();
  result.row_stride = result.pixel_stride = result.channel_stride = 0;
  expect_success(tessera_upscale(upscaler.it, &from, &result, nullptr, nullptr));
  expected.load(0, 0, expected.width, 1, wanted.data());
  for (int64_t x = 0; x < expected.width; ++x)
    EXPECT_EQ(out[static_cast<size_t>(3 * x + 1)], wanted[static_cast<size_t>(x)]);
}

TEST(UpscaleCApi, a_part_has_the_bits_of_the_whole) {
  const Upscaler upscaler(32);
  const Picture picture = noise(140, 110, 3);
  for (const int64_t times : {2, 3}) {
    Picture whole = blank(140 * times, 110 * times, 3), part = blank(71, 45, 3);
    const tessera_picture from = plain(picture);
    tessera_picture to = plain(whole);
    tessera_upscale_options options;
    TESSERA_INIT(&options);
    options.width = to.width;
    options.height = to.height;
    tessera_upscale_report *of_whole = nullptr, *of_part = nullptr;
    expect_success(tessera_upscale(upscaler.it, &from, &to, &options, &of_whole));
    to = plain(part);
    options.x = 150;
    options.y = 90;
    expect_success(tessera_upscale(upscaler.it, &from, &to, &options, &of_part));
    for (int64_t y = 0; y < part.height; ++y)
      ASSERT_EQ(std::memcmp(part.row(y), whole.row(90 + y) + 150 * 3, static_cast<size_t>(part.row_bytes())), 0) << y;
    tessera_upscale_summary a, b;
    TESSERA_INIT(&a);
    TESSERA_INIT(&b);
    expect_success(tessera_upscale_report_get(of_whole, &a));
    expect_success(tessera_upscale_report_get(of_part, &b));
    EXPECT_LT(b.windows, a.windows / 2);
    tessera_upscale_report_free(of_whole);
    tessera_upscale_report_free(of_part);
    options.x = to.width;
    options.x = 140 * times - 70;
    expect_failure(tessera_upscale(upscaler.it, &from, &to, &options, nullptr), TESSERA_USAGE, "there is no part");
  }
}

TEST(UpscaleCApi, tells_progress_and_stops) {
  const Upscaler upscaler(32);
  const Picture picture = noise(100, 100, 3);
  Picture result = blank(200, 200, 3);
  const tessera_picture from = plain(picture), to = plain(result);
  std::vector<double> told;
  tessera_upscale_options options;
  TESSERA_INIT(&options);
  options.context = &told;
  options.progress = [](void* context, double done) {
    static_cast<std::vector<double>*>(context)->push_back(done);
    return 0;
  };
  expect_success(tessera_upscale(upscaler.it, &from, &to, &options, nullptr));
  ASSERT_GT(told.size(), 3u);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(told.back(), 1);
  options.progress = [](void* context, double) {
    static_cast<std::vector<double>*>(context)->push_back(2);
    return 1;
  };
  told.clear();
  tessera_upscale_report* report = nullptr;
  expect_failure(tessera_upscale(upscaler.it, &from, &to, &options, &report), TESSERA_CANCELLED, "cancelled");
  EXPECT_EQ(report, nullptr);
  EXPECT_EQ(told.size(), 1u);
  options.progress = nullptr;
  tessera_cancel* cancel = nullptr;
  ASSERT_EQ(tessera_cancel_create(&cancel), nullptr);
  options.cancel = cancel;
  expect_success(tessera_upscale(upscaler.it, &from, &to, &options, nullptr));
  tessera_cancel_request(cancel);
  expect_failure(tessera_upscale(upscaler.it, &from, &to, &options, nullptr), TESSERA_CANCELLED, "cancelled");
  tessera_cancel_free(cancel);
}

TEST(UpscaleCApi, serves_many_threads) {
  const Upscaler upscaler(32);
  const Picture picture = noise(70, 50, 3);
  const Picture expected = expected_of(picture, 32);
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      Picture result = blank(140, 100, 3);
      const tessera_picture from = plain(picture), to = plain(result);
      for (int round = 0; round < 3; ++round) {
        expect_success(tessera_upscale(upscaler.it, &from, &to, nullptr, nullptr));
        EXPECT_TRUE(result.samples == expected.samples);
      }
    });
  for (std::thread& caller : callers) caller.join();
}

// Where no model is named, each picture gets the one for what it shows and for the size of its result.
TEST(UpscaleCApi, chooses_a_model_as_the_command_does) {
  const auto picture_of = [](const auto& gray) {
    Picture picture = blank(96, 96, 3);
    for (int64_t y = 0; y < 96; ++y)
      for (int64_t x = 0; x < 96; ++x)
        for (int64_t c = 0; c < 3; ++c) picture.row(y)[3 * x + c] = static_cast<std::byte>(gray(x, y));
    return picture;
  };
  const Picture bars = picture_of([](int64_t x, int64_t y) {
    const int64_t place = (x + y / 12 * 3) % 7;
    return y % 12 > 8 || place > 1 ? 255 : place == 0 ? 20 : 130;
  });
  const Picture waves = picture_of([](int64_t x, int64_t y) {
    const auto wave = [](int64_t at, double length) { return static_cast<double>(at) / length; };
    return static_cast<int>(128 + 60 * std::sin(wave(x, 2.3) + wave(y, 5)) * std::cos(wave(y, 2.9))) +
           static_cast<int>((x * 37 + y * 91) % 17);
  });
  const tessera_upscaler_options options = on_cpu();
  tessera_upscaler* upscaler = nullptr;
  expect_success(tessera_upscaler_open(nullptr, &options, &upscaler));
  const auto model_for = [&](const Picture& picture, int64_t scale, Picture& result) {
    result = blank(picture.width * scale, picture.height * scale, 3);
    const tessera_picture from = plain(picture), to = plain(result);
    tessera_upscale_options how;
    TESSERA_INIT(&how);
    how.width = result.width, how.height = result.height;
    tessera_upscale_report* report = nullptr;
    expect_success(tessera_upscale(upscaler, &from, &to, &how, &report));
    tessera_upscale_summary summary;
    TESSERA_INIT(&summary);
    expect_success(tessera_upscale_report_get(report, &summary));
    const std::string model = summary.model;
    tessera_upscale_report_free(report);
    return model;
  };
  Picture result;
  EXPECT_EQ(model_for(bars, 2, result), "art-x2");
  EXPECT_EQ(model_for(bars, 4, result), "art-x2");
  EXPECT_EQ(model_for(waves, 4, result), "photo-x4");
  EXPECT_EQ(model_for(waves, 2, result), "photo-x2");
  EXPECT_TRUE(result.samples == expected_of(waves).samples);
  tessera_upscaler_free(upscaler);
}

#ifdef TESSERA_VULKAN
class UpscaleCApiOnDevice : public test::VulkanDevice {};

// A device and the CPU share the windows; they may differ by the rounding of a level.
TEST_F(UpscaleCApiOnDevice, shares_windows_among_devices) {
  tessera_upscaler_options options = on_cpu(32);
  options.devices = "vulkan:0,cpu";
  tessera_upscaler* upscaler = nullptr;
  expect_success(tessera_upscaler_open("photo-x2", &options, &upscaler));
  EXPECT_STREQ(tessera_upscaler_device(upscaler, 0), "vulkan:0");
  EXPECT_STREQ(tessera_upscaler_device(upscaler, 1), "cpu");
  const Picture picture = noise(100, 60, 3);
  const Picture expected = expected_of(picture, 32);
  Picture result = blank(200, 120, 3);
  const tessera_picture from = plain(picture), to = plain(result);
  expect_success(tessera_upscale(upscaler, &from, &to, nullptr, nullptr));
  tessera_upscaler_free(upscaler);
  int worst = 0;
  for (size_t i = 0; i < result.samples.size(); ++i)
    worst =
        std::max(worst, std::abs(std::to_integer<int>(result.samples[i]) - std::to_integer<int>(expected.samples[i])));
  EXPECT_LE(worst, 1);
}
#endif

TEST(UpscaleCApi, forecasts) {
  const Upscaler upscaler(64);
  const Picture picture = noise(300, 150, 3);
  tessera_upscale_forecast forecast;
  TESSERA_INIT(&forecast);
  expect_success(tessera_upscaler_forecast(upscaler.it, 300, 150, 3, &forecast));
  EXPECT_GT(forecast.windows, 4);
  EXPECT_GT(forecast.run_bytes, 64 * 64 * 4);
  EXPECT_GT(forecast.weight_bytes, 100000);
  EXPECT_GT(forecast.seconds, 0);
  Picture result = blank(600, 300, 3);
  const tessera_picture from = plain(picture), to = plain(result);
  tessera_upscale_report* report = nullptr;
  expect_success(tessera_upscale(upscaler.it, &from, &to, nullptr, &report));
  tessera_upscale_summary summary;
  TESSERA_INIT(&summary);
  expect_success(tessera_upscale_report_get(report, &summary));
  EXPECT_EQ(forecast.windows, summary.windows);
  EXPECT_EQ(forecast.window_width, summary.window_width);
  tessera_upscale_report_free(report);
}

TEST(UpscaleCApi, says_what_is_wrong) {
  const Upscaler upscaler;
  Picture picture = noise(8, 8, 3), result = blank(16, 16, 3), gray = blank(16, 16, 1);
  const tessera_picture from = plain(picture), to = plain(result), other = plain(gray);
  const auto run = [&](const tessera_picture* a, const tessera_picture* b) {
    return tessera_upscale(upscaler.it, a, b, nullptr, nullptr);
  };
  expect_failure(run(nullptr, &to), TESSERA_USAGE, "NULL");
  expect_failure(tessera_upscale(nullptr, &from, &to, nullptr, nullptr), TESSERA_USAGE, "NULL");
  expect_failure(run(&from, &other), TESSERA_USAGE, "the result has 3 channels, and the caller's picture 1");
  tessera_picture wrong = from;
  wrong.struct_size = 0;
  expect_failure(run(&wrong, &to), TESSERA_USAGE, "tessera_picture.struct_size is 0");
  wrong = from;
  wrong.dtype = TESSERA_FLOAT64;
  expect_failure(run(&wrong, &to), TESSERA_USAGE, "uint8, uint16 or float32");
  wrong = from;
  wrong.width = 0;
  expect_failure(run(&wrong, &to), TESSERA_USAGE, "0x8 pixels cannot be");
  wrong = from;
  wrong.data = nullptr;
  expect_failure(run(&wrong, &to), TESSERA_USAGE, "no data");
  wrong = from;
  wrong.dtype = TESSERA_UINT16;
  wrong.pixel_stride = 3;
  expect_failure(run(&wrong, &to), TESSERA_USAGE, "a stride of 3 bytes");

  tessera_upscaler* none = nullptr;
  tessera_upscaler_options options = on_cpu();
  expect_failure(tessera_upscaler_open("/nonexistent/x.onnx", &options, &none), TESSERA_FILE, "/nonexistent/x.onnx");
  options.devices = "abacus";
  expect_failure(tessera_upscaler_open(nullptr, &options, &none), TESSERA_USAGE, "abacus");
  options = on_cpu(8);
  expect_failure(tessera_upscaler_open(nullptr, &options, &none), TESSERA_USAGE, "at least 32");
  options = on_cpu();
  options.range = "dark";
  expect_failure(tessera_upscaler_open(nullptr, &options, &none), TESSERA_USAGE, "dark");
  options = on_cpu();
  options.order = "gbr";
  expect_failure(tessera_upscaler_open(nullptr, &options, &none), TESSERA_USAGE, "gbr");
  const tessera_fixed_input volume{"volume", 1};
  options = on_cpu();
  options.fixed = &volume;
  options.fixed_count = 1;
  expect_failure(tessera_upscaler_open(nullptr, &options, &none), TESSERA_USAGE, "no input \"volume\"");
  options = on_cpu();
  options.name = "torn";
  const List<std::byte> bytes = bundled_model("")->bytes;
  expect_failure(tessera_upscaler_open_memory(bytes.data(), bytes.size() / 2, &options, &none), TESSERA_MODEL, "torn");
  EXPECT_EQ(none, nullptr);
  expect_success(tessera_upscaler_open_memory(bytes.data(), bytes.size(), &options, &none));
  expect_success(tessera_upscale(none, &from, &to, nullptr, nullptr));
  tessera_upscaler_free(none);
}

}  // namespace
}  // namespace tessera::upscale
