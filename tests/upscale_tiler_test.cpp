// Tiling, conventions and colors of the image pipeline, with upsamplers made of a few lines.
#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "tests/upscale_sessions.h"
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

/// A model whose every result pixel is a mean over a (2r+1)^2 neighbourhood of the input, zeros
/// outside of the picture, as a padded convolution has them.
struct Blur : Upsampler {
  int64_t scale = 2, radius = 2, multiple = 1, lost = 0, fixed = 0, lost_end = 0;
  int channels = 3;
  bool packed = false;
  DType dtype = DType::float32;
  float factor = 1, in_factor = 1;
  float steps = 0;          ///< results are multiples of it
  float spoil = 0;          ///< replaces one result sample of every run
  int64_t most_pixels = 0;  ///< there is no memory for more; 0: always enough
  mutable int runs = 0;
  mutable std::vector<Shape> seen;
  std::vector<Port> ports = {{}};

  List<Port> inputs() const override {
    Port port;
    port.name = "in";
    const int64_t size = fixed ? fixed : -1;
    port.type = {dtype, packed ? Shape{-1, size, size, channels} : Shape{-1, channels, size, size}};
    port.ranked = true;
    const_cast<Blur*>(this)->ports = {port};
    return ports;
  }
  List<Port> outputs() const override { return ports; }
  int64_t extent(int64_t in) const { return in * scale - 2 * lost - lost_end; }

  std::vector<Type> output_types(const Type& input) const override { return {output_type(input)}; }
  virtual Type output_type(const Type& input) const {
    const int64_t height = input.shape[packed ? 1 : 2], width = input.shape[packed ? 2 : 3];
    if (input.shape[packed ? 3 : 1] != channels) fail(Error::Kind::shape, "wrong channels");
    if (width % multiple || height % multiple) fail(Error::Kind::shape, "not a multiple of ", multiple);
    if (fixed && (width != fixed || height != fixed)) fail(Error::Kind::shape, "only ", fixed);
    return {dtype, packed ? Shape{1, extent(height), extent(width), channels}
                          : Shape{1, channels, extent(height), extent(width)}};
  }

  std::vector<Tensor> run(const Tensor& input) const override {
    ++runs;
    const Type type = output_type(input.type);
    seen.push_back(input.type.shape);
    const Tensor output = Tensor::make(type);
    const int64_t height = input.type.shape[packed ? 1 : 2], width = input.type.shape[packed ? 2 : 3];
    if (most_pixels && width * height > most_pixels) {
      if (runs % 2) throw std::bad_alloc();
      fail(Error::Kind::memory, "a run needs too much");
    }
    const std::vector<double> samples = test::elements(to_runtime(input));
    const auto index = [&](int64_t c, int64_t y, int64_t x, int64_t h, int64_t w) {
      return packed ? (y * w + x) * channels + c : (c * h + y) * w + x;
    };
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t oy = 0; oy < extent(height); ++oy)
        for (int64_t ox = 0; ox < extent(width); ++ox) {
          const int64_t y = (oy + lost) / scale, x = (ox + lost) / scale;
          float sum = 0;
          for (int64_t dy = -radius; dy <= radius; ++dy)
            for (int64_t dx = -radius; dx <= radius; ++dx) {
              if (y + dy < 0 || y + dy >= height || x + dx < 0 || x + dx >= width) continue;
              sum += static_cast<float>(samples[static_cast<size_t>(index(c, y + dy, x + dx, height, width))]);
            }
          const float phase = 1.0f + 0.01f * static_cast<float>((ox + lost) % scale);
          float result = sum * in_factor * factor * phase / static_cast<float>((2 * radius + 1) * (2 * radius + 1));
          if (steps > 0) result = std::round(result / steps) * steps;
          set_element(output.view(), index(c, oy, ox, extent(height), extent(width)), result);
        }
    if (spoil != 0) set_element(output.view(), 0, spoil);
    return {output};
  }
  int64_t run_bytes(const Type& input) const override { return input.bytes() * 100; }
};

