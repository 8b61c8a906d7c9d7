// Pictures that come row by row and go row by row: the same bits as those that lie in memory, in little of it.
#include <algorithm>
#include <atomic>

#include "tests/graph_builder.h"
#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "tests/upscale_sessions.h"
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

using test::GraphBuilder;

/// A picture whose rows come one after another.
struct Coming : RowSource {
  const Picture& picture;
  std::atomic<int64_t> next{0}, passes{0};
  explicit Coming(const Picture& whole) : picture(whole) {}
  const Head& head() const override { return picture; }
  void restart() override {
    next = 0;
    ++passes;
  }
  void read(int64_t count, std::byte* to) override {
    ASSERT_LE(next + count, picture.height);
    std::copy_n(picture.row(next), count * picture.row_bytes(), to);
    next += count;
  }
};

/// Rows that are taken one after another; sees how far behind the source they are.
struct Going : RowSink {
  Picture picture;
  const Coming& source;
  int64_t next = 0, behind = 0, beginnings = 0;
  explicit Going(const Coming& from) : source(from) {}
  void begin(const Head& head) override {
    picture = Picture(head);
    picture.allocate();
    next = 0;
    ++beginnings;
  }
  void write(const std::byte* rows, int64_t count) override {
    ASSERT_LE(next + count, picture.height);
    behind = std::max(behind, source.next - next * source.picture.height / picture.height);
    std::copy_n(rows, count * picture.row_bytes(), picture.row(next));
    next += count;
  }
};

