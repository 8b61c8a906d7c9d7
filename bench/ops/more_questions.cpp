#include <iterator>

#include "bench/ops/maker.h"

namespace tessera::peers {
namespace {

class MoreQuestions : public Maker {
 public:
  using Maker::Maker;

  void all() { integers_alone(), bytes_moved(), halves(), quantized_steps(), quantized_products(), fused(); }

 private:
  void ms(std::string op, std::vector<Input> in, Attrs attrs = {}, double tolerance = 1e-3, size_t outputs = 1) {
    add(op,
        {.op = op,
         .opset = 1,
         .in = std::move(in),
         .attrs = std::move(attrs),
         .outputs = outputs,
         .domain = "com.microsoft"},
        tolerance);
  }
  void of_type(const char* op, DType type, Case question, double tolerance = 1e-4) {
    question.op = op;
    add(cat(op, " of ", name_of(type)), std::move(question), tolerance);
  }

  void integers_alone() {
    for (const DType type : {i32, i64}) {
      of_type("Sign", type, {.in = {rows_of(1024, type, -99, 99)}});
      of_type("Min", type, {.in = {rows_of(1024, type, -99, 99), rows_of(1024, type, -99, 99)}});
      of_type("Clip", type, {.in = {rows_of(1024, type, -99, 99), whole(type, -20), whole(type, 60)}});
      of_type("ReduceSum", type, {.opset = 13, .in = {rows_of(1024, type, 0, 9), integers({0})}});
      of_type("ReduceMean", type, {.opset = 13, .in = {rows_of(1024, type, 0, 9)}, .attrs = {attr("axes", list({1}))}});
      of_type("CumSum", type, {.opset = 14, .in = {rows_of(1024, type, 0, 9), test::integer(1)}});
      of_type("ArgMax", type, {.opset = 13, .in = {rows_of(1024, type, 0, 999)}, .attrs = {attr("axis", int64_t{1})}});
    }
    of_type("Div", i32, {.in = {rows_of(1024, i32, 1, 999), rows_of(1024, i32, 1, 9)}});
    of_type("Sub", i32, {.in = {rows_of(1024, i32, 1, 999), rows_of(1024, i32, 1, 9)}});
    of_type("Mod", i32, {.in = {rows_of(1024, i32, -99, 99), rows_of(1024, i32, 3, 9)}});
    of_type("Add to one", i64, {.in = {rows_of(1024, i64, -99, 99), whole(i64, 3)}});
    timed_.back().question.op = "Add";
    for (const DType type : {u8, s8})
      of_type("Clip", type, {.in = {rows_of(1024, type, 0, 99), whole(type, 10), whole(type, 60)}});
    of_type("Less", i32, {.in = {rows_of(1024, i32, 0, 4), rows_of(1024, i32, 0, 4)}});
    of_type("TopK", i64, {.opset = 11, .in = {rows_of(1024, i64, -9999, 9999), integers({8})}, .outputs = 2});
    of_type("BitwiseXor", u8, {.in = {rows_of(1024, u8, 0, 99), rows_of(1024, u8, 0, 99)}});
    for (const DType type : {u8, s8})
      of_type("ReduceMax", type, {.opset = 13, .in = {rows_of(1024, type, 0, 99)}, .attrs = {attr("axes", list({1}))}});
    for (const auto& [from, to] :
         {std::pair{i64, i32}, {i64, boolean}, {u8, i32}, {i32, u8}, {s8, f32}, {f32, s8}, {f16, i64}, {i64, f16}})
      add(cat("Cast ", name_of(from), " to ", name_of(to)), {.op = "Cast",
                                                             .opset = 13,
                                                             .in = {rows_of(1024, from, 0, 90)},
                                                             .attrs = {attr("to", static_cast<int64_t>(to))}});
  }

  void bytes_moved() {
    for (const DType type : {u8, f16, i64}) {
      const int64_t lines = rows(type, 1024), few = std::min<int64_t>(lines, 200);
      of_type("Concat", type,
              {.in = {numbers({lines / 2, 1024}, type, 0, 9), numbers({lines / 2, 1024}, type, 0, 9)},
               .attrs = {attr("axis", int64_t{1})}});
      of_type("Slice", type,
              {.opset = 13, .in = {rows_of(1024, type, 0, 9), integers({8}), integers({1000}), integers({1})}});
      of_type("Gather", type, {.opset = 13, .in = {rows_of(1024, type, 0, 9), places({lines}, few)}});
      of_type("Expand", type, {.opset = 13, .in = {numbers({1, 1024}, type, 0, 9), integers({lines, 1024})}});
      of_type("Pad", type, {.opset = 13, .in = {picture(16, type), integers({0, 0, 2, 2, 0, 0, 2, 2})}});
      if (type != f16)
        of_type("Where", type,
                {.in = {rows_of(1024, boolean, 0, 1), numbers({rows(boolean, 1024), 1024}, type, 0, 9),
                        numbers({rows(boolean, 1024), 1024}, type, 0, 9)}});
    }
    add("Where of a mask", {.op = "Where",
                            .in = {numbers({1, 1, rows(f32, 1024), 1024}, boolean, 0, 1),
                                   numbers({1, 1, rows(f32, 1024), 1024}), test::number(-1e9f)}});
    add("Resize of uint8", {.op = "Resize",
                            .opset = 13,
                            .in = {numbers({1, 3, side(3, u8) / 2, side(3, u8) / 2}, u8, 0, 255),
                                   {},
                                   fixed(Input{test::floats({4}, {1, 1, 2, 2})})},
                            .attrs = {attr("mode", std::string("nearest"))}});
    add("NonZero", {.op = "NonZero", .opset = 13, .in = {rows_of(1024, boolean, 0, 1)}});
  }

