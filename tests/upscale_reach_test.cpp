// How far results look, and on which grid: what the walk says of small graphs is held against what
// changing pixels and shifting pictures shows.
#include "tests/upscale_pictures.h"
#include "upscale/reach.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "runtime/base/rounding.h"
#include "tests/graph_builder.h"
#include "tests/support.h"
#include "tests/upscale_sessions.h"
#include "upscale/codecs/codec.h"
#include "upscale/codecs/files.h"
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

using test::GraphBuilder;

enum class Kind { local, global, not_followed };

/// A graph over x = [1, 4, height, width], a picture `scale` times as large.
struct Case {
  const char* name;
  Kind kind;
  ValueId (*build)(GraphBuilder& g, ValueId x);
  int64_t scale = 1;
  int64_t lattice = 1;  ///< what is expected; local ones only
};

constexpr int64_t channels = 4;

ValueId weights(GraphBuilder& g, const Shape& shape, unsigned seed = 1) {
  return g.constant(test::random_tensor(shape, seed, -1, 1));
}
Attr numbers(std::vector<int64_t> values) { return values; }
ValueId scalar(GraphBuilder& g, float value) { return g.constant(test::floats({}, {static_cast<double>(value)})); }

ValueId conv(GraphBuilder& g, ValueId x, int64_t kernel, Attrs attrs = {}, int64_t in = channels) {
  if (attrs.empty()) attrs = {{"pads", numbers({kernel / 2, kernel / 2, kernel / 2, kernel / 2})}};
  return g.node("Conv", {x, weights(g, {channels, in, kernel, kernel})}, std::move(attrs));
}
ValueId resize(GraphBuilder& g, ValueId x, float factor, Attrs attrs) {
  return g.node(
      "Resize",
      {x, absent, g.constant(test::floats({4}, {1, 1, static_cast<double>(factor), static_cast<double>(factor)}))},
      std::move(attrs));
}
/// x as [1, 4, H / n, n, W / n, n], by Shape arithmetic as exporters write it.
ValueId blocks(GraphBuilder& g, ValueId x, int64_t n) {
  const ValueId shape = g.node("Shape", {x});
  const auto side = [&](int64_t axis) {
    return g.node("Div", {g.node("Gather", {shape, g.constant({axis})}), g.constant({n})});
  };
  const ValueId to = g.node("Concat", {g.constant({1, channels}), side(2), g.constant({n}), side(3), g.constant({n})},
                            {{"axis", int64_t{0}}});
  return g.node("Reshape", {x, to});
}