TilerOptions tiles(int64_t tile, int64_t overlap) {
  TilerOptions options;
  options.tile = tile;
  options.overlap = overlap;
  return options;
}

Picture upscale_with(const Upsampler& model, const Picture& picture, const TilerOptions& options = {}) {
  Report report;
  return Tiler(model, options).upscale(picture, report);
}

TEST(UpscaleTiling, covers_every_pixel_once_with_windows_of_one_size) {
  for (const int64_t multiple : {1, 2, 4, 8})
    for (const int64_t lost : {0, 7, 36})
      for (const int64_t extent : {1, 2, 5, 31, 32, 33, 64, 97, 200, 311})
        for (const int64_t largest : {0, 40, 100, 130}) {
          AxisRules rules;
          rules.scale = 2;
          rules.lost_before = rules.lost_after = lost;
          rules.multiple = multiple;
          rules.align = multiple;
          rules.overlap = (19 + multiple - 1) / multiple * multiple;
          const std::vector<Span> spans = divide(extent, largest, rules);
          int64_t next = 0;
          for (const Span& span : spans) {
            SCOPED_TRACE(cat("extent ", extent, " largest ", largest, " multiple ", multiple, " lost ", lost));
            EXPECT_EQ(span.keep, next);
            next = span.keep + span.kept;
            EXPECT_EQ(span.size, spans[0].size);
            EXPECT_EQ(span.size % multiple, 0);
            EXPECT_EQ((span.start + rules.before()) % multiple, 0);
            EXPECT_GE(span.start, -rules.before());
            EXPECT_LE(span.start + span.size, rules.padded(extent) - rules.before());
            EXPECT_TRUE(span.start == -rules.before() || span.keep - span.start >= rules.overlap);
            EXPECT_TRUE(next == extent || span.start + span.size - next >= rules.overlap);
            EXPECT_GE(span.keep - span.start, rules.before());
            EXPECT_GE(span.start + span.size - next, rules.after());
          }
          EXPECT_EQ(next, extent);
        }
}

TEST(UpscaleTiler, tiles_and_the_whole_have_the_same_bits) {
  for (const int64_t multiple : {1, 4})
    for (const int64_t lost : {0, 6}) {
      Blur model;
      model.radius = 5;
      model.multiple = multiple;
      model.lost = lost;
      const Picture picture = noise(151, 97, 3, 16);
      const Picture whole = upscale_with(model, picture);
      Report report;
      const Picture tiled = Tiler(model, tiles(32, 5)).upscale(picture, report);
      EXPECT_EQ(whole.samples, tiled.samples);
      EXPECT_EQ(whole.width, 302);
      EXPECT_EQ(whole.height, 194);
      EXPECT_GT(report.windows, 6);
      for (int64_t i = 1; i < report.windows; ++i)
        EXPECT_EQ(model.seen[model.seen.size() - static_cast<size_t>(i)], model.seen.back());
    }
}

TEST(UpscaleTiler, verify_tiles_measures_seams) {
  Blur model;
  model.radius = 14;
  const Picture picture = noise(96, 70, 3);
  for (const int64_t overlap : {2, 14}) {
    TilerOptions options = tiles(32, overlap);
    options.convention.in = {{0, 1}};
    options.verify_tiles = true;
    Report report;
    Tiler(model, options).upscale(picture, report);
    EXPECT_EQ(report.tile_difference > 0.0001, overlap < 14);
    EXPECT_TRUE(overlap < 14 || report.tile_difference == 0);
  }
}

