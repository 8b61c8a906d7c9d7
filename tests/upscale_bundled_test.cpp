// The bundled models: each is what its card says, and better than bicubic on what it is for.
#include <cmath>
#include <random>
#include <regex>
#include <set>

#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "upscale/codecs/files.h"
#include "upscale/knowledge.h"
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

namespace fs = std::filesystem;

const fs::path models_folder = fs::path(test::source_dir()) / "models";

/// A drawing without pixels: rings, hatched squares, strokes and waves on a soft ground, in 0..1.
class Scene {
 public:
  explicit Scene(uint32_t seed) : engine_(seed) {
    for (Thing& thing : things_) {
      thing = {of(0, 1), of(0, 1), of(0.04, 0.22), of(0, 6.3), of(60, 180), {}, static_cast<int>(of(0, 4))};
      for (double& part : thing.color) part = of(0, 1);
    }
  }

  /// `size` x `size` pixels, each the mean of 6 x 6 places: made twice as small it is the scene at half its size.
  Picture drawn(int64_t size) const {
    Picture picture = blank(size, size, 3);
    constexpr int fine = 6;
    for (int64_t y = 0; y < size; ++y)
      for (int64_t x = 0; x < size; ++x) {
        std::array<double, 3> sum = {};
        for (int i = 0; i < fine * fine; ++i) {
          const auto place = [&](int64_t at, int part) {
            return (static_cast<double>(at) + (part + 0.5) / fine) / static_cast<double>(size);
          };
          const std::array<double, 3> color = at(place(x, i % fine), place(y, i / fine));
          for (size_t c = 0; c < 3; ++c) sum[c] += color[c];
        }
        for (size_t c = 0; c < 3; ++c)
          picture.samples[static_cast<size_t>(y * size + x) * 3 + c] =
              static_cast<std::byte>(std::lround(255 * sum[c] / (fine * fine)));
      }
    return picture;
  }

 private:
  struct Thing {
    double x = 0, y = 0, radius = 0, turn = 0, waves = 0;
    std::array<double, 3> color = {};
    int kind = 0;

    bool covers(double px, double py) const {
      const double u = (px - x) * std::cos(turn) + (py - y) * std::sin(turn);
      const double v = (py - y) * std::cos(turn) - (px - x) * std::sin(turn);
      if (kind == 0) return std::abs(std::hypot(u, v) - radius) < 0.008;                             // a ring
      if (kind == 1) return std::max(std::abs(u), std::abs(v)) < radius && std::sin(waves * u) > 0;  // hatched
      if (kind == 2) return std::abs(v) < 0.006 && std::abs(u) < 2 * radius;                         // a stroke
      return std::hypot(u, v) < radius / 2;                                                          // a disc
    }
  };

  double of(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine_); }
  std::array<double, 3> at(double x, double y) const {
    const double soft = 0.75 + 0.1 * std::sin(9 * x + 4 * y) + 0.1 * std::cos(7 * y - 5 * x * x);
    std::array<double, 3> color = {soft, soft * 0.95, soft * 0.9};
    for (const Thing& thing : things_)
      if (thing.covers(x, y)) color = thing.color;
    return color;
  }

  std::mt19937 engine_;
  std::array<Thing, 24> things_;
};

/// Of luma, without the pixels along the border.
double decibels(const Picture& a, const Picture& b) {
  static constexpr double weights[] = {65.481 / 255, 128.553 / 255, 24.966 / 255};
  double sum = 0;
  std::vector<float> p(static_cast<size_t>(a.width)), q(p);
  for (int64_t y = 4; y < a.height - 4; ++y) {
    std::vector<double> differences(p.size());
    for (int c = 0; c < 3; ++c) {
      a.load(0, y, a.width, c, p.data());
      b.load(0, y, b.width, c, q.data());
      for (size_t x = 0; x < p.size(); ++x) differences[x] += weights[c] * static_cast<double>(p[x] - q[x]);
    }
    for (size_t x = 4; x + 4 < p.size(); ++x) sum += differences[x] * differences[x];
  }
  return -10 * std::log10(sum / static_cast<double>((a.width - 8) * (a.height - 8)));
}

/// As a small JPEG of a noisy camera comes.
Picture worn(Picture picture) {
  std::mt19937 engine(5);
  std::normal_distribution<double> noise(0, 6);
  for (std::byte& sample : picture.samples)
    sample = static_cast<std::byte>(std::clamp(std::lround(std::to_integer<int>(sample) + noise(engine)), 0L, 255L));
  std::vector<std::string> notes;
  return decode(encode(picture, Format::jpeg, {.quality = 40}, notes));
}

struct Bundled : testing::TestWithParam<BundledModel> {
  std::string note, device;
  std::unique_ptr<Upsampler> model;
  const std::string name{GetParam().name};
  const int scale = name.find("-x4") == std::string::npos ? 2 : 4;