const Case cases[] = {
    {"Relu", Kind::local, [](GraphBuilder& g, ValueId x) { return g.node("Relu", {x}); }},
    {"Add of a convolution", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       return g.node("Add", {x, conv(g, x, 3)});
     }},
    {"Conv 5x5", Kind::local, [](GraphBuilder& g, ValueId x) { return conv(g, x, 5); }},
    {"Conv dilated, pads askew", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       return conv(g, x, 3, {{"dilations", numbers({3, 3})}, {"pads", numbers({4, 4, 2, 2})}});
     }},
    {"Conv strided, then pixels from channels", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       const ValueId half = conv(g, x, 3, {{"strides", numbers({2, 2})}, {"auto_pad", std::string("SAME_UPPER")}});
       const ValueId wide = g.node("Conv", {half, weights(g, {4 * channels, channels, 1, 1})});
       return g.node("DepthToSpace", {wide}, {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}});
     },
     1, 2},
    {"DepthToSpace DCR", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       const ValueId wide = g.node("Conv", {x, weights(g, {9 * channels, channels, 1, 1})});
       return g.node("DepthToSpace", {wide}, {{"blocksize", int64_t{3}}});
     },
     3},
    {"SpaceToDepth and back", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       const ValueId deep = g.node("SpaceToDepth", {x}, {{"blocksize", int64_t{2}}});
       const ValueId mixed =
           g.node("Conv", {deep, weights(g, {4 * channels, 4 * channels, 3, 3})}, {{"pads", numbers({1, 1, 1, 1})}});
       return g.node("DepthToSpace", {mixed}, {{"blocksize", int64_t{2}}});
     },
     1, 2},
    {"pixels to channels by Reshape and Transpose", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       const ValueId turned = g.node("Transpose", {blocks(g, x, 2)}, {{"perm", numbers({0, 1, 3, 5, 2, 4})}});
       const ValueId shape = g.node("Shape", {turned});
       const auto part = [&](int64_t from) {
         return g.node("Slice", {shape, g.constant({from}), g.constant({from + 2})});
       };
       const ValueId deep = g.node(
           "Reshape", {turned, g.node("Concat", {g.constant({1, 4 * channels}), part(4)}, {{"axis", int64_t{0}}})});
       const ValueId mixed = g.node("Conv", {deep, weights(g, {4 * channels, 4 * channels, 1, 1})});
       return g.node("DepthToSpace", {mixed}, {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}});
     },
     1, 2},
    {"ConvTranspose", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       return g.node("ConvTranspose", {x, weights(g, {channels, channels, 4, 4})},
                     {{"strides", numbers({2, 2})}, {"pads", numbers({1, 1, 1, 1})}});
     },
     2},
    {"MaxPool, then ConvTranspose", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       const ValueId half = g.node("MaxPool", {x}, {{"kernel_shape", numbers({2, 2})}, {"strides", numbers({2, 2})}});
       return g.node("ConvTranspose", {half, weights(g, {channels, channels, 2, 2})}, {{"strides", numbers({2, 2})}});
     },
     1, 2},
    {"AveragePool 5x5", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       return g.node("AveragePool", {x}, {{"kernel_shape", numbers({5, 5})}, {"pads", numbers({2, 2, 2, 2})}});
     }},
    {"Resize nearest", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       return resize(g, x, 2,
                     {{"mode", std::string("nearest")},
                      {"nearest_mode", std::string("floor")},
                      {"coordinate_transformation_mode", std::string("asymmetric")}});
     },
     2},
    {"Resize linear", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       return resize(g, x, 2, {{"mode", std::string("linear")}});
     },
     2},
    {"Resize cubic", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       return resize(g, x, 3, {{"mode", std::string("cubic")}});
     },
     3},
    {"Resize by 3/2, then 4/3", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       return resize(g, resize(g, x, 1.5f, {{"mode", std::string("linear")}}), 4.0f / 3,
                     {{"mode", std::string("linear")}});
     },
     2, 2},
    {"Resize smaller with antialias, and larger", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       return resize(g, resize(g, x, 0.25f, {{"mode", std::string("cubic")}, {"antialias", int64_t{1}}}), 4,
                     {{"mode", std::string("linear")}});
     },
     1, 4},
    {"Pad by reflection, then Slice", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       const ValueId wide =
           g.node("Pad", {x, g.constant({0, 0, 3, 3, 0, 0, 3, 3})}, {{"mode", std::string("reflect")}});
       const ValueId valid = conv(g, wide, 5, {{"pads", numbers({0, 0, 0, 0})}});
       return g.node("Slice", {valid, g.constant({1, 1}), g.constant({-1, -1}), g.constant({2, 3})});
     }},
    {"a matrix product over channels, channels last", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       const ValueId last = g.node("Transpose", {x}, {{"perm", numbers({0, 2, 3, 1})}});
       const ValueId made = g.node(
           "LayerNormalization", {g.node("MatMul", {last, weights(g, {channels, channels})}), weights(g, {channels})});
       return g.node("Transpose", {made}, {{"perm", numbers({0, 3, 1, 2})}});
     }},
    {"attention in windows of 4", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       const ValueId cut = g.node("Transpose", {blocks(g, x, 4)}, {{"perm", numbers({0, 2, 4, 3, 5, 1})}});
       const ValueId shape = g.node("Shape", {cut});
       const ValueId tokens = g.node("Reshape", {cut, g.constant({-1, 16, channels})});
       const ValueId scores = g.node("MatMul", {tokens, g.node("Transpose", {tokens}, {{"perm", numbers({0, 2, 1})}})});
       const ValueId made = g.node("MatMul", {g.node("Softmax", {scores}), tokens});
       const ValueId back =
           g.node("Transpose", {g.node("Reshape", {made, shape})}, {{"perm", numbers({0, 5, 1, 3, 2, 4})}});
       return g.node("Reshape", {back, g.node("Shape", {x})});
     },
     1, 4},
    {"Softmax over channels", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       return g.node("Softmax", {x}, {{"axis", int64_t{1}}});
     }},
    {"LRN", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       return g.node("LRN", {x}, {{"size", int64_t{3}}});
     }},
    {"ReduceMean over channels", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       return g.node("Sub", {x, g.node("ReduceMean", {x, g.constant({1})})});
     }},
    {"Concat, Gather and Split of channels", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       const ValueId both = g.node("Concat", {conv(g, x, 3), x}, {{"axis", int64_t{1}}});
       const ValueId some = g.node("Gather", {both, g.constant({7, 5, 3, 1, 0, 2, 4, 6})}, {{"axis", int64_t{1}}});
       const auto parts = g.nodes("Split", {some}, 2, {{"axis", int64_t{1}}, {"num_outputs", int64_t{2}}});
       return g.node("Mul", {parts[0], parts[1]});
     }},
    {"QuantizeLinear around Conv 9x9", Kind::local,
     [](GraphBuilder& g, ValueId x) {
       const ValueId scale = scalar(g, 0.01f), zero = g.constant(test::tensor(DType::uint8, {}, {128}));
       const ValueId coarse = g.node("DequantizeLinear", {g.node("QuantizeLinear", {x, scale, zero}), scale, zero});
       return conv(g, coarse, 9);
     }},
    {"GlobalAveragePool", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       return g.node("Mul", {x, g.node("GlobalAveragePool", {x})});
     }},
    {"GlobalMaxPool", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       return g.node("Mul", {x, g.node("GlobalMaxPool", {x})});
     }},
    {"ReduceMean over rows and columns", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       return g.node("Mul", {x, g.node("ReduceMean", {x, g.constant({2, 3})})});
     }},
    {"ReduceL2 over rows", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       return g.node("Div", {x, g.node("ReduceL2", {x, g.constant({2})})});
     }},
    {"InstanceNormalization", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       return g.node("InstanceNormalization", {x, weights(g, {channels}), weights(g, {channels})});
     }},
    {"LayerNormalization over space", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       return g.node("LayerNormalization", {x, scalar(g, 1)}, {{"axis", int64_t{1}}}, 17);
     }},
    {"GroupNormalization", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       return g.node("GroupNormalization", {x, weights(g, {2}), weights(g, {2})}, {{"num_groups", int64_t{2}}});
     }},
    {"MeanVarianceNormalization", Kind::global,
     [](GraphBuilder& g, ValueId x) { return g.node("MeanVarianceNormalization", {x}); }},
    {"Softmax along rows", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       return g.node("Softmax", {x}, {{"axis", int64_t{3}}});
     }},
    {"Softmax before opset 13", Kind::global,
     [](GraphBuilder& g, ValueId x) { return g.node("Softmax", {x}, {}, 11); }},
    {"Hardmax along columns", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       return g.node("Hardmax", {x}, {{"axis", int64_t{2}}});
     }},
    {"LpNormalization along rows", Kind::global,
     [](GraphBuilder& g, ValueId x) { return g.node("LpNormalization", {x}); }},
    {"CumSum along rows", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       return g.node("CumSum", {x, g.constant(tessera::Tensor::of(List<int64_t>(std::array<int64_t, 1>{3})))});
     }},
    {"ArgMax along rows", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       const ValueId place = g.node("ArgMax", {x}, {{"axis", int64_t{3}}});
       return g.node("Add", {x, g.node("Cast", {place}, {{"to", int64_t{1}}})});
     }},
    {"DynamicQuantizeLinear", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       const auto made = g.nodes("DynamicQuantizeLinear", {x}, 3);
       return g.node("DequantizeLinear", {made[0], made[1], made[2]});
     }},
    {"Resize with corners aligned", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       return resize(
           g, x, 2,
           {{"mode", std::string("linear")}, {"coordinate_transformation_mode", std::string("align_corners")}});
     },
     2},
    {"a picture turned by Slice", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       return g.node("Slice", {x, g.constant({-1}), g.constant({std::numeric_limits<int64_t>::min()}), g.constant({3}),
                               g.constant({-1})});
     }},
    {"positions by Range", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       const ValueId width = g.node("Squeeze", {g.node("Gather", {g.node("Shape", {x}), g.constant({3})})});
       const ValueId places = g.node("Range", {g.constant(test::tensor(DType::int64, {}, {0})), width,
                                               g.constant(test::tensor(DType::int64, {}, {1}))});
       return g.node("Add", {x, g.node("Cast", {places}, {{"to", int64_t{1}}})});
     }},
    {"Resize to a size that is no multiple", Kind::global,
     [](GraphBuilder& g, ValueId x) {
       const ValueId small = g.node("MaxPool", {x}, {{"kernel_shape", numbers({7, 7})}, {"strides", numbers({3, 3})}});
       const ValueId back =
           g.node("Resize", {small, absent, absent, g.node("Shape", {x})}, {{"mode", std::string("linear")}});
       return g.node("Mul", {x, back});
     }},
    {"Einsum", Kind::not_followed,
     [](GraphBuilder& g, ValueId x) {
       return g.node("Einsum", {x, weights(g, {channels, channels})}, {{"equation", std::string("nchw,cd->ndhw")}});
     }},
};