TEST(UpscaleConvention, is_found_from_the_model) {
  for (const int64_t scale : {1, 2, 3, 4})
    for (const int channels : {1, 3, 4})
      for (const bool packed : {false, true})
        for (const int64_t multiple : {1, 2, 8, 12}) {
          Blur model;
          model.radius = 0;
          model.scale = scale;
          model.channels = channels;
          model.packed = packed;
          model.multiple = multiple;
          const Convention found = discover(model);
          EXPECT_EQ(found.scale, scale);
          EXPECT_EQ(found.channels, channels);
          EXPECT_EQ(found.in.channel, packed ? 3 : 1);
          EXPECT_EQ(found.multiple, multiple);
          EXPECT_EQ(found.out_levels[0].white, 1);
        }
}

TEST(UpscaleConvention, sees_lost_borders_and_fixed_sizes) {
  Blur model;
  model.lost = 7;
  Convention found = discover(model);
  EXPECT_EQ(found.lost_before, 7);
  EXPECT_EQ(found.lost_after, 7);
  model.lost = 0;
  model.lost_end = 1;  // as a transposed convolution without output padding
  found = discover(model);
  EXPECT_EQ(found.lost_before, 0);
  EXPECT_EQ(found.lost_after, 1);
  model.lost_end = 0;
  model.lost = 14;
  model.fixed = 156;
  found = discover(model);
  EXPECT_EQ(found.fixed_width, 156);
  EXPECT_EQ(found.scale, 2);
  EXPECT_EQ(found.lost_before, 14);
}

TEST(UpscaleConvention, sees_where_white_is) {
  Blur model;
  model.factor = 255;
  EXPECT_EQ(discover(model).out_levels[0].white, 255);
  model.in_factor = 1.0f / 255;
  model.factor = 1;
  EXPECT_EQ(discover(model).in_levels[0].white, 255);
  EXPECT_EQ(discover(model).out_levels[0].white, 1);
  model.in_factor = 1;
  model.steps = 4;  // a quantised model of 0..255 sees nothing of 0..1
  EXPECT_EQ(discover(model).in_levels[0].white, 255);
  EXPECT_EQ(discover(model).out_levels[0].white, 255);
  model.steps = 0;
  model.dtype = DType::uint8;
  EXPECT_EQ(discover(model).in_levels[0].white, 255);
  EXPECT_EQ(discover(model).out_levels[0].white, 255);
  EXPECT_EQ(discover(model, {.in = {{0, 1}}}).in_levels[0].white, 1);
}

/// Answers by a formula for each sample, at twice the size.
struct Formula : Blur {
  std::function<float(float sample, int channel)> of;
  int64_t surplus = 0;                                         ///< pixels that the result has more at each border
  int64_t least = 1;                                           ///< sides that it takes
  int out_channels = 0;                                        ///< 0: as many as it takes
  std::vector<std::pair<std::string, std::string>> said = {};  ///< metadata
  Formula() { radius = 0; }
  std::vector<std::pair<std::string, std::string>> metadata() const override { return said; }
  Type output_type(const Type& input) const override {
    Type type = Blur::output_type(input);
    if (std::min(input.shape[2], input.shape[3]) < least) fail(Error::Kind::shape, "a pool does not fit");
    type.shape[2] += 2 * surplus;
    type.shape[3] += 2 * surplus;
    if (out_channels) type.shape[1] = out_channels;
    return type;
  }
  std::vector<Tensor> run(const Tensor& input) const override {
    const Tensor output = Tensor::make(output_type(input.type));
    const Shape& to = output.type.shape;
    const int64_t height = input.type.shape[2], width = input.type.shape[3];
    for (int64_t i = 0; i < to.elements(); ++i) {
      const int64_t x = std::clamp<int64_t>((i % to[3] - surplus) / 2, 0, width - 1);
      const int64_t y = std::clamp<int64_t>((i / to[3] % to[2] - surplus) / 2, 0, height - 1);
      const int64_t c = i / (to[2] * to[3]), from = std::min<int64_t>(c, channels - 1);
      const double sample = element_as_double(input.view(), (from * height + y) * width + x);
      set_element(output.view(), i, static_cast<double>(of(static_cast<float>(sample), static_cast<int>(c))));
    }
    return {output};
  }
};

