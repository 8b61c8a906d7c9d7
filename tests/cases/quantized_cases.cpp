// Products, pools and moves of quantized numbers, integer by integer.
#include "ops/elementwise.h"
#include "tests/tensors.h"

#include "tests/cases/case.h"

namespace tessera::test {
extern const CaseFile quantized_cases;
namespace {

constexpr DType u8 = DType::uint8, s8 = DType::int8;

Input bytes(DType type, const Shape& shape) {
  return random(shape, type == s8 ? -128 : 0, type == s8 ? 128 : 256, type);
}
Input byte(DType type, double value) { return fixed({tensor(type, {}, {value})}); }

struct Layer {
  Shape x, w;
  DType x_type = u8, w_type = s8;
  Attrs attrs = {};
  int w_zero = 0;
  DType bias = DType::int32;        // undefined: none
  DType y_type = DType::undefined;  // of the product's own quantization
  std::vector<Fused> epilogue = {};
  std::vector<Input> operands = {};
  DType out_type = DType::undefined;
  int least = 1;
  std::string op = "QuantizedConv";
};

void check_layer(const Taker& check, const Layer& layer) {
  Case c{.op = layer.op, .opset = 1};
  c.domain = layer.op == "QLinearConv" ? "" : "tessera";
  if (layer.op == "QLinearConv") c.opset = 10;
  const int64_t outputs = layer.w[0];
  Input w = fixed(bytes(layer.w_type, layer.w));
  const bool scalar = layer.w_zero != 0;
  c.in = {bytes(layer.x_type, layer.x),
          number(0.021f),
          byte(layer.x_type, layer.x_type == s8 ? -3 : 131),
          w,
          scalar ? number(0.0013f) : fixed(random({outputs}, 0.0005, 0.002)),
          scalar ? byte(layer.w_type, layer.w_zero) : fixed({tensor(layer.w_type, {outputs}, {0})})};
  if (layer.y_type != DType::undefined) {
    c.in.push_back(number(0.47f));
    c.in.push_back(byte(layer.y_type, layer.y_type == s8 ? 5 : 120));
  } else {
    c.in.resize(8);
  }
  if (layer.bias == DType::int32) c.in.push_back(fixed(random({outputs}, -90000, 90000, DType::int32)));
  if (layer.bias == DType::float32) c.in.push_back(fixed(random({outputs}, -5, 5)));
  c.in.resize(9);
  c.attrs = layer.attrs;
  c.epilogue = layer.epilogue;
  c.operands = layer.operands;
  c.out_type = layer.out_type;
  c.relative = c.absolute = 0;
  c.least = layer.least;
  check(c);
}

Attrs window(std::initializer_list<int64_t> pads, std::initializer_list<int64_t> strides = {1, 1},
             std::initializer_list<int64_t> dilations = {1, 1}, int64_t group = 1) {
  return {attr("pads", list(pads)), attr("strides", list(strides)), attr("dilations", list(dilations)),
          attr("group", group)};
}

void convolutions_give_the_references_integers(const Taker& check) {
  for (const DType x : {u8, s8})
    for (const DType y : {u8, s8, DType::undefined}) {
      check_layer(check,
                  {.x = {1, 20, 9, 17}, .w = {37, 20, 3, 3}, .x_type = x, .attrs = window({1, 1, 1, 1}), .y_type = y});
      check_layer(check,
                  {.x = {2, 64, 7, 7}, .w = {48, 64, 3, 3}, .x_type = x, .attrs = window({1, 1, 1, 1}), .y_type = y});
      check_layer(check,
                  {.x = {1, 33, 8, 9}, .w = {70, 33, 1, 1}, .x_type = x, .attrs = window({0, 0, 0, 0}), .y_type = y});
    }
}

void convolutions_of_every_window(const Taker& check) {
  const Attrs windows[] = {window({0, 0, 0, 0}), window({2, 1, 0, 3}), window({1, 1, 1, 1}, {2, 2}),
                           window({2, 2, 2, 2}, {1, 1}, {2, 2}), window({1, 0, 0, 2}, {3, 2}, {1, 2})};
  for (const Attrs& attrs : windows)
    for (const Shape& w : {Shape{17, 24, 3, 3}, Shape{32, 24, 5, 2}, Shape{3, 24, 1, 1}})
      check_layer(check, {.x = {1, 24, 13, 61}, .w = w, .attrs = attrs, .y_type = u8});
  check_layer(check, {.x = {1, 16, 90, 130}, .w = {16, 16, 3, 3}, .attrs = window({1, 1, 1, 1}), .y_type = u8});
  check_layer(check, {.x = {1, 48, 40, 130}, .w = {40, 48, 1, 1}, .attrs = window({0, 0, 0, 0}), .y_type = u8});
}

void first_layers_groups_and_depthwise(const Taker& check) {
  check_layer(
      check,
      {.x = {1, 3, 30, 31}, .w = {64, 3, 7, 7}, .attrs = window({3, 3, 3, 3}, {2, 2}), .y_type = u8, .least = 2});
  check_layer(check, {.x = {2, 5, 9, 70}, .w = {18, 5, 3, 3}, .x_type = s8, .attrs = window({1, 1, 1, 1}), .least = 2});
  check_layer(
      check,
      {.x = {1, 64, 9, 10}, .w = {32, 32, 3, 3}, .attrs = window({1, 1, 1, 1}, {1, 1}, {1, 1}, 2), .y_type = u8});
  for (const int64_t stride : {1, 2})
    for (const int64_t kernel : {3, 5, 1})
      for (const DType x : {u8, s8})
        check_layer(check,
                    {.x = {1, 40, 19, 21},
                     .w = {40, 1, kernel, kernel},
                     .x_type = x,
                     .attrs = window({kernel / 2, kernel / 2, kernel / 2, kernel / 2}, {stride, stride}, {1, 1}, 40),
                     .y_type = u8});
  check_layer(
      check,
      {.x = {1, 32, 19, 21}, .w = {32, 1, 3, 3}, .attrs = window({2, 2, 2, 2}, {1, 1}, {2, 2}, 32), .y_type = s8});
}

void weights_with_zero_points(const Taker& check) {
  for (const DType w : {u8, s8})
    for (const int zero : {7, 128 - (w == s8 ? 60 : 0)}) {
      check_layer(check, {.x = {1, 24, 9, 11},
                          .w = {20, 24, 3, 3},
                          .w_type = w,
                          .attrs = window({1, 1, 1, 1}),
                          .w_zero = zero,
                          .y_type = u8});
      check_layer(check, {.x = {1, 24, 9, 11},
                          .w = {24, 1, 3, 3},
                          .w_type = w,
                          .attrs = window({1, 1, 1, 1}, {1, 1}, {1, 1}, 24),
                          .w_zero = zero,
                          .y_type = u8});
    }
}

void operators_of_the_standard(const Taker& check) {
  check_layer(
      check,
      {.x = {1, 20, 9, 17}, .w = {37, 20, 3, 3}, .attrs = window({1, 1, 1, 1}), .y_type = u8, .op = "QLinearConv"});
  check_layer(check, {.x = {1, 3, 9, 17},
                      .w = {37, 3, 3, 3},
                      .bias = DType::undefined,
                      .y_type = s8,
                      .least = 2,
                      .op = "QLinearConv"});
}

void gemm_of_rows(const Taker& check) {
  for (const Shape& x : {Shape{1, 100}, Shape{3, 17}, Shape{130, 64}, Shape{2, 5, 40}})
    for (const DType y : {u8, DType::undefined})
      check_layer(check, {.x = x,
                          .w = {45, x.back()},
                          .x_type = y == u8 ? u8 : s8,
                          .bias = y == u8 ? DType::int32 : DType::float32,
                          .y_type = y,
                          .op = "QuantizedGemm"});
}

void epilogues_of_real_numbers_and_integers(const Taker& check) {
  using namespace elementwise;
  const Shape x{1, 24, 9, 23}, w{40, 24, 3, 3}, y{1, 40, 9, 23};
  const Fused quantize{.a = 0.31f, .b = 11, .kind = Fused::Kind::quantize_u8},
      quantize_signed{.a = 0.7f, .b = -9, .kind = Fused::Kind::quantize_s8};
  const Fused back{.a = 0.47f, .b = 120, .kind = Fused::Kind::dequantize};
  const Attrs attrs = window({1, 1, 1, 1});
  // Quantized, an activation, quantized again, as in models that quantize around each operator.
  check_layer(check, {.x = x,
                      .w = w,
                      .attrs = attrs,
                      .y_type = u8,
                      .epilogue = {back, {PRelu, 0}, quantize},
                      .operands = {fixed(random({40, 1, 1}, -0.5, 0.5))},
                      .out_type = u8});
  // A sum with another quantized tensor, and an activation.
  for (const DType other : {u8, s8})
    check_layer(check, {.x = x,
                        .w = w,
                        .attrs = attrs,
                        .y_type = u8,
                        .epilogue = {back, {Add, 0, other == s8, 0.11f, 3}, {Relu}, quantize_signed},
                        .operands = {bytes(other, y)},
                        .out_type = s8});
  // Floats with activations, to floats and to integers.
  check_layer(check, {.x = x,
                      .w = w,
                      .attrs = attrs,
                      .bias = DType::float32,
                      .epilogue = {{LeakyRelu, -1, false, 0.1f}, {Add, 0}, {Mul, 1}, {Clip, -1, false, -3.0f, 6.0f}},
                      .operands = {fixed(random({1, 40, 1, 1})), number(1.7f)}});
  check_layer(check,
              {.x = x, .w = w, .attrs = attrs, .epilogue = {{Clip, -1, false, 0.0f, 6.0f}, quantize}, .out_type = u8});
  // Out of integers at the end: what DequantizeLinear would give.
  check_layer(check, {.x = x, .w = w, .attrs = attrs, .y_type = u8, .epilogue = {back}, .out_type = DType::float32});
}

void pools_of_bytes(const Taker& check) {
  for (const DType type : {u8, s8}) {
    Case pool{
        .op = "MaxPool",
        .in = {bytes(type, {2, 35, 11, 12})},
        .attrs = {attr("kernel_shape", list({3, 3})), attr("strides", list({2, 2})), attr("pads", list({1, 1, 1, 1}))}};
    check(pool);
    Case mean{.op = "QLinearGlobalAveragePool",
              .opset = 1,
              .in = {bytes(type, {2, 35, 7, 7}), number(0.03f), byte(type, 7), number(0.017f), byte(type, 3)}};
    mean.domain = "com.microsoft";
    mean.relative = mean.absolute = 0;
    check(mean);
  }
}

void sums_and_products_of_bytes(const Taker& check) {
  for (const DType type : {u8, s8})
    for (const Text op : {"QLinearAdd", "QLinearMul"})
      for (const auto& [x, y] : {std::pair(Shape{3, 1100}, Shape{3, 1100}), std::pair(Shape{2, 5, 7}, Shape{5, 1}),
                                 std::pair(Shape{1, 9}, Shape{4, 9}), std::pair(Shape{}, Shape{70})}) {
        Case c{.op = std::string(op),
               .opset = 1,
               .in = {bytes(type, x), number(0.03f), byte(type, 7), bytes(type, y), number(0.021f), byte(type, 4),
                      number(0.05f), byte(type, 9)},
               .relative = 0,
               .absolute = 0};
        c.domain = "com.microsoft";
        check(c);
      }
  // Scales whose sums lie on halves, and those that are far apart; nearly all pairs of bytes.
  for (const DType type : {u8, s8})
    for (const Text op : {"QLinearAdd", "QLinearMul"})
      for (const auto& [a, b, result] : {std::array{0.5f, 0.5f, 1.0f}, std::array{0.001f, 2.0f, 0.7f},
                                         std::array{3.0f, 0.1f, 0.4f}, std::array{0.031f, 0.029f, 0.05f}}) {
        Case c{.op = std::string(op),
               .opset = 1,
               .in = {bytes(type, {300, 1}), number(a), byte(type, type == s8 ? -128 : 255), bytes(type, {300, 300}),
                      number(b), byte(type, 4), number(result), byte(type, type == s8 ? -3 : 130)},
               .relative = 0,
               .absolute = 0};
        c.domain = "com.microsoft";
        check(c);
      }
}

void shuffles_of_bytes(const Taker& check) {
  for (const auto& [mode, size] : {std::pair("CRD", 2), std::pair("CRD", 4), std::pair("CRD", 3), std::pair("DCR", 2)})
    check({.op = "DepthToSpace",
           .in = {bytes(u8, {2, size * size * 3, 5, 19})},
           .attrs = {attr("blocksize", int64_t{size}), attr("mode", std::string(mode))},
           .relative = 0,
           .absolute = 0,
           .least = 2});
}

constexpr CaseList lists[] = {
    {"QuantizedConvolutionsGiveTheReferencesIntegers", convolutions_give_the_references_integers},
    {"QuantizedConvolutionsOfEveryWindow", convolutions_of_every_window},
    {"QuantizedFirstLayersGroupsAndDepthwise", first_layers_groups_and_depthwise},
    {"QuantizedWeightsWithZeroPoints", weights_with_zero_points},
    {"QuantizedOperatorsOfTheStandard", operators_of_the_standard},
    {"QuantizedGemmOfRows", gemm_of_rows},
    {"QuantizedEpiloguesOfRealNumbersAndIntegers", epilogues_of_real_numbers_and_integers},
    {"QuantizedSumsAndProductsOfBytes", sums_and_products_of_bytes},
    {"QuantizedShufflesOfBytes", shuffles_of_bytes},
    {"QuantizedPoolsOfBytes", pools_of_bytes},
};

}  // namespace
const CaseFile quantized_cases{lists};
}  // namespace tessera::test