/// A model of a graph, computed as its operators are defined.
struct GraphUpsampler {
  std::unique_ptr<Upsampler> model;
  explicit GraphUpsampler(Graph graph) {
    ModelOptions options;
    options.device = "cpu";
    options.precision = "exact";
    options.threads = 1;
    model = open_graph(std::move(graph), options);
  }
  explicit GraphUpsampler(const Case& c) : GraphUpsampler(graph_of(c)) {}
  static Graph graph_of(const Case& c) {
    GraphBuilder g;
    const ValueId x = g.input("x", {DType::float32, {1, channels, -1, -1}});
    g.output(c.build(g, x));
    return std::move(g.graph);
  }
  operator const Upsampler&() const { return *model; }
  tessera::Tensor run(const tessera::Tensor& input) const { return to_runtime(model->run(from_runtime(input))[0]); }
};

Convention convention_of(const Case& c) {
  Convention convention;
  convention.in = convention.out = {0, 1, 2, 3};
  convention.channels = convention.out_channels = channels;
  convention.scale = c.scale;
  convention.multiple = 12;
  return convention;
}

/// The largest distance, in input pixels, from the changed pixel to a result that changed.
int64_t seen_from(const GraphUpsampler& model, const Case& c, int64_t size, int64_t y, int64_t x) {
  const tessera::Tensor before = test::random_tensor({1, channels, size, size}, 3);
  tessera::Tensor after = before.clone();
  for (int64_t i = 0; i < channels; ++i) after.as<float>()[(i * size + y) * size + x] += 1.5f;
  const tessera::Tensor a = model.run(before), b = model.run(after);
  const int64_t extent = size * c.scale;
  EXPECT_EQ(a.type.shape, (Shape{1, channels, extent, extent}));
  int64_t worst = -1;
  for (int64_t i = 0; i < a.type.shape.elements(); ++i)
    if (std::abs(element_as_double(a.view(), i) - element_as_double(b.view(), i)) > 1e-5)
      worst = std::max({worst, std::abs(i / extent % extent / c.scale - y), std::abs(i % extent / c.scale - x)});
  return worst;
}