TEST(UpscaleConvention, is_found_by_the_answer_to_a_picture) {
  struct Range {
    const char* what;
    Levels in, out;
    std::function<float(float)> of;
  };
  const Range ranges[] = {
      {"a third of a level too bright", {0, 255}, {0, 255}, [](float v) { return v + 0.3f; }},
      {"a third of a level too dark", {0, 255}, {0, 255}, [](float v) { return v - 0.3f; }},
      {"clipped to 0..255", {0, 255}, {0, 255}, [](float v) { return std::clamp(std::round(v), 0.0f, 255.0f); }},
      {"16 levels of -1..1", {-1, 1}, {-1, 1}, [](float v) { return std::round(v * 7.5f) / 7.5f; }},
      {"the identity", {0, 1}, {0, 1}, [](float v) { return v; }},
      {"clipped to 0..1", {0, 1}, {0, 1}, [](float v) { return std::clamp(v, 0.0f, 1.0f); }},
      {"from 0..1 to 0..255", {0, 1}, {0, 255}, [](float v) { return 255 * v; }},
      {"from 0..1 to -1..1", {0, 1}, {-1, 1}, [](float v) { return 2 * std::clamp(v, 0.0f, 1.0f) - 1; }},
  };
  for (const Range& range : ranges) {
    Formula model;
    model.of = [&](float v, int) { return range.of(v); };
    const Convention found = discover(model);
    EXPECT_EQ(found.in_levels[0], range.in) << range.what;
    EXPECT_EQ(found.out_levels[0], range.out) << range.what;
  }
}

TEST(UpscaleConvention, asks_where_the_answer_does_not_tell) {
  Formula model;
  model.of = [](float v, int) { return 128 + 100 * std::sin(v * 40); };
  try {
    discover(model);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::unsupported);
    EXPECT_NE(Text(error.what()).find("--range"), Text::npos) << error.what();
  }
  const Convention told = discover(model, {.in = parse_levels("0:255")});
  EXPECT_EQ(told.out_levels[2].white, 255);
  model.of = [](float, int) { return 0.0f; };
  try {
    discover(model);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::device);
  }
}

TEST(UpscaleConvention, reads_ranges) {
  EXPECT_EQ(parse_levels("-1:1"), (std::vector<Levels>{{-1, 1}}));
  EXPECT_EQ(parse_levels("-2.1:2.2,0:1,0:255").size(), 3u);
  for (const char* bad : {"", "1", "0:1,0:1", "0:x", "1:1", "0:1,", "0:nan", "0:1,0:1,0:1,0:1,0:1"})
    EXPECT_THROW(parse_levels(bad), Error) << bad;
}

TEST(UpscaleConvention, is_read_from_the_file) {
  Formula model;
  model.of = [](float v, int c) { return c == 0 ? 0 : v; };  // the first color is lost
  model.said = {{"Image.BitmapPixelFormat", "Bgr8"}, {"Image.NominalPixelRange", "NominalRange_0_255"}};
  const Convention found = discover(model);
  EXPECT_TRUE(found.bgr);
  EXPECT_EQ(found.in_levels[0].white, 255);
  EXPECT_FALSE(discover(model, {.order_known = true}).bgr);
  const Picture result = upscale_with(model, noise(20, 20, 3));
  const auto [low, high] = result.range(2);
  EXPECT_EQ(high, 0);  // blue
  EXPECT_GT(result.range(0).second, 0);
}

TEST(UpscaleTiler, light_is_linear_where_the_file_says_so) {
  Formula model;
  model.of = [](float v, int) { return v / 2; };  // half the light
  model.said = {{"Image.ColorSpaceGamma", "Linear"}, {"Image.NominalPixelRange", "NominalRange_0_1"}};
  Picture picture = noise(9, 9, 3);
  std::fill(picture.samples.begin(), picture.samples.end(), std::byte{188});  // half of white's light
  picture.samples[0] = std::byte{180};
  const Picture result = upscale_with(model, picture);
  EXPECT_EQ(std::to_integer<int>(result.row(5)[5]), 137);  // a quarter of it
}