/// A convolution of 3x3, nearest neighbours twice; or with a mean over the picture in it.
std::unique_ptr<Upsampler> make_model(int channels, bool pools = false) {
  GraphBuilder g;
  const ValueId x = g.input("x", {DType::float32, {1, channels, -1, -1}});
  tessera::Tensor weights = tessera::Tensor::make({DType::float32, {channels, channels, 3, 3}});
  for (int64_t o = 0; o < channels; ++o)
    for (int64_t k = 0; k < 9; ++k) weights.as<float>()[(o * channels + o) * 9 + k] = k == 4 ? 1.8f : -0.1f;
  ValueId at = g.node("Conv", {x, g.constant(weights)}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  if (pools) at = g.node("Mul", {at, g.node("Sigmoid", {g.node("GlobalAveragePool", {at})})});
  at = g.node("Upsample", {at}, {{"scales", std::vector<float>{1, 1, 2, 2}}, {"mode", std::string("nearest")}}, 7);
  g.graph.values[at].type.dtype = DType::float32;
  g.output(at);
  ModelOptions options;
  options.device = "cpu";
  options.threads = 2;
  return open_graph(std::move(g.graph), options, "rows");
}

TilerOptions tiles(int64_t side) {
  TilerOptions options;
  options.tile = side;
  return options;
}

/// Opaque enough that no color is hidden.
Picture translucent(int64_t width, int64_t height, int channels, int bits = 8) {
  Picture picture = noise(width, height, channels, bits);
  for (size_t i = 0; i < picture.samples.size(); ++i)
    if (static_cast<int>(i) / (bits / 8) % channels == channels - 1) picture.samples[i] |= std::byte{64};
  return picture;
}

TEST(UpscaleRows, have_the_bits_of_pictures_in_memory) {
  for (const int model_channels : {1, 3, 4}) {
    const auto model = make_model(model_channels);
    for (const int channels : {1, 2, 3, 4})
      for (const int bits : {8, 16})
        for (const double scale : {2.0, 3.0, 4.0}) {
          TilerOptions options = tiles(32);
          options.alpha_by_model = bits == 8;
          options.scale = scale;
          const Tiler tiler(*model, options);
          const Picture picture = translucent(90, 150, channels, bits);
          Report in_memory, by_rows;
          const Picture expected = tiler.upscale(picture, in_memory);
          Coming source(picture);
          Going sink(source);
          tiler.upscale(source, sink, {expected.width, expected.height, bits}, by_rows);
          EXPECT_TRUE(sink.picture.samples == expected.samples)
              << model_channels << " of " << channels << " channels, " << bits << " bits, x" << scale;
          EXPECT_EQ(sink.next, expected.height);
          EXPECT_EQ(by_rows.windows, in_memory.windows);
          EXPECT_EQ(by_rows.notes, in_memory.notes);
        }
  }
}

Picture crop(const Picture& picture, const Region& part) {
  Picture cropped = blank(part.width, part.height, picture.channels, picture.bits);
  const int64_t pixel = picture.channels * picture.bits / 8;
  for (int64_t y = 0; y < part.height; ++y)
    std::copy_n(picture.row(part.y + y) + part.x * pixel, part.width * pixel, cropped.row(y));
  return cropped;
}

// Whatever else is in the way: other rounds of the model, a filter behind it, smooth alpha, means over the picture.
TEST(UpscaleRows, of_a_part_have_the_bits_of_the_whole) {
  for (const bool pools : {false, true})
    for (const int channels : {1, 3, 4})
      for (const double scale : {2.0, 2.7, 4.0}) {
        const auto model = make_model(3, pools);
        TilerOptions options = tiles(32);
        options.alpha_by_model = scale != 2.7;
        const Tiler tiler(*model, options);
        const Picture picture = translucent(150, 130, channels);
        Wanted wanted{std::llround(150 * scale), std::llround(130 * scale), 8};
        Report whole;
        const Picture expected = tiler.upscale(picture, wanted, whole);
        for (const Region& part : {Region{0, 0, 1, 1},
                                   {100, 70, 60, 50},
                                   {wanted.width - 40, wanted.height - 9, 40, 9},
                                   {0, 120, wanted.width, 33},
                                   {0, 0, wanted.width, wanted.height}}) {
          wanted.part = part;
          Report report;
          const Picture got = tiler.upscale(picture, wanted, report);
          EXPECT_TRUE(got.samples == crop(expected, part).samples)
              << channels << " channels, x" << scale << ", " << part.x << "," << part.y << (pools ? ", pools" : "");
          if (wanted.partial()) {
            EXPECT_LT(report.windows, whole.windows);
          }
          Coming source(picture);
          Going sink(source);
          tiler.upscale(source, sink, wanted, report);
          EXPECT_TRUE(sink.picture.samples == got.samples) << "by rows";
        }
        wanted.part = {1, 0, wanted.width, 1};
        Report report;
        EXPECT_THROW(tiler.upscale(picture, wanted, report), Error);
      }
}

TEST(UpscaleRows, are_few_at_once) {
  const auto model = make_model(3);
  const Picture picture = noise(70, 2000, 3);
  for (const double scale : {2.0, 2.5, 4.0}) {
    TilerOptions options = tiles(32);
    options.scale = scale;
    const Tiler tiler(*model, options);
    Coming source(picture);
    Going sink(source);
    Report report;
    tiler.upscale(source, sink, {tiler.scaled(70), tiler.scaled(2000), 8}, report);
    EXPECT_EQ(sink.next, tiler.scaled(2000));
    EXPECT_LT(sink.behind, scale > 3 ? 500 : 250) << scale;
    EXPECT_EQ(source.passes, 1);
  }
}

TEST(UpscaleRows, are_read_once_more_where_all_of_a_picture_counts) {
  const auto model = make_model(3, true);
  const Tiler tiler(*model, tiles(32));
  ASSERT_EQ(tiler.reach().pools.size(), 1u);
  const Picture picture = noise(70, 300, 3);
  Report report;
  const Picture expected = tiler.upscale(picture, report);
  Coming source(picture);
  Going sink(source);
  tiler.upscale(source, sink, {140, 600, 8}, report);
  EXPECT_EQ(sink.picture.samples, expected.samples);
  EXPECT_EQ(source.passes, 2);
  EXPECT_LT(sink.behind, 250);
}

TEST(UpscaleRows, of_transparent_pictures_are_held) {
  const auto model = make_model(3);
  const Tiler tiler(*model, tiles(32));
  const Picture picture = noise(70, 300, 4);
  Report report;
  const Picture expected = tiler.upscale(picture, report);
  Coming source(picture);
  Going sink(source);
  tiler.upscale(source, sink, {140, 600, 8}, report);
  EXPECT_EQ(sink.picture.samples, expected.samples);
}

TEST(UpscaleRows, errors_of_either_end_are_told) {
  struct Broken : Coming {
    using Coming::Coming;
    void read(int64_t count, std::byte* to) override {
      if (next > 100) fail(Error::Kind::file, "the file ends");
      Coming::read(count, to);
    }
  };
  struct Full : Going {
    using Going::Going;
    void write(const std::byte* rows, int64_t count) override {
      if (next > 100) fail(Error::Kind::file, "no space left");
      Going::write(rows, count);
    }
  };
  const auto model = make_model(3);
  const Picture picture = noise(70, 300, 3);
  for (const double scale : {2.0, 3.0, 4.0}) {
    TilerOptions options = tiles(32);
    options.scale = scale;
    const Tiler tiler(*model, options);
    const Wanted wanted{tiler.scaled(70), tiler.scaled(300), 8};
    Report report;
    const auto message = [&](RowSource& source, RowSink& sink) -> std::string {
      try {
        tiler.upscale(source, sink, wanted, report);
      } catch (const Error& error) {
        return error.what();
      }
      return "none";
    };
    Broken broken(picture);
    Going sink(broken);
    EXPECT_EQ(message(broken, sink), "the file ends");
    Coming source(picture);
    Full full(source);
    EXPECT_EQ(message(source, full), "no space left");
  }
}

}  // namespace
}  // namespace tessera::upscale