class Reaching : public testing::TestWithParam<Case> {};

TEST_P(Reaching, is_what_changing_a_pixel_shows) {
  const Case& c = GetParam();
  const GraphUpsampler model(c);
  const Convention convention = convention_of(c);
  const Reach reach = follow(model, convention);
  EXPECT_EQ(reach.followed, c.kind != Kind::not_followed) << reach.reason;
  if (c.kind == Kind::not_followed) return;
  const bool whole = reach.global || !reach.pools.empty() || !reach.stretches.empty();
  EXPECT_EQ(whole, c.kind == Kind::global) << reach.reason;
  EXPECT_EQ(whole, !reach.reason.empty());
  constexpr int64_t size = 48;
  int64_t seen = 0;
  for (int64_t phase = 0; phase < 5; ++phase) seen = std::max(seen, seen_from(model, c, size, 22 + phase, 21 + phase));
  if (c.kind == Kind::local) {
    EXPECT_LE(seen, reach.radius);
    EXPECT_GE(seen + reach.lattice + 1, reach.radius) << "the walk sees farther than the graph";
    EXPECT_EQ(reach.lattice, std::lcm(convention.multiple, c.lattice));
  }
}

/// A window of the plane, run alone, has the pixels of a larger one: with the walk's own numbers.
TEST_P(Reaching, is_enough_for_windows_on_the_lattice) {
  const Case& c = GetParam();
  if (c.kind != Kind::local) return;
  const GraphUpsampler model(c);
  Convention convention = convention_of(c);
  convention.multiple = c.lattice;  // what the graph itself asks for
  const Reach reach = follow(model, convention);
  ASSERT_TRUE(reach.followed) << reach.reason;
  EXPECT_EQ(reach.lattice, c.lattice);
  const int64_t whole = 48 + 2 * reach.lattice, start = round_up(5, reach.lattice), size = whole - start;
  const tessera::Tensor large = test::random_tensor({1, channels, whole, whole}, 5);
  tessera::Tensor small = tessera::Tensor::make({DType::float32, {1, channels, size, size}});
  for (int64_t i = 0; i < channels; ++i)
    for (int64_t y = 0; y < size; ++y)
      std::copy_n(large.as<float>() + (i * whole + y + start) * whole + start, size,
                  small.as<float>() + (i * size + y) * size);
  const tessera::Tensor a = model.run(large), b = model.run(small);
  for (int64_t i = 0; i < channels; ++i)
    for (int64_t y = reach.radius * c.scale; y < size * c.scale; ++y)
      for (int64_t x = reach.radius * c.scale; x < size * c.scale; ++x)
        ASSERT_NEAR(a.as<float>()[(i * whole * c.scale + y + start * c.scale) * whole * c.scale + x + start * c.scale],
                    b.as<float>()[(i * size * c.scale + y) * size * c.scale + x], 1e-4)
            << y << "," << x;
}