  void halves() {
    for (const char* op : {"Gelu", "Exp", "Sqrt", "Erf", "Softplus"})
      of_type(op, f16, {.opset = 20, .in = {rows_of(1024, f16, 0, 4)}}, 5e-3);
    of_type("LayerNormalization", f16,
            {.opset = 17, .in = {rows_of(768, f16), fixed(numbers({768}, f16)), fixed(numbers({768}, f16))}}, 5e-3);
    of_type("Softmax", f16, {.opset = 13, .in = {rows_of(1024, f16)}, .attrs = {attr("axis", int64_t{-1})}}, 5e-3);
    of_type("ReduceMean", f16, {.opset = 13, .in = {rows_of(1024, f16)}, .attrs = {attr("axes", list({1}))}}, 5e-3);
    of_type("Clip", f16, {.in = {rows_of(1024, f16), whole(f16, -1), whole(f16, 1)}}, 1e-3);
    of_type("Equal", f16, {.in = {rows_of(1024, f16), rows_of(1024, f16)}});
    of_type("Less", f16, {.in = {rows_of(1024, f16), rows_of(1024, f16)}});
    of_type("GlobalAveragePool", f16, {.opset = 11, .in = {picture(64, f16)}}, 5e-3);
    of_type("MaxPool", f16,
            {.opset = 12,
             .in = {picture(64, f16)},
             .attrs = {attr("kernel_shape", list({2, 2})), attr("strides", list({2, 2}))}},
            5e-3);
    of_type("Conv", f16,
            {.opset = 11,
             .in = {picture(64, f16), fixed(numbers({64, 64, 3, 3}, f16, -0.1, 0.1))},
             .attrs = {attr("pads", list({1, 1, 1, 1}))}},
            1e-2);
    of_type("IsNaN", f16, {.opset = 13, .in = {rows_of(1024, f16)}});
  }

  // A tensor of bytes with its scale and zero point.
  void with_scale(std::vector<Input>& in, Input x) {
    in.push_back(std::move(x)), in.push_back(fixed(test::number(0.02f))), in.push_back(whole(u8, 120));
  }
  void quantized_steps() {
    const auto step = [&](const char* op, int inputs, Input (MoreQuestions::*make)(), Attrs attrs) {
      std::vector<Input> in;
      for (int i = 0; i < inputs; ++i) with_scale(in, (this->*make)());
      in.push_back(fixed(test::number(0.05f))), in.push_back(whole(u8, 100));
      ms(op, std::move(in), std::move(attrs), 0.02);
    };
    step("QLinearMul", 2, &MoreQuestions::byte_rows, {});
    step("QLinearSigmoid", 1, &MoreQuestions::byte_rows, {});
    step("QLinearLeakyRelu", 1, &MoreQuestions::byte_rows, {attr("alpha", 0.1f)});
    step("QLinearSoftmax", 1, &MoreQuestions::byte_rows, {attr("axis", int64_t{-1}), attr("opset", int64_t{13})});
    step("QLinearAveragePool", 1, &MoreQuestions::byte_picture,
         {attr("kernel_shape", list({2, 2})), attr("strides", list({2, 2}))});
    step("QLinearGlobalAveragePool", 1, &MoreQuestions::byte_picture, {});
    std::vector<Input> in{fixed(test::number(0.05f)), whole(u8, 100)};
    for (int i = 0; i < 2; ++i) with_scale(in, numbers({rows(u8, 1024) / 2, 1024}, u8, 0, 255));
    ms("QLinearConcat", std::move(in), {attr("axis", int64_t{1})}, 0.02);
    ms("NhwcMaxPool", {numbers({1, side(64, u8), side(64, u8), 64}, u8, 0, 255)},
       {attr("kernel_shape", list({2, 2})), attr("strides", list({2, 2}))});
    const Input x = rows_of(1024);
    add("QuantizeLinear to int8", {.op = "QuantizeLinear", .opset = 13, .in = {x, test::number(0.02f), whole(s8, 3)}},
        0.02);
    add("QuantizeLinear by axis",
        {.op = "QuantizeLinear",
         .opset = 13,
         .in = {rows_of(1024), fixed(numbers({1024}, f32, 0.01, 0.1)), fixed(numbers({1024}, u8, 100, 140))},
         .attrs = {attr("axis", int64_t{1})}},
        0.02);
    add("DequantizeLinear by axis",
        {.op = "DequantizeLinear",
         .opset = 13,
         .in = {rows_of(1024, s8, -99, 99), fixed(numbers({1024}, f32, 0.01, 0.1)), fixed(numbers({1024}, s8, 0, 1))},
         .attrs = {attr("axis", int64_t{1})}});
    add("DequantizeLinear of int32",
        {.op = "DequantizeLinear", .opset = 13, .in = {rows_of(1024, i32, -99, 99), test::number(0.02f)}});
  }
  Input byte_rows() { return rows_of(1024, u8, 0, 255); }
  Input byte_picture() { return picture(64, u8); }