TEST(UpscaleTiler, a_larger_result_is_cropped_where_it_belongs) {
  Formula model;
  model.of = [](float v, int) { return v; };
  const Picture picture = noise(31, 23, 3), expected = upscale_with(model, picture);
  for (const int64_t surplus : {1, 3}) {
    model.surplus = surplus;
    for (const int64_t tile : {0, 32})
      EXPECT_EQ(upscale_with(model, picture, tiles(tile, 4)).samples, expected.samples);
  }
}

TEST(UpscaleTiler, small_pictures_are_continued_to_what_the_model_takes) {
  Formula model;
  model.of = [](float v, int) { return v; };
  model.least = 15;
  for (const int64_t width : {1, 3, 14, 40}) {
    const Picture result = upscale_with(model, noise(width, 5, 3));
    EXPECT_EQ(result.width, 2 * width);
    EXPECT_EQ(result.height, 10);
  }
}

TEST(UpscaleTiler, colors_may_come_from_gray) {
  Formula model;
  model.channels = 1;
  model.out_channels = 3;
  model.of = [](float v, int c) { return v * static_cast<float>(10 - c) / 10; };
  for (const int channels : {1, 2, 3, 4}) {
    const Picture result = upscale_with(model, noise(20, 20, channels));
    EXPECT_EQ(result.channels, channels % 2 ? 3 : 4);
    EXPECT_GT(result.range(0).second, result.range(2).second);
  }
}

TEST(UpscaleTiler, black_for_what_is_not_black_is_an_error) {
  const auto even = [](int value, int other) {
    Picture picture = noise(16, 16, 3);
    std::fill(picture.samples.begin(), picture.samples.end(), static_cast<std::byte>(value));
    picture.samples[100] = static_cast<std::byte>(other);
    return picture;
  };
  bool failed = false;
  Formula model;
  model.of = [&](float v, int) { return failed ? 0 : v; };
  const Tiler tiler(model, {});
  Report report;
  for (const auto& [value, other] : {std::pair{100, 120}, {100, 100}, {0, 0}, {255, 255}}) {
    failed = false;
    EXPECT_EQ(tiler.upscale(even(value, other), report).width, 32);
    failed = true;
    if (value)
      EXPECT_THROW(tiler.upscale(even(value, other), report), Error) << value << " " << other;
    else
      EXPECT_EQ(tiler.upscale(even(value, other), report).width, 32);
  }
}

TEST(UpscaleTiler, seams_are_measured_and_told) {
  Blur model;
  model.radius = 14;
  const Picture picture = noise(96, 70, 3);
  for (const int64_t overlap : {2, 14}) {
    Report report;
    TilerOptions options = tiles(32, overlap);
    options.convention.in = {{0, 1}};
    Tiler(model, options).upscale(picture, report);
    EXPECT_EQ(report.seam > 1.0f / 255, overlap == 2) << report.seam;
    EXPECT_EQ(report.notes.size(), overlap == 2 ? 1u : 0u);
  }
}

TEST(UpscaleConvention, refuses_what_is_no_upscaler) {
  struct Classifier : Blur {
    Type output_type(const Type&) const override { return {DType::float32, {1, 1000}}; }
  };
  try {
    discover(Classifier());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::unsupported);
    EXPECT_NE(std::string(error.what()).find("[1,1000]"), std::string::npos);
  }
}

TEST(UpscaleTiler, fixed_windows_are_padded_and_cropped) {
  for (const int64_t size : {20, 64, 150}) {
    Blur open, fixed;
    open.radius = fixed.radius = 3;
    fixed.fixed = 64;
    const Picture picture = noise(size, size / 2 + 1, 3);
    Picture a = upscale_with(open, picture), b = upscale_with(fixed, picture, tiles(0, 3));
    ASSERT_EQ(a.samples.size(), b.samples.size());
    // Only the last rows and columns see the continued edge instead of zeros.
    for (int64_t y = 0; y < a.height - 6; ++y)
      for (int64_t x = 0; x < (a.width - 6) * 3; ++x)
        ASSERT_EQ(a.row(y)[x], b.row(y)[x]) << "size " << size << " at " << x / 3 << "," << y;
  }
}

