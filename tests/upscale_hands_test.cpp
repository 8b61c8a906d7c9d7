// Devices that share the windows of pictures, fail, lack memory, or give wrong numbers: the picture is right, or there
// is none.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

enum class Fault { none, not_finite, even, off, dark_corner, black };

/// What a device does, and how often it was asked.
struct Behaviour {
  bool device = true, halves = false;
  int at_once = 1;
  int fails_from = 1 << 30;  ///< the first window for which it gives an error
  Fault fault = Fault::none;
  int64_t most_pixels = 1 << 30;  ///< of a window that there is memory for
  int64_t free_bytes = 0;         ///< of a device; 0: not known
  int milliseconds = 0;
  const Behaviour* waits_for = nullptr;  ///< for the last window that this one does
  std::atomic<int> windows{0};
};

/// Doubles a picture by its nearest pixels; bright where `clips` says that all is white.
struct Doubler : Upsampler {
  Behaviour& behaviour;
  std::vector<Port> ports = {{}};
  explicit Doubler(Behaviour& how) : behaviour(how) {
    ports[0].type = {DType::float32, {1, 3, -1, -1}};
    ports[0].ranked = true;
  }
  List<Port> inputs() const override { return ports; }
  List<Port> outputs() const override { return ports; }
  std::vector<Type> output_types(const Type& input) const override {
    return {{DType::float32, {1, 3, input.shape[2] * 2, input.shape[3] * 2}}};
  }
  std::vector<Tensor> run(const Tensor& input) const override {
    const int64_t height = input.type.shape[2], width = input.type.shape[3];
    Tensor out = Tensor::make(output_types(input.type)[0]);
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t y = 0; y < 2 * height; ++y)
        for (int64_t x = 0; x < 2 * width; ++x)
          out.as<float>()[(c * 2 * height + y) * 2 * width + x] =
              input.as<const float>()[(c * height + y / 2) * width + x / 2];
    return {out};
  }
  int64_t run_bytes(const Type& input) const override { return input.bytes(); }
  bool on_device(const Type&) const override { return behaviour.device; }
  bool stores_halves() const override { return behaviour.halves; }
  int64_t free_bytes() const override { return behaviour.free_bytes; }
  int runs_at_once() const override { return behaviour.at_once; }
  std::unique_ptr<Upsampler> with_pixels(const Convention&, const PixelEnds& ends) const override;
};

struct PixelDoubler : Doubler {
  using Doubler::Doubler;
  std::vector<Tensor> run(const Tensor& input) const override {
    const int64_t height = input.type.shape[0], width = input.type.shape[1], samples = input.type.shape[2];
    const int window = ++behaviour.windows;
    std::this_thread::sleep_for(std::chrono::milliseconds(behaviour.milliseconds));
    while (behaviour.waits_for && behaviour.waits_for->windows < behaviour.waits_for->fails_from)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (window >= behaviour.fails_from) fail(Error::Kind::device, "the device is lost");
    if (width * height > behaviour.most_pixels) fail(Error::Kind::memory, "no memory on the device");
    Tensor out = Tensor::make({DType::uint8, {2 * height, 2 * width, samples}});
    Tensor facts = Tensor::make({DType::float32, {3, samples}});
    const auto* in = input.as<const uint8_t>();
    for (int64_t y = 0; y < 2 * height; ++y)
      for (int64_t x = 0; x < 2 * width; ++x)
        for (int64_t s = 0; s < samples; ++s) {
          int value = in[(y / 2 * width + x / 2) * samples + s];
          if (behaviour.fault == Fault::even) value = 255;
          if (behaviour.fault == Fault::black && window > 1) value = 0;
          if (behaviour.fault == Fault::dark_corner && window > 1 && x < 40 && y < 40) value = 0;
          if (behaviour.fault == Fault::off) value = std::min(value + 9, 255);
          out.as<uint8_t>()[(y * 2 * width + x) * samples + s] = static_cast<uint8_t>(value);
        }
    for (int64_t s = 0; s < samples; ++s) {
      facts.as<float>()[s] = behaviour.fault == Fault::not_finite ? 1.0f : 0.0f;
      const bool even = behaviour.fault == Fault::even || (behaviour.fault == Fault::black && window > 1);
      facts.as<float>()[2 * samples + s] = even ? 0.0f : 1.0f;
    }
    return {out, facts};
  }
};