/// Where the walk does not tell, trying does; both agree where both tell.
TEST_P(Reaching, is_what_measuring_finds) {
  const Case& c = GetParam();
  const GraphUpsampler model(c);
  Convention convention = convention_of(c);
  convention.multiple = c.lattice;
  const Reach walked = follow(model, convention), measured = measure(model, convention);
  EXPECT_TRUE(measured.measured);
  if (!walked.followed || walked.global || !walked.pools.empty() || !walked.stretches.empty()) return;
  EXPECT_FALSE(measured.global);
  EXPECT_LE(measured.radius, walked.radius);
  EXPECT_EQ(walked.lattice % measured.lattice, 0) << measured.lattice;
}

INSTANTIATE_TEST_SUITE_P(UpscaleReach, Reaching, testing::ValuesIn(cases), [](const auto& info) {
  std::string name = info.param.name;
  for (char& letter : name)
    if (!std::isalnum(static_cast<unsigned char>(letter))) letter = '_';
  return name;
});

/// Squeeze and excitation: channels weighted by means over the picture, which tiles take together first.
TEST(UpscaleReach, means_of_the_whole_picture_are_taken_over_all_tiles) {
  GraphBuilder g;
  const ValueId x = g.input("x", {DType::float32, {1, channels, -1, -1}});
  const auto weigh = [&](ValueId value, ValueId pooled) {
    const ValueId squeezed = g.node("Reshape", {pooled, g.constant({1, channels, 1, 1})});
    return g.node("Mul", {value, g.node("Sigmoid", {conv(g, squeezed, 1)})});
  };
  const ValueId wide = g.node("Pad", {x, g.constant({0, 0, 5, 5, 0, 0, 5, 5})}, {{"mode", std::string("reflect")}});
  const ValueId first = conv(g, wide, 5, {{"pads", numbers({0, 0, 0, 0})}});
  const ValueId second = weigh(first, g.node("GlobalAveragePool", {first}));
  const ValueId half = conv(g, second, 2, {{"strides", numbers({2, 2})}});
  const ValueId third = weigh(half, g.node("ReduceMean", {half, g.constant({2, 3})}, {{"keepdims", int64_t{0}}}));
  const ValueId back =
      g.node("ConvTranspose", {third, weights(g, {channels, channels, 2, 2})}, {{"strides", numbers({2, 2})}});
  const ValueId fourth = weigh(back, g.node("GlobalMaxPool", {back}));
  const ValueId valid = conv(g, fourth, 7, {{"pads", numbers({0, 0, 0, 0})}});
  g.output(resize(g, valid, 2, {{"mode", std::string("linear")}}));
  const GraphUpsampler model(std::move(g.graph));
  for (const auto& [width, height] : {std::pair{90, 70}, {64, 101}}) {
    const Picture picture = noise(width + width % 2, height, 4);
    TilerOptions options;
    options.convention.in = {{0, 1}};
    options.tile = 32;
    options.verify_tiles = true;
    Report report;
    const Tiler tiles(model, options);
    EXPECT_EQ(tiles.reach().pools.size(), 3u) << tiles.reach().reason;
    tiles.upscale(picture, report);
    EXPECT_GT(report.windows, 3);
    EXPECT_GE(report.tile_difference, 0);
    EXPECT_LT(report.tile_difference, 1e-4);  // 0.03 levels; its numbers leave 0..1 by far
    EXPECT_TRUE(report.notes.empty());
  }
}