TEST(UpscaleTiler, every_kind_of_picture_keeps_its_kind) {
  for (const int channels : {1, 2, 3, 4})
    for (const int bits : {8, 16})
      for (const int model_channels : {1, 3, 4}) {
        Blur model;
        model.radius = 0;
        model.scale = 1;
        model.channels = model_channels;
        Picture picture = noise(40, 30, channels, bits);
        picture.icc = {std::byte{1}};
        const Picture result = upscale_with(model, picture);
        EXPECT_EQ(result.channels, channels);
        EXPECT_EQ(result.bits, bits);
        EXPECT_EQ(result.icc, picture.icc);
        // The identity, through every color path: exact to one step of the samples.
        float worst = 0;
        std::vector<float> a(40), b(40), alpha(40, 1.0f);
        for (int c = 0; c < channels; ++c)
          for (int64_t y = 0; y < 30; ++y) {
            picture.load(0, y, 40, c, a.data());
            result.load(0, y, 40, c, b.data());
            if (picture.has_alpha()) picture.load(0, y, 40, channels - 1, alpha.data());
            for (size_t x = 0; x < 40; ++x)
              if (alpha[x] >= 16.0f / 255) worst = std::max(worst, std::abs(a[x] - b[x]));
          }
        EXPECT_LE(worst, 1.01f / picture.limit()) << channels << " channels through " << model_channels;
      }
}

TEST(UpscaleTiler, other_scales_are_resampled) {
  Blur model;
  model.radius = 0;
  const Picture picture = noise(50, 40, 3);
  for (const double scale : {0.5, 1.0, 1.4, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0}) {
    TilerOptions options;
    options.scale = scale;
    model.runs = 0;
    const Picture result = upscale_with(model, picture, options);
    EXPECT_EQ(result.width, std::llround(50 * scale));
    EXPECT_EQ(result.height, std::llround(40 * scale));
    // One for the range of values. 2.5 and 5 are nearer to fewer rounds than to one more.
    EXPECT_EQ(model.runs, 1 + (scale > 5.6 ? 3 : scale > 2.8 ? 2 : 1));
  }
}

TEST(UpscaleTiler, augmentation_of_a_symmetric_model_changes_nothing) {
  Blur model;
  model.scale = 1;
  model.radius = 2;
  const Picture picture = noise(37, 23, 3, 16);
  TilerOptions options;
  options.test_time_augmentation = true;
  const Picture plain = upscale_with(model, picture), mean = upscale_with(model, picture, options);
  for (size_t i = 0; i < plain.samples.size() / 2; ++i)
    ASSERT_NEAR(reinterpret_cast<const uint16_t*>(plain.samples.data())[i],
                reinterpret_cast<const uint16_t*>(mean.samples.data())[i], 1);
}

TEST(UpscaleTiler, bad_results_are_errors) {
  Blur model;
  model.spoil = std::nanf("");
  const Picture picture = noise(16, 16, 3);
  EXPECT_THROW(upscale_with(model, picture), Error);
  model.spoil = 0;
  model.factor = 0;
  try {
    upscale_with(model, picture);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::device);
  }
}

TEST(UpscaleTiler, too_little_memory_makes_windows_smaller) {
  Blur model;
  const Picture picture = noise(150, 90, 3), whole = upscale_with(model, picture);
  model.most_pixels = 4000;
  for (const int64_t tile : {0, 128}) {
    Report report;
    const Picture result = Tiler(model, tiles(tile, 4)).upscale(picture, report);
    EXPECT_EQ(result.samples, whole.samples);
    EXPECT_GT(report.windows, 1);
    EXPECT_LE(report.window_width * report.window_height, model.most_pixels);
    ASSERT_FALSE(report.notes.empty());
    EXPECT_NE(report.notes[0].find("not enough memory for windows of"), std::string::npos) << report.notes[0];
  }
  model.most_pixels = 0;
  const Tiler tiler(model, tiles(0, 4));
  model.most_pixels = 500;  // fewer than a window with its overlap has
  Report report;
  EXPECT_THROW(tiler.upscale(picture, report), Error);
}

