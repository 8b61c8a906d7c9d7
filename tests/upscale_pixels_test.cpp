// Pixels at both ends of a model: the same pictures, to the last bit, as where floats go in and out; and what crosses
// the bus to a device.
#include "tests/graph_builder.h"
#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "tests/upscale_sessions.h"
#ifdef TESSERA_VULKAN
#include "tests/vulkan_device.h"
#endif
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

using test::GraphBuilder;

/// The same model, through floats.
struct Floats : Upsampler {
  const Upsampler& model;
  explicit Floats(const Upsampler& other) : model(other) {}
  List<Port> inputs() const override { return model.inputs(); }
  List<Port> outputs() const override { return model.outputs(); }
  std::vector<Type> output_types(const Type& input) const override { return model.output_types(input); }
  std::vector<Tensor> run(const Tensor& input) const override { return model.run(input); }
  int64_t run_bytes(const Type& input) const override { return model.run_bytes(input); }
};

/// How a model that sharpens and doubles a picture wants it.
struct Form {
  const char* name;
  int channels = 3, out_channels = 3;
  bool packed = false, batched = true;
  DType dtype = DType::float32;
  double low = 0, high = 1;  ///< its numbers for black and white
};

std::unique_ptr<Upsampler> make_model(const Form& form, float gain = 1, const char* device = "cpu",
                                      const char* precision = "fp32", bool pooled = false) {
  GraphBuilder g;
  Shape shape{form.channels, -1, -1};
  if (form.packed) shape = {-1, -1, form.channels};
  if (form.batched) shape.insert(0, 1);
  ValueId x = g.input("x", {form.dtype, shape});
  const auto cast = [&](ValueId value, DType to) {
    return form.dtype == DType::float32 ? value : g.node("Cast", {value}, {{"to", static_cast<int64_t>(to)}});
  };
  ValueId at = cast(x, DType::float32);
  if (!form.batched) at = g.node("Unsqueeze", {at}, {{"axes", std::vector<int64_t>{0}}}, 11);
  if (form.packed) at = g.node("Transpose", {at}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  tessera::Tensor weights = tessera::Tensor::make({DType::float32, {form.out_channels, form.channels, 3, 3}});
  for (int64_t o = 0; o < form.out_channels; ++o)
    for (int64_t k = 0; k < 9; ++k)
      weights.as<float>()[(o * form.channels + o % form.channels) * 9 + k] = gain * (k == 4 ? 1.8f : -0.1f);
  at = g.node("Conv", {at, g.constant(weights)}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  if (pooled) at = g.node("Mul", {at, g.node("Sigmoid", {g.node("GlobalAveragePool", {at})})});
  at = g.node("Upsample", {at}, {{"scales", std::vector<float>{1, 1, 2, 2}}, {"mode", std::string("nearest")}}, 7);
  if (form.packed) at = g.node("Transpose", {at}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
  if (!form.batched) at = g.node("Squeeze", {at}, {{"axes", std::vector<int64_t>{0}}}, 11);
  at = cast(at, form.dtype);
  g.graph.values[at].type.dtype = form.dtype;
  g.output(at);
  ModelOptions options;
  options.device = device;
  options.precision = precision;
  options.threads = 2;
  options.cpu_takes_over = false;
  return open_graph(std::move(g.graph), options, form.name);
}

TilerOptions options_for(const Form& form, bool bgr = false) {
  TilerOptions options;
  options.tile = 32;
  options.overlap = 4;
  options.convention.in = {{static_cast<float>(form.low), static_cast<float>(form.high)}};
  options.convention.order_known = true;
  options.convention.bgr = bgr;
  return options;
}

constexpr Form forms[] = {
    {"planes"},
    {"rows", 3, 3, true, true, DType::float32, 0, 255},
    {"no batch", 3, 3, false, false, DType::float32, -1, 1},
    {"rows without batch", 3, 3, true, false},
    {"halves", 3, 3, false, true, DType::float16},
    {"doubles", 3, 3, false, true, DType::float64},
    {"gray", 1, 1},
    {"gray to colors", 1, 3},
    {"with alpha", 4, 4},
};

TEST(UpscalePixels, give_the_bits_that_floats_give) {
  for (const Form& form : forms)
    for (const bool bgr : {false, true})
      for (const int channels : {1, 2, 3, 4})
        for (const int bits : {8, 16}) {
          const auto model = make_model(form);
          const Floats floats(*model);
          const Picture picture = noise(61, 45, channels, bits);
          Report report, by_floats;
          const Picture result = Tiler(*model, options_for(form, bgr)).upscale(picture, report);
          const Picture expected = Tiler(floats, options_for(form, bgr)).upscale(picture, by_floats);
          EXPECT_GT(report.windows, 1);
          EXPECT_EQ(result.channels, expected.channels);
          EXPECT_TRUE(result.samples == expected.samples)
              << form.name << (bgr ? ", blue first, " : ", ") << channels << " channels of " << bits << " bits";
        }
}

/// Means over the picture need floats, although the model takes pixels.
TEST(UpscalePixels, give_way_to_means_over_the_picture) {
  const Form form{"weighed by a mean"};
  const auto model = make_model(form, 1, "cpu", "fp32", true);
  const Picture picture = noise(90, 70, 3);
  TilerOptions options = options_for(form);
  options.verify_tiles = true;
  Report report;
  const Picture tiled = Tiler(*model, options).upscale(picture, report);
  EXPECT_GT(report.windows, 1);
  EXPECT_GE(report.tile_difference, 0);
  EXPECT_LT(report.tile_difference, 1e-4);
  options.tile = 0;
  const Picture whole = Tiler(*model, options).upscale(picture, report);
  EXPECT_EQ(report.windows, 1);
  int worst = 0;
  for (size_t i = 0; i < whole.samples.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<int>(whole.samples[i]) - static_cast<int>(tiled.samples[i])));
  EXPECT_LE(worst, 1);
}

TEST(UpscalePixels, other_scales_pass_through_16_bits) {
  const auto model = make_model(forms[0]);
  const Floats floats(*model);
  TilerOptions options = options_for(forms[0]);
  options.scale = 3;
  Report report;
  const Picture picture = noise(40, 33, 4);
  EXPECT_TRUE(Tiler(*model, options).upscale(picture, report).samples ==
              Tiler(floats, options).upscale(picture, report).samples);
}

TEST(UpscalePixels, values_that_are_no_numbers_are_an_error) {
  const auto model = make_model(forms[0], INFINITY);
  Report report;
  try {
    Tiler(*model, options_for(forms[0])).upscale(noise(40, 33, 3), report);
    ADD_FAILURE() << "a picture of no numbers";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::device);
  }
}

#ifdef TESSERA_VULKAN

class UpscalePixelsOnDevice : public test::VulkanDevice {};

int largest_step(const Picture& a, const Picture& b) {
  EXPECT_EQ(a.samples.size(), b.samples.size());
  int worst = 0;
  for (size_t i = 0; i < std::min(a.samples.size(), b.samples.size()); ++i)
    worst = std::max(worst, std::abs(std::to_integer<int>(a.samples[i]) - std::to_integer<int>(b.samples[i])));
  return worst;
}

// Of every window its pixels go up, in the file's depth, and the result's come down, with the facts.
TEST_F(UpscalePixelsOnDevice, cross_the_bus_as_they_are) {
  for (const Form& form : forms) {
    if (form.dtype == DType::float64) continue;  // computed on the CPU
    for (const int channels : {1, 3, 4})
      for (const int bits : {8, 16}) {
        const bool through_floats = form.channels == 1 && channels > 1;
        if (through_floats) continue;
        const auto model = make_model(form, 1, "vulkan:0"), on_cpu = make_model(form);
        const Tiler tiler(*model, options_for(form)), cpu(*on_cpu, options_for(form));
        ASSERT_TRUE(model->traffic());
        const Picture picture = noise(61, 45, channels, bits);
        const int64_t up = model->traffic()->uploaded_bytes, down = model->traffic()->downloaded_bytes;
        Report report;
        const Picture result = tiler.upscale(picture, report);
        const int64_t pixels = report.windows * report.window_width * report.window_height;
        const int64_t facts = report.windows * 3 * 4 * result.channels;
        EXPECT_EQ(model->traffic()->uploaded_bytes - up, pixels * channels * bits / 8) << form.name;
        EXPECT_EQ(model->traffic()->downloaded_bytes - down, pixels * 4 * result.channels * bits / 8 + facts)
            << form.name;
        Report ignored;
        EXPECT_LE(bits == 8 ? largest_step(result, cpu.upscale(picture, ignored)) : 0, 1) << form.name;
      }
  }
}

// A model in half precision, single precision to judge it and to follow it, and what the CPU makes of a picture.
struct Halves {
  explicit Halves(const Form& form, float gain)
      : tiler(std::make_shared<Hand>("half", make_model(form, gain, "vulkan:0", "fp16")), options_for(form)) {
    tiler.set_successor([this, &form, gain](const Hand&, Loss) {
      ++successors;
      return std::make_shared<Hand>("single", make_model(form, gain, "vulkan:0"));
    });
    const auto on_cpu = make_model(form, gain);
    expected = Tiler(*on_cpu, options_for(form)).upscale(picture, ignored);
  }
  int successors = 0;
  Tiler tiler;
  Report report, ignored;
  const Picture picture = noise(61, 45, 3);
  Picture expected;
};

TEST_F(UpscalePixelsOnDevice, half_precision_is_compared_with_single) {
  if (!make_model(forms[0], 1, "vulkan:0", "fp16")->stores_halves()) GTEST_SKIP() << "the device has no float16";
  Halves halves(forms[0], 1);
  EXPECT_LE(largest_step(halves.tiler.upscale(halves.picture, halves.report), halves.expected), 2);
  EXPECT_EQ(halves.successors, 1);  // the judge
  EXPECT_TRUE(halves.report.notes.empty());
}

// Numbers beyond 65504 are infinite in half precision.
TEST_F(UpscalePixelsOnDevice, what_half_precision_cannot_hold_is_done_again_in_single) {
  if (!make_model(forms[0], 1, "vulkan:0", "fp16")->stores_halves()) GTEST_SKIP() << "the device has no float16";
  const Form bytes{"bytes", 3, 3, false, true, DType::float32, 0, 255};
  Halves halves(bytes, 1e4f);
  const Picture result = halves.tiler.upscale(halves.picture, halves.report);
  ASSERT_EQ(halves.report.notes.size(), 1u);
  for (const char* words : {"values that are not numbers in the window of ", "; its work is done by single"})
    EXPECT_NE(halves.report.notes[0].find(words), std::string::npos) << halves.report.notes[0];
  size_t apart = 0;  // where a number is nearly zero, rounding decides
  for (size_t i = 0; i < result.samples.size(); ++i) apart += result.samples[i] != halves.expected.samples[i];
  EXPECT_LT(apart, result.samples.size() / 1000);
  EXPECT_FALSE(halves.tiler.upscale(halves.picture, halves.ignored).samples.empty());
  EXPECT_TRUE(halves.ignored.notes.empty());
}

#endif

}  // namespace
}  // namespace tessera::upscale