  void SetUp() override {
    ModelOptions options;
    options.device = "cpu";
    model = open_upsampler(name, options, nullptr, note, device);
  }
  std::string card() const {
    std::ifstream file(models_folder / (name + ".md"));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// The figure in the card that is behind these words.
  double claimed(const std::string& words) const {
    std::smatch found;
    const std::string text = card();
    if (!std::regex_search(text, found, std::regex(words + "\\*\\*([0-9.]+) dB\\*\\*"))) return NAN;
    return std::stod(found[1]);
  }
  Picture upscaled(const Picture& picture) const {
    Report report;
    return Tiler(*model, {}).upscale(picture, report);
  }
};

TEST_P(Bundled, opens_as_what_it_is) {
  const Knowledge found = know(*model, {});
  EXPECT_EQ(found.convention.scale, scale);
  EXPECT_EQ(found.convention.channels, 3);
  EXPECT_EQ(found.convention.multiple, 1);
  EXPECT_EQ(found.convention.in_levels[0], (Levels{0, 1}));
  EXPECT_EQ(warning_of(found), "");
  std::map<std::string, std::string> said;
  for (const auto& [key, value] : model->metadata()) said[key] = value;
  EXPECT_EQ(said["name"], name);
  EXPECT_EQ(said["licence"], "Apache-2.0");
}

TEST_P(Bundled, is_as_much_better_than_bicubic_as_its_card_says) {
  double ours = 0, bicubic = 0;
  for (const uint32_t seed : {1u, 2u, 3u}) {
    const int64_t size = 160;
    const Scene scene(seed);
    const Picture high = scene.drawn(size);
    Picture low =
        name == "art-x2" ? scene.drawn(size / scale) : resize(high, size / scale, size / scale, Filter::bicubic);
    if (name == "photo-x2-clean") low = worn(low);
    ours += decibels(upscaled(low), high) / 3;
    bicubic += decibels(resize(low, size, size, Filter::bicubic), high) / 3;
  }
  std::printf("%s: %.2f dB, bicubic %.2f dB\n", name.c_str(), ours, bicubic);
  const double claim = claimed("drawn by its tests[^*]*");
  EXPECT_GE(claim, 0.5);
  EXPECT_GE(ours - bicubic, claim);
}

// Whatever a user brings: JPEGs as they lie about too.
TEST_P(Bundled, is_better_than_bicubic_on_photos_and_on_their_jpegs) {
  TESSERA_REQUIRE_SHARED(data);
  for (const char* photo : {"1.png", "13.png", "19.png"}) {
    const Picture high = decode(read_file(data / "images" / "kodak" / photo));
    const Picture low = resize(high, high.width / scale, high.height / scale, Filter::bicubic);
    for (const int quality : {0, 75, 50, 30}) {
      std::vector<std::string> notes;
      const Picture given = quality ? decode(encode(low, Format::jpeg, {.quality = quality}, notes)) : low;
      const double bicubic = decibels(resize(given, high.width, high.height, Filter::bicubic), high);
      EXPECT_GT(decibels(upscaled(given), high), bicubic) << photo << " at " << quality;
    }
  }
}

// Of larger windows, less stays in near caches than is saved where they overlap.
TEST_P(Bundled, windows_are_as_large_as_their_overlap_asks) {
  const Tiler::Forecast found = Tiler(*model, {}).forecast(1920, 1080);
  EXPECT_GE(found.window_width * found.window_height, 256 * 256);
  EXPECT_LE(found.window_width * found.window_height, 768 * 768);
}

// Where nothing is, nothing is added.
TEST_P(Bundled, keeps_what_is_flat) {
  for (const int level : {0, 1, 128, 254, 255}) {
    Picture flat = blank(24, 24, 3);
    for (std::byte& sample : flat.samples) sample = static_cast<std::byte>(level);
    int worst = 0;
    for (const std::byte sample : upscaled(flat).samples)
      worst = std::max(worst, std::abs(std::to_integer<int>(sample) - level));
    EXPECT_LE(worst, 4) << level;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Bundled, testing::ValuesIn(bundled_models()), [](const auto& info) {
  std::string name(info.param.name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(BundledModels, are_the_files_in_the_models_folder_and_small) {
  size_t bytes = 0;
  std::set<std::string> names, files;
  for (const BundledModel& model : bundled_models()) {
    names.insert(std::string(model.name));
    bytes += model.bytes.size();
    EXPECT_EQ(bundled_model(model.name), &model);
  }
  for (const auto& entry : fs::directory_iterator(models_folder))
    if (entry.path().extension() == ".onnx") files.insert(entry.path().stem().string());
  EXPECT_EQ(names, files);
  EXPECT_LE(bytes, 2'000'000u);
  EXPECT_EQ(bundled_model(""), &bundled_models()[0]);
  EXPECT_EQ(bundled_model("photo-x3"), nullptr);
}

}  // namespace
}  // namespace tessera::upscale
