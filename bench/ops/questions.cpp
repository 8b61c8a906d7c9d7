#include "bench/ops/maker.h"

namespace tessera::peers {
namespace {

class Questions : public Maker {
 public:
  using Maker::Maker;

  void all() {
    unary(), binary(), logic(), ms_activations(), reductions(), normalizations(), moves();
    products(), quantized(), convolutions(), pools(), attention(), recurrent(), pictures(), others();
  }

 private:
  void unary() {
    struct Function {
      const char* op;
      double low, high;
      int opset = 22;
    };
    for (const Function& f : {Function{"Relu", -2, 2}, {"LeakyRelu", -2, 2}, {"Sigmoid", -8, 8},  {"Tanh", -4, 4},
                              {"HardSigmoid", -4, 4},  {"HardSwish", -4, 4}, {"Elu", -5, 2},      {"Softplus", -9, 9},
                              {"Erf", -4, 4},          {"Exp", -9, 9},       {"Log", 0.01, 9},    {"Sqrt", 0, 9},
                              {"Reciprocal", 0.1, 4},  {"Abs", -2, 2},       {"Neg", -2, 2},      {"Floor", -5, 5},
                              {"Round", -5, 5},        {"Sign", -2, 2},      {"Gelu", -5, 5, 20}, {"Sin", -9, 9},
                              {"Cos", -9, 9},          {"Tan", -1, 1},       {"Asin", -1, 1},     {"Acos", -1, 1},
                              {"Atan", -9, 9},         {"Sinh", -4, 4},      {"Atanh", -0.9, 0.9}})
      add(f.op, {.op = f.op, .opset = std::min(f.opset, 21), .in = {rows_of(1024, f32, f.low, f.high)}});
    for (const char* op : {"IsNaN", "IsInf"}) add(op, {.op = op, .opset = 13, .in = {rows_of(1024)}});
    add("Clip", {.op = "Clip", .in = {rows_of(1024), test::number(-1), test::number(1)}});
    add("Abs of int64", {.op = "Abs", .in = {rows_of(1024, i64, -99, 99)}});
    add("Neg of int64", {.op = "Neg", .in = {rows_of(1024, i64, -99, 99)}});
    add("Relu of fp16", {.op = "Relu", .in = {rows_of(1024, f16)}}, 1e-3);
    add("Sigmoid of fp16", {.op = "Sigmoid", .in = {rows_of(1024, f16)}}, 2e-3);
    add("Tanh of fp16", {.op = "Tanh", .in = {rows_of(1024, f16)}}, 2e-3);
    add("Exp of double", {.op = "Exp", .in = {rows_of(1024, f64)}});
    add("Sqrt of double", {.op = "Sqrt", .in = {rows_of(1024, f64, 0, 9)}});
    for (const auto& [from, to] : {std::pair{f32, f16},
                                   {f16, f32},
                                   {f32, i64},
                                   {i64, f32},
                                   {f32, u8},
                                   {u8, f32},
                                   {i32, i64},
                                   {boolean, f32},
                                   {f32, boolean},
                                   {f64, f32},
                                   {i32, f32}})
      add(cat("Cast ", name_of(from), " to ", name_of(to)), {.op = "Cast",
                                                             .opset = 13,
                                                             .in = {rows_of(1024, from, 0, from == boolean ? 1 : 90)},
                                                             .attrs = {attr("to", static_cast<int64_t>(to))}});
  }