TEST(UpscaleTiler, hidden_colors_do_not_bleed) {
  Blur model;
  model.radius = 1;
  for (const int hidden : {0, 1, 2}) {  // the surround's alpha
    Picture picture = noise(16, 16, 4);
    for (int64_t y = 0; y < 16; ++y)
      for (int64_t x = 0; x < 16; ++x) {
        std::byte* pixel = picture.row(y) + 4 * x;
        const bool inside = x >= 4 && x < 12 && y >= 4 && y < 12;
        // White and opaque inside; black outside, which hardly shows.
        for (int c = 0; c < 3; ++c) pixel[c] = inside ? std::byte{255} : std::byte{0};
        pixel[3] = inside ? std::byte{255} : static_cast<std::byte>(hidden);
      }
    const Picture result = upscale_with(model, picture);
    for (int64_t y = 6; y < 26; ++y)
      for (int64_t x = 6; x < 26; ++x)
        if (std::to_integer<int>(result.row(y)[4 * x + 3]) > 2) {
          ASSERT_GE(std::to_integer<int>(result.row(y)[4 * x]), 250 - 4 * hidden)
              << x << "," << y << " alpha " << hidden;
        }
  }
}

TEST(UpscaleTiler, colors_that_show_are_not_touched) {
  Picture picture = noise(32, 32, 4);
  for (int64_t i = 0; i < 32 * 32; ++i)
    picture.samples[static_cast<size_t>(4 * i + 3)] = static_cast<std::byte>(i % 3 ? 16 + i % 240 : 0);
  Picture filled = picture;
  fill_hidden_colors(filled);
  for (size_t i = 0; i < 4 * 32 * 32; ++i)
    if (i / 4 % 3) {
      ASSERT_EQ(filled.samples[i], picture.samples[i]);
    }
}

TEST(UpscaleResample, regions_have_the_bits_of_the_whole) {
  const Picture picture = noise(33, 21, 1, 16);
  const Resampler resampler(33, 21, 80, 55, Filter::lanczos3);
  std::vector<float> in(33 * 21), whole(80 * 55), part(13 * 9);
  for (int64_t y = 0; y < 21; ++y) picture.load(0, y, 33, 0, in.data() + y * 33);
  const Region all = resampler.source({0, 0, 80, 55});
  ASSERT_EQ(all, (Region{0, 0, 33, 21}));
  resampler.run(in.data(), {0, 0, 80, 55}, whole.data());
  const Region out{41, 30, 13, 9}, from = resampler.source(out);
  std::vector<float> cut(static_cast<size_t>(from.width * from.height));
  for (int64_t y = 0; y < from.height; ++y)
    std::copy_n(in.data() + (from.y + y) * 33 + from.x, from.width, cut.data() + y * from.width);
  resampler.run(cut.data(), out, part.data());
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x)
      ASSERT_EQ(part[static_cast<size_t>(y * 13 + x)], whole[static_cast<size_t>((out.y + y) * 80 + out.x + x)]);
}

TEST(UpscaleResample, a_constant_stays_constant) {
  Picture picture = noise(7, 5, 3);
  std::fill(picture.samples.begin(), picture.samples.end(), std::byte{77});
  for (const int64_t size : {1, 3, 7, 40}) {
    const Picture result = resize(picture, size, size, Filter::lanczos3);
    for (const std::byte sample : result.samples) ASSERT_EQ(sample, std::byte{77});
  }
}

}  // namespace
}  // namespace tessera::upscale