std::unique_ptr<Upsampler> Doubler::with_pixels(const Convention&, const PixelEnds&) const {
  return std::make_unique<PixelDoubler>(behaviour);
}

std::shared_ptr<Hand> hand_of(const char* name, Behaviour& behaviour) {
  return std::make_shared<Hand>(name, std::make_shared<Doubler>(behaviour));
}

class UpscaleHands : public testing::Test {
 protected:
  UpscaleHands() {
    cpu_.device = false;
    half_.halves = true;
    options_.tile = 32;
    options_.overlap = 0;
  }

  /// A tiler of these hands. Who is rounded and wrong is followed by `single_`, all others by the CPU.
  std::unique_ptr<Tiler> tiler(std::vector<std::shared_ptr<Hand>> hands) {
    auto tiler = std::make_unique<Tiler>(hands[0], options_);
    for (size_t i = 1; i < hands.size(); ++i) tiler->add(hands[i]);
    tiler->set_successor([this](const Hand& hand, Loss loss) -> std::shared_ptr<Hand> {
      if (hand.name() == "cpu") return nullptr;
      if (hand.is_rounded() && loss == Loss::wrong) return hand_of("single", single_);
      if (!cpu_hand_) cpu_hand_ = hand_of("cpu", cpu_);
      return cpu_hand_;
    });
    return tiler;
  }

  /// Upscales, and expects the right pixels.
  void expect_right(const Tiler& tiler) {
    const Picture result = tiler.upscale(picture_, report_);
    ASSERT_EQ(result.width, 2 * picture_.width);
    for (int64_t y = 0; y < result.height; ++y)
      for (int64_t x = 0; x < result.width; ++x)
        ASSERT_EQ(std::memcmp(result.row(y) + 3 * x, picture_.row(y / 2) + 3 * (x / 2), 3), 0) << x << ' ' << y;
  }
  size_t notes_with(const std::string& text) const {
    return static_cast<size_t>(std::count_if(report_.notes.begin(), report_.notes.end(),
                                             [&](const auto& note) { return note.find(text) != std::string::npos; }));
  }

  Behaviour half_, single_, other_, cpu_;
  std::shared_ptr<Hand> cpu_hand_;
  TilerOptions options_;
  Report report_;
  const Picture picture_ = noise(150, 130, 3);
};

TEST_F(UpscaleHands, share_the_windows_of_one_picture) {
  single_.at_once = 2;
  single_.milliseconds = 1;
  other_.milliseconds = 4;
  cpu_.milliseconds = 8;
  const auto shared = tiler({hand_of("single", single_), hand_of("other", other_), hand_of("cpu", cpu_)});
  EXPECT_EQ(shared->at_once(), 4);
  expect_right(*shared);
  EXPECT_EQ(single_.windows + other_.windows + cpu_.windows, report_.windows);
  EXPECT_GT(single_.windows, 0);
  EXPECT_GT(other_.windows, 0);
  EXPECT_TRUE(report_.notes.empty());
}

TEST_F(UpscaleHands, finish_the_picture_of_one_that_fails) {
  single_.fails_from = 5;
  other_.waits_for = &single_;
  const auto two = tiler({hand_of("single", single_), hand_of("other", other_)});
  expect_right(*two);
  EXPECT_EQ(single_.windows, 5);
  EXPECT_EQ(notes_with("the device is lost"), 1u);
  expect_right(*two);  // and it is not asked again, nor told again
  EXPECT_EQ(single_.windows, 5);
  EXPECT_EQ(notes_with("the device is lost"), 1u);
}

TEST_F(UpscaleHands, leave_a_failed_device_to_the_cpu) {
  for (const int window : {1, 2, 17}) {
    Behaviour failing;
    failing.fails_from = window;
    report_ = {};
    expect_right(*tiler({hand_of("failing", failing)}));
    EXPECT_EQ(failing.windows, window);
    EXPECT_EQ(notes_with("done by cpu"), 1u);
  }
}

TEST_F(UpscaleHands, half_precision_that_is_off_is_done_again_in_single) {
  half_.fault = Fault::off;
  const auto rounded = tiler({hand_of("half", half_)});
  expect_right(*rounded);
  EXPECT_EQ(notes_with("off by 9 of 255 levels"), 1u);
  EXPECT_EQ(notes_with("done by single"), 1u);
  const int asked = half_.windows;
  expect_right(*rounded);
  EXPECT_EQ(half_.windows, asked);
  EXPECT_EQ(cpu_.windows, 0);
}

