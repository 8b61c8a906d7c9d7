// Convolutions: shapes, borders, strides, dilations, groups, epilogues.
#include "ops/elementwise.h"

#include "tests/cases/case.h"

namespace tessera::test {
extern const CaseFile convolution_cases;
namespace {

using namespace elementwise;

struct Conv {
  const char* op = "Conv";
  Shape x, w;
  std::vector<int64_t> strides = {1, 1}, dilations = {1, 1}, pads = {1, 1, 1, 1};
  int64_t group = 1;
  bool bias = true;
  /// Operands: 0 stands for one number per channel (of the shape that the step sees), 1 for a tensor of the output's
  /// shape, 2 for a single number.
  std::vector<Fused> epilogue = {};
  int least = 1;
  double low = -0.2;  ///< weights lie from here to 0.2
  double of_range_exact = 0;
};

// The shape of the result before its epilogue.
Shape shape_of(const Case& c) { return Question(c).out_types()[0].shape; }

// Weights are constants; so are operands, but for those of the output's shape.
Case conv(const Conv& from) {
  const bool transposed = std::string(from.op) == "ConvTranspose";
  Case c{.op = from.op,
         .in = {random(from.x, -1, 1), fixed(random(from.w, from.low, 0.2)), {}},
         .attrs = {attr("strides", from.strides), attr("dilations", from.dilations), attr("pads", from.pads),
                   attr("group", from.group)},
         .relative = 0,
         .absolute = 0,
         .of_range = 5e-6,
         .of_range_exact = from.of_range_exact,
         .least = from.least,
         .least_rounded = from.group == 1 && from.x[1] >= 16 && from.x.rank() == 4 ? 1 : 0};
  if (from.bias) c.in[2] = fixed(random({transposed ? from.w[1] * from.group : from.w[0]}, -1, 1));
  Shape shape = from.epilogue.empty() ? Shape{} : shape_of(c);
  for (Fused step : from.epilogue) {
    if (step.kind == Fused::Kind::depth_to_space) {
      const auto block = static_cast<int64_t>(step.a);
      shape = Shape{shape[0], shape[1] / block / block, shape[2] * block, shape[3] * block};
    } else if (step.operand >= 0) {
      Shape operand{shape[1]};
      for (int i = 2; i < shape.rank(); ++i) operand.push_back(1);
      if (step.operand == 1) operand = shape;
      if (step.operand == 2) operand = Shape{1};
      const Input input = random(operand, 0.25, 1.5);
      c.operands.push_back(step.operand == 1 ? input : fixed(input));
      step.operand = static_cast<int16_t>(c.operands.size() - 1);
    }
    c.epilogue.push_back(step);
  }
  return c;
}

void three_by_three(const Taker& check) {
  for (const int64_t in : {1, 3, 12, 16, 20, 64})
    for (const int64_t out : {1, 3, 8, 16, 33, 64})
      for (const Shape& picture : {Shape{1, 1}, Shape{3, 5}, Shape{17, 31}, Shape{24, 61}}) {
        Conv c{.x = {1, in, picture[0], picture[1]}, .w = {out, in, 3, 3}};
        check(conv(c));  // LEAST 4
      }
  check(conv({.x = {3, 20, 9, 10}, .w = {18, 20, 3, 3}, .bias = false}));
  check(conv({.x = {2, 64, 40, 70}, .w = {48, 64, 3, 3}, .pads = {0, 0, 0, 0}}));
  check(conv({.x = {1, 32, 12, 13}, .w = {32, 32, 3, 3}, .pads = {2, 1, 0, 3}}));
  // Many tiles, of 6x6 and of 4x4.
  for (const auto& [height, width] : {std::pair{71, 131}, std::pair{22, 201}})
    for (const int64_t out : {16, 18, 40}) check(conv({.x = {1, 20, height, width}, .w = {out, 20, 3, 3}}));
}

void kernels_strides_dilations_pads(const Taker& check) {
  for (const int64_t in : {1, 5, 24})
    for (const int64_t out : {2, 24}) {
      check(conv({.x = {1, in, 23, 37}, .w = {out, in, 5, 5}, .pads = {2, 2, 2, 2}}));
      check(conv({.x = {1, in, 23, 37}, .w = {out, in, 9, 9}, .pads = {4, 4, 4, 4}}));
      check(conv({.x = {1, in, 23, 37}, .w = {out, in, 3, 3}, .strides = {2, 2}}));
      check(conv({.x = {2, in, 23, 38}, .w = {out, in, 3, 2}, .strides = {3, 2}, .pads = {0, 1, 2, 0}}));
      check(conv({.x = {1, in, 23, 37}, .w = {out, in, 3, 3}, .dilations = {2, 3}, .pads = {2, 3, 2, 3}}));
      check(conv(
          {.x = {1, in, 23, 37}, .w = {out, in, 3, 3}, .strides = {2, 2}, .dilations = {3, 3}, .pads = {3, 3, 3, 3}}));
      check(conv({.x = {1, in, 23, 37}, .w = {out, in, 1, 1}, .pads = {0, 0, 0, 0}}));
      check(conv({.x = {1, in, 23, 37}, .w = {out, in, 1, 1}, .strides = {2, 2}, .pads = {0, 0, 0, 0}}));
      check(conv({.x = {1, in, 23, 37}, .w = {out, in, 1, 7}, .pads = {0, 3, 0, 3}}));
      check(conv({.x = {1, in, 6, 6}, .w = {out, in, 6, 6}, .pads = {0, 0, 0, 0}}));
      check(conv({.x = {1, in, 9, 9}, .w = {out, in, 3, 3}, .pads = {-1, -1, 0, -2}}));
    }
  check(conv({.x = {1, 3, 300, 700}, .w = {7, 3, 3, 3}}));
  // Three blocks of outputs, of which the last may be ragged.
  for (const int64_t out : {48, 43}) {
    check(conv({.x = {1, 5, 23, 37}, .w = {out, 5, 5, 5}, .pads = {2, 2, 2, 2}, .epilogue = {{PRelu, 0}}}));
    check(conv({.x = {1, 40, 23, 37}, .w = {out, 40, 1, 1}, .pads = {0, 0, 0, 0}, .epilogue = {{Add, 1}, {Relu}}}));
  }
  // Widths that only some counts of strips divide, and one output column per input column of 40.
  for (const int64_t width : {641, 640, 333, 117})
    check(conv({.x = {1, 96, 5, width}, .w = {8, 96, 5, 5}, .pads = {2, 2, 2, 2}}));
  check(conv(
      {.op = "ConvTranspose", .x = {1, 200, 3, 90}, .w = {200, 2, 2, 5}, .strides = {1, 40}, .pads = {0, 0, 0, 0}}));
  check(conv({.x = {1, 130, 5, 400}, .w = {20, 130, 5, 3}, .pads = {2, 1, 2, 1}}));
}

void groups(const Taker& check) {
  check(conv({.x = {1, 32, 11, 17}, .w = {64, 16, 3, 3}, .group = 2}));
  check(conv({.x = {2, 12, 11, 17}, .w = {18, 4, 3, 3}, .group = 3}));
  check(conv({.x = {1, 24, 11, 17}, .w = {24, 1, 3, 3}, .group = 24}));
  check(conv({.x = {2, 40, 19, 17}, .w = {40, 1, 5, 5}, .strides = {2, 2}, .pads = {2, 2, 2, 2}, .group = 40}));
  check(conv({.x = {1, 6, 11, 17}, .w = {12, 1, 3, 3}, .group = 6}));
}

void depthwise(const Taker& check) {
  for (const auto& chain : std::vector<std::vector<Fused>>{{},
                                                           {{Relu}},
                                                           {{Clip, -1, false, -0.5f, 0.75f}},
                                                           {{Add, 1}, {Relu}},
                                                           {{PRelu, 0}},
                                                           {{LeakyRelu, -1, false, 0.1f}},
                                                           {{Sigmoid}}})
    for (const int64_t channels : {16, 40})
      for (const Shape& picture : {Shape{1, 1}, Shape{2, 3}, Shape{7, 7}, Shape{19, 34}}) {
        Conv c{
            .x = {2, channels, picture[0], picture[1]}, .w = {channels, 1, 3, 3}, .group = channels, .epilogue = chain};
        check(conv(c));  // LEAST 1
        c.strides = {2, 2};
        check(conv(c));
        c.strides = {3, 1}, c.dilations = {2, 3}, c.pads = {4, 3, 2, 7};
        check(conv(c));
        c.w = {channels, 1, 5, 4}, c.strides = {1, 3}, c.dilations = {1, 1}, c.pads = {2, 5, 3, 0};
        check(conv(c));
      }
  check(conv({.x = {1, 24, 30, 40}, .w = {24, 1, 7, 7}, .strides = {2, 2}, .pads = {-1, -2, 3, 0}, .group = 24}));
}

void small_pictures_of_many_channels(const Taker& check) {
  const Fused relu{Relu}, add{Add, 1}, sigmoid{Sigmoid};
  for (const Shape& picture : {Shape{13, 14}, Shape{9, 25}, Shape{28, 28}})
    for (const auto& chain : std::vector<std::vector<Fused>>{{}, {add, relu}, {sigmoid}}) {
      check(conv({.x = {1, 40, picture[0], picture[1]}, .w = {72, 40, 3, 3}, .epilogue = chain}));
      check(conv({.x = {5, 16, picture[0], picture[1]}, .w = {20, 16, 3, 3}, .pads = {0, 2, 1, 0}, .epilogue = chain}));
    }
}

void one_axis(const Taker& check) {
  check(conv({.x = {2, 6, 101}, .w = {20, 6, 5}, .strides = {1}, .dilations = {1}, .pads = {2, 2}}));  // LEAST 1
  check(conv({.x = {1, 20, 101}, .w = {4, 20, 8}, .strides = {4}, .dilations = {1}, .pads = {0, 3}}));
  check(conv(
      {.op = "ConvTranspose", .x = {1, 20, 31}, .w = {20, 4, 8}, .strides = {4}, .dilations = {1}, .pads = {2, 2}}));
}

void three_axes(const Taker& check) {
  Conv c{.x = {2, 6, 5, 7, 9}, .w = {20, 6, 3, 2, 3}, .strides = {1, 2, 1}, .dilations = {1, 1, 2}, .least = 0};
  c.pads = {1, 0, 2, 1, 1, 2};
  check(conv(c));
  c.w = {9, 2, 3, 2, 3}, c.group = 3, c.epilogue = {{Relu}, {Add, 1}};
  check(conv(c));
  check(conv({.op = "ConvTranspose",
              .x = {1, 6, 3, 4, 5},
              .w = {6, 3, 2, 3, 4},
              .strides = {2, 3, 2},
              .dilations = {1, 1, 1},
              .pads = {0, 1, 0, 1, 0, 2},
              .least = 0}));
}

void transposed(const Taker& check) {
  for (const int64_t in : {3, 12, 32})
    for (const int64_t out : {1, 3, 20}) {
      const char* op = "ConvTranspose";
      check(conv({.op = op, .x = {1, in, 13, 29}, .w = {in, out, 2, 2}, .strides = {2, 2}, .pads = {0, 0, 0, 0}}));
      check(conv({.op = op, .x = {2, in, 13, 29}, .w = {in, out, 4, 4}, .strides = {2, 2}, .pads = {3, 3, 3, 3}}));
      check(conv({.op = op, .x = {1, in, 13, 29}, .w = {in, out, 9, 9}, .strides = {2, 2}, .pads = {4, 4, 3, 3}}));
      check(conv({.op = op, .x = {1, in, 13, 29}, .w = {in, out, 3, 3}}));
      check(conv({.op = op, .x = {1, in, 7, 9}, .w = {in, out, 2, 3}, .strides = {3, 4}, .pads = {0, 0, 0, 0}}));
      check(conv({.op = op, .x = {1, in, 7, 9}, .w = {in, out, 3, 3}, .strides = {2, 2}, .dilations = {2, 3}}));
    }
  check(conv({.op = "ConvTranspose", .x = {1, 24, 9, 10}, .w = {24, 1, 4, 4}, .strides = {2, 2}, .group = 24}));
  check(conv({.op = "ConvTranspose", .x = {1, 32, 9, 10}, .w = {32, 16, 4, 4}, .strides = {2, 2}, .group = 2}));
  check(conv({.op = "ConvTranspose", .x = {1, 12, 9, 10}, .w = {12, 3, 4, 4}, .strides = {2, 2}, .group = 4}));
}

void epilogues(const Taker& check) {
  const Fused relu{Relu}, sigmoid{Sigmoid}, clip{Clip, -1, false, -1.0f, 1.5f}, leaky{LeakyRelu, -1, false, 0.2f};
  const Fused slopes{PRelu, 0}, add{Add, 1}, scale{Mul, 2}, shift{Sub, 0, true}, ratio{Div, 1};
  const std::vector<std::vector<Fused>> chains = {{relu},
                                                  {clip},
                                                  {leaky},
                                                  {add, relu},
                                                  {add, slopes},
                                                  {sigmoid},
                                                  {slopes},
                                                  {add},
                                                  {scale, add, relu},
                                                  {shift, sigmoid, add, clip},
                                                  {ratio},
                                                  {add, relu, add},
                                                  {slopes, slopes, add}};
  for (const auto& chain : chains)
    for (const Shape& w : {Shape{20, 16, 3, 3}, Shape{3, 20, 3, 3}, Shape{32, 3, 3, 3}, Shape{18, 12, 1, 1}})
      check(conv({.x = {2, w[1], 14, 19},
                  .w = w,
                  .pads = {w[2] / 2, w[2] / 2, w[2] / 2, w[2] / 2},
                  .epilogue = chain}));  // LEAST 2
  for (const auto& chain : chains)
    check(conv({.x = {1, 12, 14, 19}, .w = {18, 4, 3, 3}, .group = 3, .epilogue = chain}));
}

void depth_to_space(const Taker& check) {
  const Fused slopes{PRelu, 0}, add{Add, 1}, clip{Clip, -1, false, -2.0f, 3.0f}, bias{Add, 0};
  for (const int64_t block : {2, 3, 4})
    for (const bool crd : {false, true})
      for (const int64_t colours : {1, 3, 16}) {
        const Fused shuffle = Fused::depth_to_space(block, crd);
        const int64_t out = colours * block * block;
        for (const int64_t in : {3, 32}) {
          Conv c{.x = {1, in, 11, 18}, .w = {out, in, 3, 3}, .epilogue = {slopes, shuffle, bias, add, clip}};
          check(conv(c));  // LEAST 1
          c.w = {out, in, 1, 1};
          c.pads = {0, 0, 0, 0};
          c.epilogue = {shuffle};
          check(conv(c));  // LEAST 1
        }
      }
}

void depth_to_space_of_few_outputs(const Taker& check) {
  const Fused slope{PRelu, 2}, add{Add, 1}, clip{Clip, -1, false, -2.0f, 3.0f};
  for (const bool crd : {false, true})
    for (const int64_t size : {1, 5}) {
      Conv c{.x = {2, 70, 11, 75}, .w = {4, 70, size, size}};
      c.pads = {size / 2, size / 2, size / 2, size / 2};
      c.epilogue = {Fused::depth_to_space(2, crd), add, slope, clip};
      check(conv(c));  // LEAST 3
    }
}

// Whole blocks of channels stay blocked on their way through the shuffle.
void depth_to_space_in_blocks(const Taker& check) {
  const Fused slope{PRelu, 2}, clip{Clip, -1, false, -3.0f, 4.0f};
  for (const bool crd : {false, true})
    for (const int64_t colours : {16, 32, 48}) {
      const Fused shuffle = Fused::depth_to_space(2, crd);
      for (const int64_t size : {3, 1}) {
        Conv c{.x = {2, 20, 26, 37}, .w = {4 * colours, 20, size, size}, .epilogue = {slope, shuffle, clip}};
        c.pads = {size / 2, size / 2, size / 2, size / 2};
        check(conv(c));  // LEAST size == 3 ? 6 : 4
      }
    }
  check(conv({.op = "ConvTranspose",
              .x = {1, 20, 9, 14},
              .w = {20, 64, 2, 2},
              .strides = {2, 2},
              .pads = {0, 0, 0, 0},
              .epilogue = {slope, Fused::depth_to_space(2, true)}}));
}

// Positive weights, whose sums grow long: an exact session adds them in short ones.
void long_sums(const Taker& check) {
  check(conv({.x = {1, 256, 12, 20}, .w = {32, 256, 3, 3}, .low = 0, .of_range_exact = 3e-7}));
  check(conv({.x = {1, 1000, 9, 11}, .w = {24, 1000, 1, 1}, .pads = {0, 0, 0, 0}, .low = 0, .of_range_exact = 3e-7}));
}

// Layers of upscalers and classifiers.
void layers(const Taker& check) {
  const auto pixels = [&](int64_t extent) { return check.timed ? extent : extent / 16 + 5; };
  const auto layer = [&](int64_t from, int64_t to, int64_t size, int64_t kernel = 3, int64_t stride = 1,
                         int64_t group = 1) {
    const int64_t pad = kernel / 2;
    check(conv({.x = {1, from, pixels(size), pixels(size)},
                .w = {to, from / group, kernel, kernel},
                .strides = {stride, stride},
                .pads = {pad, pad, pad, pad},
                .group = group,
                .epilogue = {{PRelu, 0}}}));
  };
  layer(64, 64, 256);
  layer(64, 64, 64);
  layer(192, 64, 128);
  layer(16, 16, 256);
  layer(8, 8, 256);
  layer(512, 512, 7);
  layer(3, 64, 256);
  layer(64, 3, 256);
  layer(256, 64, 56, 1);
  layer(64, 64, 256, 3, 2);
  layer(96, 96, 112, 3, 1, 96);
  check(conv({.x = {1, 64, pixels(256), pixels(256)},
              .w = {48, 64, 3, 3},
              .epilogue = {{PRelu, 0}, Fused::depth_to_space(4, true)}}));
  check(conv({.op = "ConvTranspose",
              .x = {1, 256, pixels(128), pixels(128)},
              .w = {256, 3, 4, 4},
              .strides = {2, 2},
              .pads = {3, 3, 3, 3},
              .epilogue = {{PRelu, 0}}}));
  check(conv({.op = "ConvTranspose",
              .x = {1, 56, pixels(256), pixels(256)},
              .w = {56, 1, 9, 9},
              .strides = {2, 2},
              .pads = {4, 4, 4, 4},
              .epilogue = {{PRelu, 0}}}));
}

constexpr CaseList lists[] = {
    {"ConvThreeByThree", three_by_three},
    {"ConvKernelsStridesDilationsPads", kernels_strides_dilations_pads},
    {"ConvGroups", groups},
    {"Depthwise", depthwise},
    {"ConvSmallPicturesOfManyChannels", small_pictures_of_many_channels},
    {"ConvOneAxis", one_axis},
    {"ConvThreeAxes", three_axes},
    {"ConvTransposed", transposed},
    {"ConvEpilogues", epilogues},
    {"ConvDepthToSpace", depth_to_space},
    {"ConvDepthToSpaceOfFewOutputs", depth_to_space_of_few_outputs},
    {"ConvDepthToSpaceInBlocks", depth_to_space_in_blocks},
    {"ConvLongSums", long_sums},
    {"ConvLayers", layers, true},
};

}  // namespace
const CaseFile convolution_cases{lists};
}  // namespace tessera::test