  void binary() {
    for (const char* op : {"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "PRelu"})
      add(op, {.op = op, .in = {rows_of(1024, f32, 0.1, 2), rows_of(1024, f32, 0.1, 2)}});
    add("Pow by 2", {.op = "Pow", .in = {rows_of(1024), test::number(2)}});
    add("Pow by 0.5", {.op = "Pow", .in = {rows_of(1024, f32, 0, 4), test::number(0.5)}});
    add("Add of a row", {.op = "Add", .in = {rows_of(1024), fixed(numbers({1024}))}});
    for (const DType type : {f16, i64, i32, f64, u8})
      for (const char* op : {"Add", "Mul"}) {
        if (type == u8) continue;
        add(cat(op, " of ", name_of(type)), {.op = op, .in = {rows_of(1024, type, 0, 9), rows_of(1024, type, 0, 9)}},
            2e-3);
      }
    for (const char* op : {"Sub", "Div", "Max"})
      for (const DType type : {f16, i64})
        add(cat(op, " of ", name_of(type)), {.op = op, .in = {rows_of(1024, type, 1, 9), rows_of(1024, type, 1, 9)}},
            2e-3);
    add("Mod of int64", {.op = "Mod", .in = {rows_of(1024, i64, -99, 99), rows_of(1024, i64, 3, 9)}});
    for (const int inputs : {3})
      for (const char* op : {"Sum", "Mean"})
        add(op, {.op = op, .in = std::vector<Input>(static_cast<size_t>(inputs), rows_of(1024))});
  }

  void logic() {
    for (const char* op : {"And", "Or", "Xor"})
      add(op, {.op = op, .in = {rows_of(1024, boolean, 0, 1), rows_of(1024, boolean, 0, 1)}});
    add("Not", {.op = "Not", .in = {rows_of(1024, boolean, 0, 1)}});
    for (const char* op : {"Equal", "Greater", "LessOrEqual"})
      for (const DType type : {f32, i64, i32})
        add(cat(op, " of ", name_of(type)), {.op = op, .in = {rows_of(1024, type, 0, 4), rows_of(1024, type, 0, 4)}});
    add("Equal to one int64", {.op = "Equal", .in = {rows_of(1024, i64, 0, 4), whole(i64, 2)}});
    for (const char* op : {"BitwiseAnd", "BitwiseOr"})
      add(cat(op, " of int32"), {.op = op, .in = {rows_of(1024, i32, 0, 99), rows_of(1024, i32, 0, 99)}});
    for (const DType type : {f32, i64})
      add(cat("Where of ", name_of(type)),
          {.op = "Where",
           .in = {rows_of(1024, boolean, 0, 1), numbers({rows(boolean, 1024), 1024}, type),
                  numbers({rows(boolean, 1024), 1024}, type)}});
  }

  void ms_activations() {
    const auto ms = [&](const char* op, std::vector<Input> in, double tolerance = 1e-4) {
      add(op, {.op = op, .opset = 1, .in = std::move(in), .domain = "com.microsoft"}, tolerance);
    };
    ms("FastGelu", {rows_of(1024), fixed(numbers({1024}))});
    ms("BiasGelu", {rows_of(1024), fixed(numbers({1024}))});
    ms("QuickGelu", {rows_of(1024)});
    timed_.back().question.attrs = {attr("alpha", 1.702f)};
    add("Gelu of com.microsoft", {.op = "Gelu", .opset = 1, .in = {rows_of(1024)}, .domain = "com.microsoft"});
  }

  void reductions() {
    for (const char* op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2"}) {
      const bool attribute = std::string(op) != "ReduceSum";
      for (const int64_t axis : {1, 0}) {
        Case c{.op = op, .opset = 13, .in = {rows_of(1024)}};
        if (attribute)
          c.attrs = {attr("axes", list({axis}))};
        else
          c.in.push_back(integers({axis}));
        add(cat(op, axis ? " along rows" : " along columns"), c);
      }
    }
    add("ReduceSum of int64", {.op = "ReduceSum", .opset = 13, .in = {rows_of(1024, i64, 0, 9), integers({1})}});
    add("ReduceMax of int64",
        {.op = "ReduceMax", .opset = 13, .in = {rows_of(1024, i64, 0, 9)}, .attrs = {attr("axes", list({1}))}});
    for (const char* op : {"ArgMax", "ArgMin"})
      add(op, {.op = op, .opset = 13, .in = {rows_of(1024)}, .attrs = {attr("axis", int64_t{1})}});
    add("ArgMax of columns", {.op = "ArgMax", .opset = 13, .in = {rows_of(1024)}, .attrs = {attr("axis", int64_t{0})}});
    add("CumSum", {.op = "CumSum", .opset = 14, .in = {rows_of(1024), test::integer(1)}});
    add("TopK", {.op = "TopK", .opset = 11, .in = {rows_of(1024), integers({8})}, .outputs = 2});
    for (const char* op : {"Softmax", "LogSoftmax"})
      add(op, {.op = op, .opset = 13, .in = {rows_of(1024)}, .attrs = {attr("axis", int64_t{-1})}});
    add("Softmax of columns",
        {.op = "Softmax", .opset = 13, .in = {rows_of(1024)}, .attrs = {attr("axis", int64_t{0})}});
  }

  void normalizations() {
    add("LayerNormalization",
        {.op = "LayerNormalization", .opset = 17, .in = {rows_of(768), fixed(numbers({768})), fixed(numbers({768}))}});
    add("RMSNormalization", {.op = "RMSNormalization", .opset = 23, .in = {rows_of(768), fixed(numbers({768}))}});
    add("SimplifiedLayerNormalization", {.op = "SimplifiedLayerNormalization",
                                         .opset = 17,
                                         .in = {rows_of(768), fixed(numbers({768}))},
                                         .attrs = {attr("axis", int64_t{-1}), attr("epsilon", 1e-5f)}});
    const Input x = numbers({1, rows(f32, 768), 768});
    add("SkipLayerNormalization", {.op = "SkipLayerNormalization",
                                   .opset = 1,
                                   .in = {x, x, fixed(numbers({768})), fixed(numbers({768})), fixed(numbers({768}))},
                                   .domain = "com.microsoft"});
    add("SkipSimplifiedLayerNormalization", {.op = "SkipSimplifiedLayerNormalization",
                                             .opset = 1,
                                             .in = {x, x, fixed(numbers({768}))},
                                             .domain = "com.microsoft"});
    add("InstanceNormalization",
        {.op = "InstanceNormalization", .opset = 6, .in = {picture(64), fixed(numbers({64})), fixed(numbers({64}))}});
    add("GroupNormalization", {.op = "GroupNormalization",
                               .opset = 21,
                               .in = {picture(64), fixed(numbers({64})), fixed(numbers({64}))},
                               .attrs = {attr("num_groups", int64_t{8})}});
    add("BatchNormalization", {.op = "BatchNormalization",
                               .opset = 15,
                               .in = {picture(64), fixed(numbers({64})), fixed(numbers({64})), fixed(numbers({64})),
                                      fixed(numbers({64}, f32, 0.5, 2))}});
    add("LRN", {.op = "LRN", .opset = 13, .in = {picture(64)}, .attrs = {attr("size", int64_t{5})}});
    add("LpNormalization", {.op = "LpNormalization", .opset = 1, .in = {rows_of(768)}});
  }

  void moves() {
    const int64_t n = side(1);
    add("Transpose", {.op = "Transpose", .in = {numbers({n, n})}, .attrs = {attr("perm", list({1, 0}))}});
    add("Transpose NCHW to NHWC",
        {.op = "Transpose", .in = {picture(32)}, .attrs = {attr("perm", list({0, 2, 3, 1}))}});
    add("Transpose of heads",
        {.op = "Transpose", .in = {numbers({1, rows(f32, 768), 12, 64})}, .attrs = {attr("perm", list({0, 2, 1, 3}))}});
    add("Transpose of uint8", {.op = "Transpose",
                               .in = {numbers({1, side(3, u8), side(3, u8), 3}, u8, 0, 255)},
                               .attrs = {attr("perm", list({0, 3, 1, 2}))}});
    add("Transpose of fp16",
        {.op = "Transpose", .in = {picture(32, f16)}, .attrs = {attr("perm", list({0, 2, 3, 1}))}});
    add("Concat", {.op = "Concat",
                   .in = {numbers({rows(f32, 1024) / 2, 1024}), numbers({rows(f32, 1024) / 2, 1024})},
                   .attrs = {attr("axis", int64_t{1})}});
    add("Split", {.op = "Split",
                  .opset = 18,
                  .in = {rows_of(1024)},
                  .attrs = {attr("axis", int64_t{1}), attr("num_outputs", int64_t{2})},
                  .outputs = 2});
    add("Slice", {.op = "Slice", .opset = 13, .in = {rows_of(1024), integers({8}), integers({1000}), integers({1})}});
    add("Slice by 2", {.op = "Slice",
                       .opset = 13,
                       .in = {rows_of(1024), integers({0}), integers({1024}), integers({1}), integers({2})}});
    const int64_t lines = rows(f32, 1024), few = std::min<int64_t>(lines, 200);
    add("Gather of rows", {.op = "Gather", .opset = 13, .in = {rows_of(1024), places({lines}, few)}});
    add("Gather of columns",
        {.op = "Gather", .opset = 13, .in = {rows_of(1024), places({512}, 1000)}, .attrs = {attr("axis", int64_t{1})}});
    add("GatherElements", {.op = "GatherElements",
                           .opset = 13,
                           .in = {rows_of(1024), places({lines, 1024}, 1000)},
                           .attrs = {attr("axis", int64_t{1})}});
    add("GatherND", {.op = "GatherND", .opset = 13, .in = {rows_of(1024), places({lines, 1}, few)}});
    add("ScatterElements",
        {.op = "ScatterElements", .opset = 13, .in = {rows_of(1024), places({1, 1024}, few), numbers({1, 1024})}});
    add("ScatterND",
        {.op = "ScatterND", .opset = 13, .in = {rows_of(1024), places({few, 1}, few), numbers({few, 1024})}});
    add("Expand", {.op = "Expand", .opset = 13, .in = {numbers({1, 1024}), integers({rows(f32, 1024), 1024})}});
    add("Tile", {.op = "Tile", .opset = 13, .in = {numbers({rows(f32, 1024) / 4, 1024}), integers({4, 1})}});
    add("Pad", {.op = "Pad", .opset = 13, .in = {picture(16), integers({0, 0, 2, 2, 0, 0, 2, 2})}});
    add("Pad reflect", {.op = "Pad",
                        .opset = 13,
                        .in = {picture(16), integers({0, 0, 2, 2, 0, 0, 2, 2})},
                        .attrs = {attr("mode", std::string("reflect"))}});
    add("DepthToSpace",
        {.op = "DepthToSpace", .opset = 13, .in = {picture(48)}, .attrs = {attr("blocksize", int64_t{2})}});
    add("SpaceToDepth",
        {.op = "SpaceToDepth", .opset = 13, .in = {picture(12)}, .attrs = {attr("blocksize", int64_t{2})}});
    add("Trilu", {.op = "Trilu", .opset = 14, .in = {numbers({n, n})}});
    add("OneHot",
        {.op = "OneHot",
         .opset = 11,
         .in = {random({rows(f32, 256)}, 0, 255, i64), test::integer(256), fixed(Input{test::floats({2}, {0, 1})})}});
    add("ReverseSequence",
        {.op = "ReverseSequence",
         .opset = 10,
         .in = {numbers({64, rows(f32, 64 * 64), 64}), fixed(random({rows(f32, 64 * 64)}, 64, 64, i64))}});
  }

  void products() {
    const int64_t n = std::min<int64_t>(side(1), 768);
    add("MatMul", {.op = "MatMul", .in = {numbers({n, n}), fixed(numbers({n, n}))}});
    add("MatMul of two inputs", {.op = "MatMul", .in = {numbers({n, n}), numbers({n, n})}});
    add("MatMul of one row", {.op = "MatMul", .in = {numbers({1, side(1)}), fixed(numbers({side(1), side(1)}))}});
    add("MatMul of heads", {.op = "MatMul", .in = {numbers({12, 256, 64}), numbers({12, 64, 256})}});
    add("MatMul of double",
        {.op = "MatMul", .in = {numbers({n / 2, n / 2}, f64), fixed(numbers({n / 2, n / 2}, f64))}});
    add("MatMul of fp16", {.op = "MatMul", .in = {numbers({n, n}, f16), fixed(numbers({n, n}, f16))}}, 1e-2);
    add("Gemm", {.op = "Gemm",
                 .opset = 13,
                 .in = {numbers({n, n}), fixed(numbers({n, n})), fixed(numbers({n}))},
                 .attrs = {attr("transB", int64_t{1})}});
    const auto einsum = [&](const char* equation, Input x, Input y) {
      add(cat("Einsum ", equation), {.op = "Einsum",
                                     .opset = 12,
                                     .in = {std::move(x), std::move(y)},
                                     .attrs = {attr("equation", std::string(equation))}});
    };
    einsum("ij,jk->ik", numbers({n / 2, n / 2}), numbers({n / 2, n / 2}));
    einsum("bhid,bhjd->bhij", numbers({1, 12, 256, 64}), numbers({1, 12, 256, 64}));
    einsum("bthd,bshd->bhts", numbers({1, 256, 12, 64}), numbers({1, 256, 12, 64}));
    einsum("nchw,kc->nkhw", numbers({1, 64, 64, 64}), numbers({64, 64}));
    einsum("bij,bij->b", numbers({16, 256, 256}), numbers({16, 256, 256}));
    add("FusedMatMul", {.op = "FusedMatMul",
                        .opset = 1,
                        .in = {numbers({n, n}), numbers({n, n})},
                        .attrs = {attr("transB", int64_t{1}), attr("alpha", 0.125f)},
                        .domain = "com.microsoft"});
    const int64_t blocks = n / 32, depth = blocks * 32;
    add("MatMulNBits",
        {.op = "MatMulNBits",
         .opset = 1,
         .in = {numbers({64, depth}), fixed(random({n, blocks, 16}, 0, 255, u8)),
                fixed(numbers({n * blocks}, f32, 0.01, 0.1))},
         .attrs = {attr("bits", int64_t{4}), attr("block_size", int64_t{32}), attr("K", depth), attr("N", n)},
         .domain = "com.microsoft"},
        1e-2);
    timed_.push_back(timed_.back());
    timed_.back().name += " of one row";
    timed_.back().question.in[0] = numbers({1, depth});
  }

  void quantized() {
    const int64_t n = std::min<int64_t>(side(1, u8) / 2, 768);
    add("MatMulInteger",
        {.op = "MatMulInteger",
         .opset = 10,
         .in = {numbers({n, n}, u8, 0, 255), fixed(numbers({n, n}, s8, -127, 127)), whole(u8, 120), whole(s8, 0)}});
    add("ConvInteger", {.op = "ConvInteger",
                        .opset = 10,
                        .in = {numbers({1, 32, 64, 64}, u8, 0, 255), fixed(numbers({32, 32, 3, 3}, u8, 0, 255)),
                               whole(u8, 120), whole(u8, 128)},
                        .attrs = {attr("pads", list({1, 1, 1, 1}))}});
    add("DynamicQuantizeLinear", {.op = "DynamicQuantizeLinear", .opset = 11, .in = {rows_of(1024)}, .outputs = 3},
        0.02);
    add("QuantizeLinear",
        {.op = "QuantizeLinear", .opset = 13, .in = {rows_of(1024), test::number(0.02f), whole(u8, 120)}}, 0.02);
    add("DequantizeLinear", {.op = "DequantizeLinear",
                             .opset = 13,
                             .in = {rows_of(1024, u8, 0, 255), test::number(0.02f), whole(u8, 120)}});
    add("QLinearMatMul",
        {.op = "QLinearMatMul",
         .opset = 10,
         .in = {numbers({n, n}, u8, 0, 255), test::number(0.02f), whole(u8, 120), fixed(numbers({n, n}, u8, 0, 255)),
                test::number(0.02f), whole(u8, 128), test::number(2.0f), whole(u8, 128)}},
        0.02);
    add("QLinearConv",
        {.op = "QLinearConv",
         .opset = 10,
         .in = {numbers({1, 32, 64, 64}, u8, 0, 255), test::number(0.02f), whole(u8, 120),
                fixed(numbers({32, 32, 3, 3}, u8, 0, 255)), test::number(0.02f), whole(u8, 128), test::number(2.0f),
                whole(u8, 128)},
         .attrs = {attr("pads", list({1, 1, 1, 1}))}},
        0.02);
    add("QLinearAdd",
        {.op = "QLinearAdd",
         .opset = 1,
         .in = {rows_of(1024, u8, 0, 255), test::number(0.02f), whole(u8, 120), rows_of(1024, u8, 0, 255),
                test::number(0.02f), whole(u8, 128), test::number(0.05f), whole(u8, 128)},
         .domain = "com.microsoft"},
        0.02);
  }

  void convolutions() {
    const auto conv = [&](const char* name, Input x, const Shape& weights, Attrs attrs) {
      add(name,
          {.op = "Conv",
           .opset = 11,
           .in = {std::move(x), fixed(numbers(weights)), fixed(numbers({weights[0]}))},
           .attrs = std::move(attrs)},
          1e-3);
    };
    const auto pads = attr("pads", list({1, 1, 1, 1}));
    conv("Conv 3x3", picture(64), {64, 64, 3, 3}, {pads});
    conv("Conv 3x3 stride 2", picture(64), {64, 64, 3, 3}, {pads, attr("strides", list({2, 2}))});
    conv("Conv 1x1", picture(64), {64, 64, 1, 1}, {});
    conv("Conv 7x7 of a picture", picture(3), {32, 3, 7, 7}, {attr("strides", list({2, 2}))});
    conv("Conv depthwise", picture(64), {64, 1, 3, 3}, {pads, attr("group", int64_t{64})});
    conv("Conv of groups", picture(64), {64, 16, 3, 3}, {pads, attr("group", int64_t{4})});
    conv("Conv dilated", picture(64), {64, 64, 3, 3}, {attr("dilations", list({2, 2}))});
    conv("Conv 1-D", numbers({1, 64, rows(f32, 64) / 4}), {64, 64, 5}, {});
    conv("Conv 3-D", numbers({1, 16, 16, 48, 48}), {16, 16, 3, 3, 3}, {attr("pads", list({1, 1, 1, 1, 1, 1}))});
    add("ConvTranspose 4x4",
        {.op = "ConvTranspose",
         .opset = 11,
         .in = {picture(64), fixed(numbers({64, 32, 4, 4}))},
         .attrs = {pads, attr("strides", list({2, 2}))}},
        1e-3);
  }

  void pools() {
    const auto pool = [&](const char* name, const char* op, Input x, Attrs attrs) {
      add(name, {.op = op, .opset = 11, .in = {std::move(x)}, .attrs = std::move(attrs)});
    };
    const auto two = attr("kernel_shape", list({2, 2})), three = attr("kernel_shape", list({3, 3}));
    const auto step = attr("strides", list({2, 2}));
    pool("MaxPool 2x2", "MaxPool", picture(64), {two, step});
    pool("MaxPool 3x3", "MaxPool", picture(64), {three, step, attr("pads", list({1, 1, 1, 1}))});
    pool("AveragePool 2x2", "AveragePool", picture(64), {two, step});
    pool("AveragePool 3x3", "AveragePool", picture(64), {three, attr("pads", list({1, 1, 1, 1}))});
    pool("MaxPool of uint8", "MaxPool", picture(64, u8), {two, step});
    timed_.back().question.opset = 12;
    pool("GlobalAveragePool", "GlobalAveragePool", picture(64), {});
    pool("GlobalMaxPool", "GlobalMaxPool", picture(64), {});
    pool("MaxPool 1-D", "MaxPool", numbers({1, 64, rows(f32, 64)}),
         {attr("kernel_shape", list({2})), attr("strides", list({2}))});
    pool("AveragePool 3-D", "AveragePool", numbers({1, 16, 16, 48, 48}),
         {attr("kernel_shape", list({2, 2, 2})), attr("strides", list({2, 2, 2}))});
  }

  void attention() {
    const int64_t heads = 12, depth = 64, length = 256, hidden = heads * depth;
    const Input x = numbers({1, length, hidden}), mask = fixed(numbers({1, 1, length, length}));
    const auto count = attr("num_heads", heads);
    add("Attention", {.op = "Attention",
                      .opset = 23,
                      .in = {numbers({1, heads, length, depth}), numbers({1, heads, length, depth}),
                             numbers({1, heads, length, depth})}});
    add("Attention causal", {.op = "Attention",
                             .opset = 23,
                             .in = {numbers({1, heads, length, depth}), numbers({1, heads, length, depth}),
                                    numbers({1, heads, length, depth})},
                             .attrs = {attr("is_causal", int64_t{1})}});
    add("Attention of one query", {.op = "Attention",
                                   .opset = 23,
                                   .in = {numbers({1, heads, 1, depth}), numbers({1, heads, length, depth}),
                                          numbers({1, heads, length, depth})}});
    add("MultiHeadAttention",
        {.op = "MultiHeadAttention", .opset = 1, .in = {x, x, x}, .attrs = {count}, .domain = "com.microsoft"}, 1e-3);
    add("MultiHeadAttention with bias",
        {.op = "MultiHeadAttention",
         .opset = 1,
         .in = {x, x, x, fixed(numbers({3 * hidden}))},
         .attrs = {count},
         .domain = "com.microsoft"},
        1e-3);
    add("Attention of com.microsoft",
        {.op = "Attention",
         .opset = 1,
         .in = {x, fixed(numbers({hidden, 3 * hidden}, f32, -0.05, 0.05)), fixed(numbers({3 * hidden}))},
         .attrs = {count},
         .domain = "com.microsoft"},
        1e-3);
    const auto group = [&](const char* name, int64_t queries, int64_t total) {
      const auto cache = [&] {
        return queries == total ? numbers({1, 4, 0, depth}) : numbers({1, 4, total - 1, depth});
      };
      add(name,
          {.op = "GroupQueryAttention",
           .opset = 1,
           .in = {numbers({1, queries, hidden}), numbers({1, queries, 4 * depth}), numbers({1, queries, 4 * depth}),
                  cache(), cache(),
                  fixed(random({1}, static_cast<double>(total - 1), static_cast<double>(total - 1), i32)),
                  fixed(random({}, static_cast<double>(total), static_cast<double>(total), i32))},
           .attrs = {count, attr("kv_num_heads", int64_t{4})},
           .outputs = 3,
           .domain = "com.microsoft"},
          1e-3);
    };
    group("GroupQueryAttention", length, length);
    group("GroupQueryAttention of one query", 1, 1024);
    const Input heads_in = numbers({1, heads, length, depth});
    add("RotaryEmbedding of com.microsoft",
        {.op = "RotaryEmbedding",
         .opset = 1,
         .in = {numbers({1, heads, length * 4, depth}), fixed(random({1}, 0, 0, i64)),
                fixed(numbers({length * 4, depth / 2}, f32, -1, 1)),
                fixed(numbers({length * 4, depth / 2}, f32, -1, 1))},
         .domain = "com.microsoft"});
    add("RotaryEmbedding",
        {.op = "RotaryEmbedding",
         .opset = 23,
         .in = {numbers({1, heads, length * 4, depth}), fixed(numbers({1, length * 4, depth / 2}, f32, -1, 1)),
                fixed(numbers({1, length * 4, depth / 2}, f32, -1, 1))}});
  }

  void recurrent() {
    const int64_t steps = 64, batch = 4, in = 128, hidden = 128;
    const auto net = [&](const char* op, int64_t gates) {
      add(op,
          {.op = op,
           .opset = 14,
           .in = {numbers({steps, batch, in}), fixed(numbers({1, gates * hidden, in}, f32, -0.1, 0.1)),
                  fixed(numbers({1, gates * hidden, hidden}, f32, -0.1, 0.1)), fixed(numbers({1, 2 * gates * hidden}))},
           .attrs = {attr("hidden_size", hidden)}},
          1e-3);
    };
    net("RNN", 1), net("GRU", 3), net("LSTM", 4);
  }

  void pictures() {
    const int64_t n = side(3) / 2;
    const auto resize = [&](const char* name, const char* mode, float scale) {
      add(name,
          {.op = "Resize",
           .opset = 13,
           .in = {numbers({1, 3, n, n}),
                  {},
                  fixed(Input{test::floats({4}, {1, 1, static_cast<double>(scale), static_cast<double>(scale)})})},
           .attrs = {attr("mode", std::string(mode))}},
          1e-3);
    };
    resize("Resize nearest", "nearest", 2), resize("Resize linear", "linear", 2), resize("Resize cubic", "cubic", 2);
    add("GridSample",
        {.op = "GridSample", .opset = 16, .in = {picture(16), numbers({1, side(16), side(16), 2}, f32, -1, 1)}}, 1e-3);
    add("RoiAlign",
        {.op = "RoiAlign",
         .opset = 16,
         .in = {numbers({1, 64, 64, 64}), numbers({32, 4}, f32, 0, 60), random({32}, 0, 0, i64)},
         .attrs = {attr("output_height", int64_t{7}), attr("output_width", int64_t{7}),
                   attr("sampling_ratio", int64_t{2})}},
        1e-3);
  }

  void others() {
    const int64_t trees = 32, depth = 6, nodes = (1 << (depth + 1)) - 1, features = 32;
    std::vector<int64_t> tree, node, feature, yes, no, leaf_tree, leaf_node, leaf_target;
    std::vector<float> value, weight;
    std::vector<std::string> mode;
    uint64_t state = 7;
    const auto next = [&] { return state = state * 6364136223846793005u + 1442695040888963407u, state >> 33; };
    for (int64_t t = 0; t < trees; ++t)
      for (int64_t i = 0; i < nodes; ++i) {
        const bool leaf = 2 * i + 2 >= nodes;
        tree.push_back(t), node.push_back(i), feature.push_back(leaf ? 0 : static_cast<int64_t>(next() % features));
        yes.push_back(leaf ? 0 : 2 * i + 1), no.push_back(leaf ? 0 : 2 * i + 2);
        value.push_back(leaf ? 0.0f : static_cast<float>(next() % 1000) / 250 - 2);
        mode.emplace_back(leaf ? "LEAF" : "BRANCH_LEQ");
        if (leaf)
          leaf_tree.push_back(t), leaf_node.push_back(i), leaf_target.push_back(0),
              weight.push_back(static_cast<float>(next() % 100) / 100);
      }
    add("TreeEnsembleRegressor",
        {.op = "TreeEnsembleRegressor",
         .opset = 1,
         .in = {numbers({4096, features})},
         .attrs = {attr("n_targets", int64_t{1}), attr("nodes_treeids", tree), attr("nodes_nodeids", node),
                   attr("nodes_featureids", feature), attr("nodes_truenodeids", yes), attr("nodes_falsenodeids", no),
                   attr("nodes_values", value), attr("nodes_modes", mode), attr("target_treeids", leaf_tree),
                   attr("target_nodeids", leaf_node), attr("target_ids", leaf_target), attr("target_weights", weight)},
         .domain = "ai.onnx.ml"},
        1e-3);
  }
};

}  // namespace

void Timed::draw() const {
  uint32_t seed = 1;
  for (const Input& input : question.in) {
    const auto blank = blanks->find(input.tensor.bytes.get());
    if (blank == blanks->end()) continue;
    const Type& type = input.tensor.type;
    const Tensor drawn = test::random_tensor(type.dtype, type.shape, seed++, blank->second.low, blank->second.high);
    std::copy_n(drawn.bytes.get(), type.bytes(), input.tensor.bytes.get());
  }
}

std::vector<Timed> timed_questions(int64_t bytes) {
  Questions questions(bytes);
  questions.all();
  std::vector<Timed> timed = questions.take();
  add_more(bytes, timed);
  return timed;
}

}  // namespace tessera::peers
