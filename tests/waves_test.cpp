// Depth-first execution: the same bits as step by step, whatever the height, the threads and the residuals.

#include <gtest/gtest.h>

#include <cstring>

#include "tests/graph_builder.h"

namespace tessera::test {
namespace {

TEST(Waves, BandsFillEveryPictureOnceAndInOrder) {
  using Nodes = std::vector<RowNeeds>;
  for (const Nodes& steps : {Nodes{{6, 1}, {6, 1}}, Nodes{{6, 1}, {4, 1}, {1, 0}, {6, 1}, {1, 2}, {6, 1}, {6, 0}},
                             Nodes{{4, 1}}, Nodes{{1, 4}, {1, 3}, {6, 1}}})
    for (const int64_t height : {1, 5, 12, 13, 24, 25, 100, 257})
      for (const int64_t rows : {12, 24, 48}) {
        std::vector<int64_t> done(steps.size());
        for (const Wave::Band& band : wave_bands(steps, height, rows)) {
          ASSERT_EQ(band.rows.begin, done[band.node]);
          ASSERT_GT(band.rows.end, band.rows.begin);
          ASSERT_TRUE(band.rows.end == height || band.rows.end % steps[band.node].step == 0);
          ASSERT_LE(band.rows.end, height);
          ASSERT_TRUE(band.node == 0 ||
                      done[band.node - 1] >= std::min(height, band.rows.end + steps[band.node].reach));
          done[band.node] = band.rows.end;
        }
        for (const int64_t rows_done : done) ASSERT_EQ(rows_done, height);
      }
}

// Blocks of two convolutions, every second of them with a residual from before the one before it.
Graph chain(int blocks) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, -1, -1}});
  unsigned seed = 0;
  const auto conv = [&](ValueId in, int64_t from) {
    const ValueId w = b.constant(random_tensor({48, from, 3, 3}, ++seed, -0.1f, 0.1f));
    const ValueId y = b.node("Conv", {in, w}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    return b.node("PRelu", {y, b.constant(random_tensor({48, 1, 1}, ++seed))});
  };
  const ValueId first = conv(x, 3);
  ValueId y = first;
  for (int i = 0; i < blocks; ++i) {
    const ValueId before = y;
    y = conv(conv(y, 48), 48);
    if (i % 2) y = b.node("Add", {y, before});
  }
  b.output(b.node("Add", {y, first}));
  return b.graph;
}

// Residuals that are added first to a convolution's sums.
Graph residuals(int64_t kernel) {
  GraphBuilder b;
  ValueId y = b.input("x", {DType::float32, {1, 3, -1, -1}});
  unsigned seed = 0;
  const auto conv = [&](ValueId in, int64_t from) {
    const ValueId w = b.constant(random_tensor({48, from, kernel, kernel}, ++seed, -0.1f, 0.1f));
    return b.node("Conv", {in, w}, {{"pads", std::vector<int64_t>(4, kernel / 2)}});
  };
  y = conv(y, 3);
  for (int i = 0; i < 4; ++i) y = b.node("Add", {conv(b.node("Relu", {conv(y, 48)}), 48), y});
  b.output(y);
  return b.graph;
}

// Kernels of all extents, and a last one of another type: the outputs of a picture, shuffled or not.
Graph mixed(int64_t factor) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, -1, -1}});
  unsigned seed = 0;
  const auto conv = [&](ValueId in, int64_t from, int64_t to, int64_t kernel) {
    const int64_t pad = kernel / 2;
    const ValueId w = b.constant(random_tensor({to, from, kernel, kernel}, ++seed, -0.1f, 0.1f));
    return b.node("Conv", {in, w, b.constant(random_tensor({to}, ++seed))},
                  {{"pads", std::vector<int64_t>{pad, pad, pad, pad}}});
  };
  ValueId y = b.node("Tanh", {conv(x, 3, 40, 5)});
  for (const int64_t kernel : {1, 3, 5, 1, 3}) y = b.node("Relu", {conv(y, 40, 40, kernel)});
  y = conv(y, 40, 3 * factor * factor, 3);
  if (factor == 1) {
    b.output(b.node("Add", {y, x}));
  } else {
    y = b.node("DepthToSpace", {y}, {{"blocksize", factor}, {"mode", std::string("CRD")}});
    b.output(b.node("Sigmoid", {y}));
  }
  return b.graph;
}

// Pictures of one size with more and fewer channels than the first.
Graph widths() {
  GraphBuilder b;
  ValueId y = b.input("x", {DType::float32, {1, 3, -1, -1}});
  unsigned seed = 0;
  int64_t from = 3;
  for (const int64_t to : {56, 12, 33, 80, 16, 48, 4}) {
    const int64_t kernel = seed % 3 ? 3 : 5;
    const ValueId w = b.constant(random_tensor({to, from, kernel, kernel}, ++seed, -0.1f, 0.1f));
    y = b.node("Relu", {b.node("Conv", {y, w}, {{"pads", std::vector<int64_t>(4, kernel / 2)}})});
    from = to;
  }
  b.output(y);
  return b.graph;
}

Tensor run(Graph graph, const Tensor& in, Precision precision, int threads, bool waves) {
  const auto engine = cpu_engine(true, threads, precision);
  engine->plan.waves = waves;
  optimizer::prepare(graph);
  const Executor executor(graph, *engine);
  std::vector<Datum> data(1);
  data[0].tensor = in;
  return executor.run(std::move(data), {})[0].tensor;
}

TEST(Waves, GiveTheSameBits) {
  for (const Shape& shape :
       {Shape{1, 3, 330, 130}, Shape{1, 3, 301, 140}, Shape{1, 3, 150, 267}, Shape{1, 3, 61, 603}}) {
    const Tensor in = random_tensor(shape, 7, 0, 1);
    for (const Graph& graph : {chain(4), residuals(3), residuals(5), mixed(1), mixed(2), widths()}) {
      for (const Precision precision : {Precision::fp32, Precision::bf16}) {
        const Tensor expected = run(graph, in, precision, 1, false);
        for (const int threads : {1, 2, 5}) {
          const Tensor y = run(graph, in, precision, threads, true);
          EXPECT_EQ(std::memcmp(y.bytes.get(), expected.bytes.get(), static_cast<size_t>(y.type.bytes())), 0)
              << shape << " with " << threads << " threads";
        }
      }
    }
  }
}

TEST(Waves, AreFoundWhereValuesAreLarge) {
  const auto waves = [](Graph graph, int64_t extent) {
    const auto engine = cpu_engine(true);
    optimizer::prepare(graph);
    const Executor executor(graph, *engine);
    const Type type{DType::float32, {1, 3, extent, extent}};
    bool whole = false;
    const auto plan = executor.first_plan({&type, 1}, &whole);
    EXPECT_TRUE(whole);
    size_t steps = 0;
    for (const Wave& wave : plan->waves()) {
      EXPECT_GE(wave.count, 2u);
      EXPECT_EQ(wave.row_offsets.size(), wave.count);
      EXPECT_EQ(wave.row_offsets.back(), 0);
      EXPECT_LT(wave.plane_rows, extent);
      steps += wave.count;
    }
    return steps;
  };
  EXPECT_EQ(waves(chain(4), 64), 0u);
  EXPECT_GE(waves(chain(4), 250), 6u);
  EXPECT_EQ(waves(mixed(2), 250), 7u);
  EXPECT_GE(waves(widths(), 250), 6u);
}

}  // namespace
}  // namespace tessera::test