  void quantized_products() {
    const int64_t n = std::min<int64_t>(side(1, u8) / 2, 768) / 64 * 64;
    const auto bytes = [&] { return numbers({n, n}, u8, 0, 255); };
    const auto weights = [&] { return fixed(numbers({n, n}, s8, -127, 127)); };
    const auto scale = [] { return fixed(test::number(0.02f)); };
    ms("QGemm",
       {bytes(), scale(), whole(u8, 120), weights(), scale(), whole(s8, 0), fixed(numbers({n}, i32, -99, 99)), scale(),
        whole(u8, 100)},
       {}, 0.02);
    ms("MatMulIntegerToFloat", {bytes(), weights(), scale(), scale(), whole(u8, 120), whole(s8, 0)});
    ms("DynamicQuantizeMatMul", {numbers({n, n}), weights(), scale(), whole(s8, 0)}, {}, 0.02);
    ms("QAttention",
       {numbers({1, 256, n}, u8, 0, 255),
        fixed(numbers({n, 3 * n}, s8, -127, 127)),
        fixed(numbers({3 * n})),
        scale(),
        fixed(test::number(0.001f)),
        {},
        whole(u8, 120),
        whole(s8, 0)},
       {attr("num_heads", n / 64)}, 0.02);
    const int64_t size = 128;
    ms("DynamicQuantizeLSTM",
       {numbers({64, 4, size}),
        fixed(numbers({1, size, 4 * size}, s8, -99, 99)),
        fixed(numbers({1, size, 4 * size}, s8, -99, 99)),
        fixed(numbers({1, 8 * size})),
        {},
        {},
        {},
        {},
        fixed(Input{test::floats({1}, {0.001})}),
        fixed(Input{test::tensor(s8, {1}, {0})}),
        fixed(Input{test::floats({1}, {0.001})}),
        fixed(Input{test::tensor(s8, {1}, {0})})},
       {attr("hidden_size", size)}, 0.02);
    ms("MatMulBnb4", {numbers({1, n}), fixed(numbers({n * n / 2}, u8, 0, 255)), fixed(numbers({n * n / 64}))},
       {attr("K", n), attr("N", n), attr("block_size", int64_t{64}), attr("quant_type", int64_t{1})});
    ms("GatherBlockQuantized",
       {fixed(numbers({rows(u8, 1024), 512}, u8, 0, 255)), places({rows(f32, 1024)}, rows(u8, 1024)),
        fixed(numbers({rows(u8, 1024), 32}))},
       {attr("block_size", int64_t{32}), attr("bits", int64_t{4}), attr("quantize_axis", int64_t{1})});
  }

  void fused() {
    const int64_t n = std::min<int64_t>(side(1), 768);
    ms("FusedConv", {picture(64), fixed(numbers({64, 64, 3, 3}, f32, -0.1, 0.1)), fixed(numbers({64}))},
       {attr("pads", list({1, 1, 1, 1})), attr("activation", std::string("Relu"))});
    ms("FusedGemm", {numbers({n, n}), fixed(numbers({n, n})), fixed(numbers({n}))},
       {attr("activation", std::string("Relu"))});
    ms("TransposeMatMul", {numbers({n, n}), numbers({n, n})}, {attr("transB", int64_t{1})});
    ms("Inverse", {numbers({64, 32, 32})}, {}, 0.1);
    ms("EmbedLayerNormalization",
       {numbers({1, rows(f32, 768)}, i32, 0, 100), numbers({1, rows(f32, 768)}, i32, 0, 1), fixed(numbers({100, 768})),
        fixed(numbers({rows(f32, 768), 768})), fixed(numbers({2, 768})), fixed(numbers({768})), fixed(numbers({768}))},
       {}, 1e-3, 2);
    ms("ExpandDims", {rows_of(1024), fixed(Input{test::tensor(i32, {}, {1})})});
  }
};

}  // namespace

void add_more(int64_t bytes, std::vector<Timed>& timed) {
  MoreQuestions questions(bytes);
  questions.all();
  std::vector<Timed> more = questions.take();
  timed.insert(timed.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace tessera::peers