/// Attention on a coarse grid that does not end where the picture does, corners that are aligned, norms over the
/// picture.
TEST(UpscaleReach, grids_that_are_stretched_over_the_picture_lie_in_tiles_where_they_do_in_the_whole) {
  for (const char* mode : {"linear", "cubic", "nearest"}) {
    GraphBuilder g;
    const ValueId x = g.input("x", {DType::float32, {1, channels, -1, -1}});
    const ValueId small =
        g.node("MaxPool", {conv(g, x, 3, {{"strides", numbers({2, 2})}, {"pads", numbers({0, 0, 0, 0})}})},
               {{"kernel_shape", numbers({7, 7})}, {"strides", numbers({3, 3})}});
    const ValueId wide =
        g.node("Resize", {conv(g, small, 3), absent, absent, g.node("Shape", {x})}, {{"mode", std::string(mode)}});
    const ValueId first = g.node("Mul", {x, g.node("Sigmoid", {wide})});
    const ValueId norm = g.node("ReduceL2", {first, g.constant({2, 3})});
    const ValueId second = g.node("Div", {first, g.node("ReduceMean", {norm, g.constant({1})})});
    g.output(resize(g, conv(g, second, 3), 2,
                    {{"mode", std::string(mode)}, {"coordinate_transformation_mode", std::string("align_corners")}}));
    const GraphUpsampler model(std::move(g.graph));
    for (const auto& [width, height] : {std::pair{197, 183}, {164, 201}, {210, 175}}) {
      const Picture picture = noise(width, height, 4);
      TilerOptions options;
      options.convention.in = {{0, 1}};
      options.tile = 32;
      options.verify_tiles = true;
      Report report;
      const Tiler tiles(model, options);
      EXPECT_EQ(tiles.reach().pools.size(), 1u) << tiles.reach().reason;
      EXPECT_EQ(tiles.reach().stretches.size(), 2u) << tiles.reach().reason;
      tiles.upscale(picture, report);
      EXPECT_GT(report.windows, 3);
      EXPECT_GE(report.tile_difference, 0);
      EXPECT_LT(report.tile_difference, 1e-4) << mode << " at " << width << "x" << height;
      EXPECT_TRUE(report.notes.empty());
    }
  }
}