TEST_F(UpscaleHands, numbers_that_are_none_go_down_to_the_cpu_and_then_are_an_error) {
  half_.fault = single_.fault = Fault::not_finite;
  expect_right(*tiler({hand_of("half", half_)}));
  EXPECT_EQ(notes_with("values that are not numbers"), 2u);
  cpu_.fault = Fault::not_finite;
  cpu_hand_.reset();
  try {
    tiler({hand_of("half", half_)})->upscale(picture_, report_);
    ADD_FAILURE() << "a picture of no numbers";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::device);
  }
}

TEST_F(UpscaleHands, one_even_color_is_right_where_the_judge_says_so) {
  single_.fault = Fault::even;
  expect_right(*tiler({hand_of("single", single_)}));
  EXPECT_EQ(notes_with("one even color"), 1u);
  // A picture that becomes white for the CPU as well.
  Picture bright = picture_;
  for (std::byte& sample : bright.samples) sample = std::byte(250 + std::to_integer<int>(sample) % 6);
  cpu_.fault = Fault::even;
  cpu_hand_.reset();
  report_ = {};
  EXPECT_THROW(tiler({hand_of("single", single_)})->upscale(bright, report_), Error);  // all of it is even
  EXPECT_EQ(notes_with("one even color"), 0u);
}

/// Nothing is sampled of a device in single precision, but what it gives must have the picture's means.
TEST_F(UpscaleHands, a_part_that_is_wrong_is_seen_by_its_mean) {
  single_.fault = Fault::dark_corner;
  expect_right(*tiler({hand_of("single", single_)}));
  EXPECT_EQ(notes_with("off by 255 of 255 levels in the window of "), 1u);
  // Where nobody can tell better, it is told.
  cpu_.fault = Fault::dark_corner;
  cpu_.windows = 0;
  cpu_hand_.reset();
  report_ = {};
  tiler({hand_of("cpu", cpu_)})->upscale(picture_, report_);
  EXPECT_EQ(notes_with("makes something else of the picture"), 1u);
  EXPECT_GT(report_.drift.off, 0.3);
}

TEST_F(UpscaleHands, a_faint_part_that_turns_black_is_an_error) {
  Picture faint = picture_;
  for (std::byte& sample : faint.samples) sample = std::byte(110 + std::to_integer<int>(sample) % 9);
  cpu_.fault = Fault::black;
  try {
    tiler({hand_of("cpu", cpu_)})->upscale(faint, report_);
    ADD_FAILURE() << "a part of the picture is black";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::device);
    EXPECT_NE(Text(error.what()).find("nothing but black in the window of "), Text::npos) << error.what();
  }
  std::fill(faint.samples.begin(), faint.samples.end(), std::byte{0});
  tiler({hand_of("cpu", cpu_)})->upscale(faint, report_);  // black stays black
}

TEST_F(UpscaleHands, little_memory_makes_windows_smaller_and_none_leaves_them_to_the_cpu) {
  options_.tile = 0;
  single_.most_pixels = 5000;
  expect_right(*tiler({hand_of("single", single_)}));
  EXPECT_GE(notes_with("not enough memory for windows"), 1u);
  EXPECT_LE(report_.window_width * report_.window_height, 5000);
  EXPECT_EQ(cpu_.windows, 0);
  single_.most_pixels = 1;
  report_ = {};
  expect_right(*tiler({hand_of("single", single_)}));
  EXPECT_EQ(notes_with("done by cpu"), 1u);
  EXPECT_EQ(report_.windows, 1);
}

TEST_F(UpscaleHands, windows_fit_into_the_memory_of_every_device) {
  options_.tile = 0;
  const int64_t pixel = 3 * 4;  // what the model says that it takes
  single_.free_bytes = 6000 * pixel / 3 * 4;
  expect_right(*tiler({hand_of("other", other_), hand_of("single", single_)}));
  EXPECT_LE(report_.window_width * report_.window_height, 6000);
  EXPECT_GT(report_.window_width * report_.window_height, 1500);
  EXPECT_TRUE(report_.notes.empty());
  EXPECT_EQ(cpu_.windows, 0);
}

}  // namespace
}  // namespace tessera::upscale