/// A file that declares one size, though its graph computes each pixel alike for every size.
TEST(UpscaleReach, sizes_that_a_graph_does_not_need_are_opened) {
  enum class Form { plain, pools, written_extents, positions };
  const auto graph = [](bool fixed, Form form) {
    GraphBuilder g;
    const ValueId x = g.input("x", {DType::float32, {1, channels, fixed ? 40 : -1, fixed ? 56 : -1}});
    ValueId y = conv(g, x, 5);
    if (form == Form::pools) y = g.node("Mul", {y, g.node("GlobalAveragePool", {y})});
    if (form == Form::written_extents) {
      // What a program asked the picture, a file for one size has in numbers.
      const ValueId small =
          conv(g, g.node("MaxPool", {y}, {{"kernel_shape", numbers({4, 4})}, {"strides", numbers({4, 4})}}), 3);
      const ValueId extents = fixed ? g.constant({1, channels, 40, 56}) : g.node("Shape", {y});
      y = g.node("Mul", {y, g.node("Resize", {small, absent, absent, extents}, {{"mode", std::string("nearest")}})});
    }
    if (form == Form::positions) y = g.node("Mul", {y, g.constant(test::random_tensor({1, 1, 40, 56}, 3))});
    g.output(resize(g, y, 2, {{"mode", std::string("linear")}}));
    return std::move(g.graph);
  };
  const auto opened = [&](bool fixed, Form form) {
    return with_open_sizes(std::move(GraphUpsampler(graph(fixed, form)).model));
  };
  const auto bound = opened(true, Form::positions);
  EXPECT_EQ(bound->inputs()[0].type.shape, (Shape{1, channels, 40, 56}));
  for (const Form form : {Form::plain, Form::pools, Form::written_extents}) {
    const auto open = opened(true, form), plain = opened(false, form);
    EXPECT_EQ(open->inputs()[0].type.shape, (Shape{1, channels, -1, -1}));
    EXPECT_NE(open->declared(), "");
    EXPECT_EQ(plain->declared(), "");
    for (const auto& [width, height] : {std::pair{56, 40}, {24, 72}}) {
      const Tensor input = from_runtime(test::random_tensor({1, channels, height, width}, 7));
      const Tensor a = open->run(input)[0], b = plain->run(input)[0];
      ASSERT_EQ(a.type.shape, b.type.shape);
      EXPECT_EQ(std::memcmp(a.bytes.get(), b.bytes.get(), static_cast<size_t>(a.type.bytes())), 0);
    }
  }
}

/// Whatever the model and the tile: no tile shows.
TEST(UpscaleReach, tiles_of_all_models_at_hand_agree_with_the_whole_picture) {
  TESSERA_REQUIRE_SHARED(data);
  const Picture photo = decode(read_file(data / "images" / "kodak" / "5.png"));
  const auto part = [&](int64_t x, int64_t y, int64_t width, int64_t height) {
    Picture picture = blank(width, height, 3);
    for (int64_t row = 0; row < height; ++row) std::copy_n(photo.row(y + row) + 3 * x, 3 * width, picture.row(row));
    return picture;
  };
  // Sizes that are no multiple of anything; the last one has one row of windows.
  const std::pair<int64_t, Picture> trials[] = {
      {32, part(100, 100, 157, 113)}, {61, part(300, 50, 131, 149)}, {512, part(20, 200, 613, 41)}};
  int models = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data / "models" / "upscale")) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() != ".onnx" || name.find("util") != std::string::npos ||
        name.find("pre_post") != std::string::npos)
      continue;
    ModelOptions session;
    session.device = "cpu";
    std::string note, device;
    const auto model = open_upsampler(entry.path().string(), session, nullptr, note, device);
    ++models;
    bool compared = false;
    for (const auto& [tile, picture] : trials) {
      TilerOptions options;
      options.tile = tile;
      options.verify_tiles = true;
      Report report;
      const Tiler tiles(*model, options);
      const bool fixed = tiles.convention().fixed_width && tiles.convention().fixed_height;
      tiles.upscale(picture, report);
      const double worst = std::max(report.tile_difference, static_cast<double>(report.seam));
      std::printf("%-70s tile %3d: %.4f levels, %d windows\n", name.c_str(), static_cast<int>(tile), worst * 255,
                  static_cast<int>(report.windows));
      compared |= fixed || (report.windows > 1 && report.tile_difference >= 0);
      EXPECT_LE(worst, 1 / 255.0) << name << " in tiles of " << tile;
    }
    EXPECT_TRUE(compared) << name << " had all pictures in one window";
  }
  EXPECT_GE(models, 20);
}

/// The walk's numbers for real upscalers are no smaller than what trying them shows.
TEST(UpscaleReach, of_real_upscalers_holds_against_trying) {
  TESSERA_REQUIRE_SHARED(data);
  int local = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data / "models" / "upscale")) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() != ".onnx" || name.find("util") != std::string::npos ||
        name.find("pre_post") != std::string::npos || entry.file_size() > 1'800'000)
      continue;
    ModelOptions session;
    session.device = "cpu";
    std::string note, device;
    const auto model = open_upsampler(entry.path().string(), session, nullptr, note, device);
    const Convention convention = discover(*model);
    if (convention.fixed_width > 256 || convention.fixed_height > 256) continue;
    const Reach walked = follow(*model, convention);
    if (!walked.followed || walked.global || !walked.pools.empty() || !walked.stretches.empty()) continue;
    ++local;
    const Reach measured = measure(*model, convention);
    EXPECT_FALSE(measured.global) << name;
    EXPECT_LE(measured.radius, walked.radius) << name;
    EXPECT_EQ(walked.lattice % measured.lattice, 0) << name;
  }
  EXPECT_GE(local, 8);
}

/// The cases that were found by use, as their files say.
TEST(UpscaleReach, of_cases_found_by_use) {
  TESSERA_REQUIRE_SHARED(data);
  const auto cases_folder = data.parent_path() / "cases" / "upscale";
  if (!std::filesystem::exists(cases_folder)) GTEST_SKIP() << "skipped: the cases are not on this machine";
  const auto reach_of = [&](const std::filesystem::path& path) {
    ModelOptions session;
    session.device = "cpu";
    std::string note, device;
    const auto model = open_upsampler((cases_folder / path).string(), session, nullptr, note, device);
    return Tiler(*model, {}).reach();
  };
  EXPECT_EQ(reach_of("models/qdq_dyn.onnx").radius, 5);
  EXPECT_TRUE(reach_of("models/softmax_space.onnx").global);
  EXPECT_EQ(reach_of("tiles-last-window-phase/model.onnx").lattice, 2);
}

// An operator that is not followed says so: one that says nothing was forgotten.
TEST(UpscaleReach, every_operator_says_how_far_it_looks) {
  std::string missing;
  for (const OpDef* op : all_ops())
    if (op->reference && !op->reach) missing += cat(" ", op->domain, ".", op->name);
  EXPECT_EQ(missing, "");
}

}  // namespace
}  // namespace tessera::upscale
