// Every kernel that the CPU offers for a convolution, against the reference in double precision:
// shapes, borders, strides, dilations, groups, epilogues, threads, and every level of instructions.
#include <algorithm>
#include <cstdlib>

#include "ops/cpu/kernel.h"
#include "ops/cpu/layout.h"
#include "ops/cpu/level.h"
#include "ops/elementwise.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

using namespace elementwise;

struct Case {
  const char* op = "Conv";
  Shape x, w;
  std::vector<int64_t> strides = {1, 1}, dilations = {1, 1}, pads = {1, 1, 1, 1};
  int64_t group = 1;
  bool bias = true;
  std::vector<Fused> epilogue = {};
};

Type blocked(Type type) {
  type.layout = cpu::nchw16c;
  return type;
}

// Where element i of a row-major [N,C,H,W] tensor lies in blocks of sixteen channels.
int64_t blocked_place(const Shape& shape, int64_t i) {
  const int64_t pixels = shape[2] * shape[3], blocks = (shape[1] + 15) / 16;
  const int64_t pixel = i % pixels, c = i / pixels % shape[1], n = i / pixels / shape[1];
  return ((n * blocks + c / 16) * pixels + pixel) * 16 + c % 16;
}

Tensor in_layout(const Tensor& tensor, Layout layout) {
  if (layout == Layout::row_major || tensor.type.shape.rank() != 4) return tensor;
  Tensor out = Tensor::make(blocked(tensor.type));
  for (int64_t i = 0; i < tensor.type.shape.elements(); ++i)
    out.as<float>()[blocked_place(tensor.type.shape, i)] = tensor.as<float>()[i];
  return out;
}

Tensor row_major(const Tensor& tensor) {
  if (tensor.type.layout == Layout::row_major) return tensor;
  Tensor out = Tensor::make({DType::float32, tensor.type.shape});
  for (int64_t i = 0; i < out.type.shape.elements(); ++i)
    out.as<float>()[i] = tensor.as<float>()[blocked_place(tensor.type.shape, i)];
  return out;
}

Tensor as_doubles(const Tensor& tensor) {
  if (!tensor.bytes) return tensor;
  Tensor out = Tensor::make({DType::float64, tensor.type.shape});
  for (int64_t i = 0; i < tensor.type.shape.elements(); ++i) out.as<double>()[i] = double{tensor.as<float>()[i]};
  return out;
}

// A case with its tensors. Operands of the epilogue: 0 stands for one number per channel (of the
// shape that the row sees), 1 for a tensor of the output's shape, 2 for a single number.
class Setup {
 public:
  /// Rounded: to numbers that bfloat16 holds, whose products are exact. Weights lie between `low` and 0.2.
  explicit Setup(const Case& c, bool rounded = false, double low = -0.2) {
    node_.op = find_op("", c.op, 18);
    node_.opset = 18;
    node_.name = "conv";
    node_.out = {0};
    node_.attrs = std::make_shared<const Attrs>(
        Attrs{{"strides", c.strides}, {"dilations", c.dilations}, {"pads", c.pads}, {"group", c.group}});
    const bool transposed = node_.op->name == "ConvTranspose";
    const int64_t outputs = transposed ? c.w[1] * c.group : c.w[0];
    add(random_tensor(DType::float32, c.x, 1), false);
    add(random_tensor(DType::float32, c.w, 2, low, 0.2), true);
    for (Tensor& tensor : tensors_)
      for (int64_t i = 0; rounded && i < tensor.type.shape.elements(); ++i)
        tensor.as<float>()[i] = bfloat16(tensor.as<float>()[i]);
    add(c.bias ? random_tensor(DType::float32, {outputs}, 3) : Tensor{}, true);
    std::vector<Type> types;
    for (const Tensor& tensor : tensors_) types.push_back(tensor.type);
    Infer infer_frame(node_, types, std::vector<const Tensor*>(3, nullptr));
    infer(infer_frame);
    out_ = infer_frame.out[0].type;
    add_epilogue(c);
  }

  const Node& node() const { return node_; }
  const Type& out() const { return out_; }

  /// The result by the reference: in double precision where it can.
  Tensor expected(const HostBackend& cpu) const {
    bool shuffled = false;
    for (const Fused& fused : node_.epilogue) shuffled |= fused.shuffles();
    std::vector<Tensor> inputs;
    for (const Tensor& tensor : tensors_) inputs.push_back(shuffled ? tensor : as_doubles(tensor));
    Type type = out_;
    if (!shuffled) type.dtype = DType::float64;
    return run(cpu, Offer{}, inputs, Tensor::make(type), nullptr, 1);
  }

  Tensor with(const HostBackend& cpu, const Offer& offer, int threads) const {
    std::vector<Tensor> inputs;
    for (size_t i = 0; i < tensors_.size(); ++i)
      inputs.push_back(constant_[i] ? tensors_[i] : in_layout(tensors_[i], i < 3 ? offer.in : offer.out));
    Type type = out_;
    type.layout = type.shape.rank() == 4 ? offer.out : Layout::row_major;
    Tensor out = Tensor::make(type);
    std::memset(out.bytes.get(), 0xff, static_cast<size_t>(type.bytes()));
    return run(cpu, offer, inputs, out, cpu.pack(offer, problem()), threads);
  }

  Problem problem() const {
    types_.clear(), constants_.clear();
    for (size_t i = 0; i < tensors_.size(); ++i) {
      types_.push_back(tensors_[i].type);
      constants_.push_back(constant_[i] && tensors_[i].bytes ? &tensors_[i] : nullptr);
    }
    return {node_, types_, List<Type>(&out_, 1), constants_};
  }

 private:
  void add(Tensor tensor, bool constant) {
    node_.in.push_back(tensor.bytes ? static_cast<ValueId>(tensors_.size()) : absent);
    tensors_.push_back(std::move(tensor));
    constant_.push_back(constant);
  }

  void add_epilogue(const Case& c) {
    if (c.epilogue.empty()) return;
    node_.own_inputs = 3;
    for (Fused fused : c.epilogue) {
      if (fused.shuffles()) {
        const auto block = static_cast<int64_t>(fused.a);
        out_.shape = Shape{out_.shape[0], out_.shape[1] / block / block, out_.shape[2] * block, out_.shape[3] * block};
      } else if (fused.operand >= 0) {
        Shape shape{out_.shape[1]};
        for (int i = 2; i < out_.shape.rank(); ++i) shape.push_back(1);
        if (fused.operand == 1) shape = out_.shape;
        if (fused.operand == 2) shape = Shape{1};
        const bool constant = fused.operand != 1;
        fused.operand = static_cast<int16_t>(tensors_.size());
        add(random_tensor(DType::float32, shape, 10 + static_cast<uint32_t>(tensors_.size()), 0.25, 1.5), constant);
      }
      node_.epilogue.push_back(fused);
    }
  }

  Tensor run(const HostBackend& cpu, const Offer& offer, const std::vector<Tensor>& inputs, Tensor out,
             const std::shared_ptr<const Packed>& packed, int threads) const {
    std::vector<View> in;
    for (const Tensor& tensor : inputs) in.push_back(tensor.view());
    const View view = out.view();
    Args args(node_, in, List<View>(&view, 1));
    args.packed = packed.get();
    const Guarded scratch(cpu.scratch_bytes(offer, problem(), threads)), kept(cpu.kept_bytes(offer, problem()));
    args.scratch = scratch.data();
    args.kept = kept.data();
    Threads pool(threads);
    cpu.run(offer, args, pool);
    EXPECT_TRUE(scratch.intact() && kept.intact()) << offer.name << " wrote behind its scratch";
    return out;
  }

  Node node_;
  Type out_;
  std::vector<Tensor> tensors_;
  std::vector<bool> constant_;
  mutable std::vector<Type> types_;
  mutable std::vector<const Tensor*> constants_;
};

// Largest difference over the range of the expected values.
double error(const Tensor& actual, const Tensor& expected) {
  double worst = 0, low = 0, high = 0;
  for (int64_t i = 0; i < expected.type.shape.elements(); ++i) {
    const double a = element_as_double(actual.view(), i), e = element_as_double(expected.view(), i);
    if (!(std::abs(a - e) <= worst)) worst = std::isnan(a) ? INFINITY : std::abs(a - e);
    low = std::min(low, e), high = std::max(high, e);
  }
  return worst / std::max(high - low, 1e-30);
}

// Channels behind the last one must be zeros, whatever the epilogue does.
bool padding_is_zero(const Tensor& tensor) {
  if (tensor.type.layout == Layout::row_major) return true;
  std::vector<bool> real(static_cast<size_t>(tensor.type.stored_elements()));
  for (int64_t i = 0; i < tensor.type.shape.elements(); ++i)
    real[static_cast<size_t>(blocked_place(tensor.type.shape, i))] = true;
  for (size_t i = 0; i < real.size(); ++i)
    if (!real[i] && tensor.as<float>()[i] != 0) return false;
  return true;
}

// Runs the kernels for the case that only this precision has; returns how many there were.
int check(const Case& c, Precision precision) {
  const auto cpu = cpu::make_backend(precision), plain = cpu::make_backend();
  const Setup setup(c, precision == Precision::bf16);
  std::vector<Offer> offers, others;
  cpu->offers(setup.problem(), offers);
  if (precision != Precision::fp32) plain->offers(setup.problem(), others);
  const Tensor expected = setup.expected(*cpu);
  int count = 0;
  for (const Offer& offer : offers) {
    const auto is_this = [&](const Offer& other) { return other.kernel == offer.kernel; };
    if (!offer.kernel || std::any_of(others.begin(), others.end(), is_this)) continue;
    ++count;
    EXPECT_TRUE(offer.row_step == 0 || cpu->row_step() % offer.row_step == 0) << offer.name;
    const auto where = [&] {
      return cat(offer.name, " for ", c.op, " ", c.x, " by ", c.w, " with ", c.epilogue.size(), " fused steps, level ",
                 cpu::name_of(cpu::level()));
    };
    const Tensor one = setup.with(*cpu, offer, 1);
    // The worst of many random sums; over whole models the larger tiles of Winograd cost nothing.
    const bool rough = offer.name.find("winograd 6") != Text::npos;
    EXPECT_LT(error(row_major(one), expected), precision == Precision::bf16x3 ? 2e-5 : rough ? 1e-5 : 5e-6) << where();
    EXPECT_TRUE(padding_is_zero(one)) << where();
    const Tensor three = setup.with(*cpu, offer, 3);
    EXPECT_EQ(0, std::memcmp(one.bytes.get(), three.bytes.get(), static_cast<size_t>(one.type.bytes()))) << where();
  }
  return count;
}

// Nothing that an exact session runs transforms its input.
void check_exact(const Case& c) {
  std::vector<Offer> offers;
  cpu::make_backend(Precision::exact)->offers(Setup(c).problem(), offers);
  EXPECT_EQ(offers.front().name.find("winograd"), Text::npos) << c.x << " by " << c.w;
}

int check(const Case& c) {
  check_exact(c);
  int count = check(c, Precision::fp32) + check(c, Precision::exact);
  if (cpu::level() < cpu::Level::avx512bf16) return count;
  const int pairs = check(c, Precision::bf16);
  EXPECT_EQ(check(c, Precision::bf16x3), pairs);
  EXPECT_GE(pairs, c.group == 1 && c.x[1] >= 16 && c.x.rank() == 4 ? 1 : 0);
  return count + pairs;
}

// Of positive weights, whose sums grow long.
double error_of(const Case& c, Precision precision, Text kernel) {
  const auto cpu = cpu::make_backend(precision);
  const Setup setup(c, false, 0.0);
  std::vector<Offer> offers;
  cpu->offers(setup.problem(), offers);
  for (const Offer& offer : offers)
    if (offer.name == kernel) return error(row_major(setup.with(*cpu, offer, 1)), setup.expected(*cpu));
  ADD_FAILURE() << "no kernel " << kernel;
  return 0;
}

TEST(CpuConv, ExactSumsAreShort) {
  const Case cases[] = {{.x = {1, 256, 12, 20}, .w = {32, 256, 3, 3}},
                        {.x = {1, 1000, 9, 11}, .w = {24, 1000, 1, 1}, .pads = {0, 0, 0, 0}}};
  for (const Case& c : cases) {
    const double exact = error_of(c, Precision::exact, "conv exact");
    EXPECT_LT(exact, 3e-7);
    EXPECT_LT(2 * exact, error_of(c, Precision::fp32, "conv blocked"));
  }
}

TEST(CpuConv, ThreeByThree) {
  for (const int64_t in : {1, 3, 12, 16, 20, 64})
    for (const int64_t out : {1, 3, 8, 16, 33, 64})
      for (const Shape& picture : {Shape{1, 1}, Shape{3, 5}, Shape{17, 31}, Shape{24, 61}}) {
        Case c{.x = {1, in, picture[0], picture[1]}, .w = {out, in, 3, 3}};
        EXPECT_GE(check(c), 4);
      }
  check({.x = {3, 20, 9, 10}, .w = {18, 20, 3, 3}, .bias = false});
  check({.x = {2, 64, 40, 70}, .w = {48, 64, 3, 3}, .pads = {0, 0, 0, 0}});
  check({.x = {1, 32, 12, 13}, .w = {32, 32, 3, 3}, .pads = {2, 1, 0, 3}});
  // Many tiles, of 6x6 and of 4x4.
  for (const auto& [height, width] : {std::pair{71, 131}, std::pair{22, 201}})
    for (const int64_t out : {16, 18, 40}) check({.x = {1, 20, height, width}, .w = {out, 20, 3, 3}});
}

TEST(CpuConv, KernelsStridesDilationsPads) {
  for (const int64_t in : {1, 5, 24})
    for (const int64_t out : {2, 24}) {
      check({.x = {1, in, 23, 37}, .w = {out, in, 5, 5}, .pads = {2, 2, 2, 2}});
      check({.x = {1, in, 23, 37}, .w = {out, in, 9, 9}, .pads = {4, 4, 4, 4}});
      check({.x = {1, in, 23, 37}, .w = {out, in, 3, 3}, .strides = {2, 2}});
      check({.x = {2, in, 23, 38}, .w = {out, in, 3, 2}, .strides = {3, 2}, .pads = {0, 1, 2, 0}});
      check({.x = {1, in, 23, 37}, .w = {out, in, 3, 3}, .dilations = {2, 3}, .pads = {2, 3, 2, 3}});
      check({.x = {1, in, 23, 37}, .w = {out, in, 3, 3}, .strides = {2, 2}, .dilations = {3, 3}, .pads = {3, 3, 3, 3}});
      check({.x = {1, in, 23, 37}, .w = {out, in, 1, 1}, .pads = {0, 0, 0, 0}});
      check({.x = {1, in, 23, 37}, .w = {out, in, 1, 1}, .strides = {2, 2}, .pads = {0, 0, 0, 0}});
      check({.x = {1, in, 23, 37}, .w = {out, in, 1, 7}, .pads = {0, 3, 0, 3}});
      check({.x = {1, in, 6, 6}, .w = {out, in, 6, 6}, .pads = {0, 0, 0, 0}});
      check({.x = {1, in, 9, 9}, .w = {out, in, 3, 3}, .pads = {-1, -1, 0, -2}});
    }
  check({.x = {1, 3, 300, 700}, .w = {7, 3, 3, 3}});
  // Three blocks of outputs, of which the last may be ragged.
  for (const int64_t out : {48, 43}) {
    check({.x = {1, 5, 23, 37}, .w = {out, 5, 5, 5}, .pads = {2, 2, 2, 2}, .epilogue = {{PRelu, 0}}});
    check({.x = {1, 40, 23, 37}, .w = {out, 40, 1, 1}, .pads = {0, 0, 0, 0}, .epilogue = {{Add, 1}, {Relu}}});
  }
  // Widths that only some counts of strips divide, and one output column per input column of 40.
  for (const int64_t width : {641, 640, 333, 117})
    check({.x = {1, 96, 5, width}, .w = {8, 96, 5, 5}, .pads = {2, 2, 2, 2}});
  check({.op = "ConvTranspose", .x = {1, 200, 3, 90}, .w = {200, 2, 2, 5}, .strides = {1, 40}, .pads = {0, 0, 0, 0}});
  check({.x = {1, 130, 5, 400}, .w = {20, 130, 5, 3}, .pads = {2, 1, 2, 1}});
}

TEST(CpuConv, Groups) {
  check({.x = {1, 32, 11, 17}, .w = {64, 16, 3, 3}, .group = 2});
  check({.x = {2, 12, 11, 17}, .w = {18, 4, 3, 3}, .group = 3});
  check({.x = {1, 24, 11, 17}, .w = {24, 1, 3, 3}, .group = 24});
  check({.x = {2, 40, 19, 17}, .w = {40, 1, 5, 5}, .strides = {2, 2}, .pads = {2, 2, 2, 2}, .group = 40});
  check({.x = {1, 6, 11, 17}, .w = {12, 1, 3, 3}, .group = 6});
}

TEST(CpuConv, Depthwise) {
  for (const auto& chain : std::vector<std::vector<Fused>>{{},
                                                           {{Relu}},
                                                           {{Clip, -1, false, -0.5f, 0.75f}},
                                                           {{Add, 1}, {Relu}},
                                                           {{PRelu, 0}},
                                                           {{LeakyRelu, -1, false, 0.1f}},
                                                           {{Sigmoid}}})
    for (const int64_t channels : {16, 40})
      for (const Shape& picture : {Shape{1, 1}, Shape{2, 3}, Shape{7, 7}, Shape{19, 34}}) {
        Case c{
            .x = {2, channels, picture[0], picture[1]}, .w = {channels, 1, 3, 3}, .group = channels, .epilogue = chain};
        EXPECT_GE(check(c), 1);
        c.strides = {2, 2};
        check(c);
        c.strides = {3, 1}, c.dilations = {2, 3}, c.pads = {4, 3, 2, 7};
        check(c);
        c.w = {channels, 1, 5, 4}, c.strides = {1, 3}, c.dilations = {1, 1}, c.pads = {2, 5, 3, 0};
        check(c);
      }
  check({.x = {1, 24, 30, 40}, .w = {24, 1, 7, 7}, .strides = {2, 2}, .pads = {-1, -2, 3, 0}, .group = 24});
}

TEST(CpuConv, SmallPicturesOfManyChannels) {
  const Fused relu{Relu}, add{Add, 1}, sigmoid{Sigmoid};
  for (const Shape& picture : {Shape{13, 14}, Shape{9, 25}, Shape{28, 28}})
    for (const auto& chain : std::vector<std::vector<Fused>>{{}, {add, relu}, {sigmoid}}) {
      check({.x = {1, 40, picture[0], picture[1]}, .w = {72, 40, 3, 3}, .epilogue = chain});
      check({.x = {5, 16, picture[0], picture[1]}, .w = {20, 16, 3, 3}, .pads = {0, 2, 1, 0}, .epilogue = chain});
    }
}

TEST(CpuConv, OneAxis) {
  EXPECT_GE(check({.x = {2, 6, 101}, .w = {20, 6, 5}, .strides = {1}, .dilations = {1}, .pads = {2, 2}}), 1);
  check({.x = {1, 20, 101}, .w = {4, 20, 8}, .strides = {4}, .dilations = {1}, .pads = {0, 3}});
  check({.op = "ConvTranspose", .x = {1, 20, 31}, .w = {20, 4, 8}, .strides = {4}, .dilations = {1}, .pads = {2, 2}});
}

TEST(CpuConv, Transposed) {
  for (const int64_t in : {3, 12, 32})
    for (const int64_t out : {1, 3, 20}) {
      const char* op = "ConvTranspose";
      check({.op = op, .x = {1, in, 13, 29}, .w = {in, out, 2, 2}, .strides = {2, 2}, .pads = {0, 0, 0, 0}});
      check({.op = op, .x = {2, in, 13, 29}, .w = {in, out, 4, 4}, .strides = {2, 2}, .pads = {3, 3, 3, 3}});
      check({.op = op, .x = {1, in, 13, 29}, .w = {in, out, 9, 9}, .strides = {2, 2}, .pads = {4, 4, 3, 3}});
      check({.op = op, .x = {1, in, 13, 29}, .w = {in, out, 3, 3}});
      check({.op = op, .x = {1, in, 7, 9}, .w = {in, out, 2, 3}, .strides = {3, 4}, .pads = {0, 0, 0, 0}});
      check({.op = op, .x = {1, in, 7, 9}, .w = {in, out, 3, 3}, .strides = {2, 2}, .dilations = {2, 3}});
    }
  check({.op = "ConvTranspose", .x = {1, 24, 9, 10}, .w = {24, 1, 4, 4}, .strides = {2, 2}, .group = 24});
  check({.op = "ConvTranspose", .x = {1, 32, 9, 10}, .w = {32, 16, 4, 4}, .strides = {2, 2}, .group = 2});
  check({.op = "ConvTranspose", .x = {1, 12, 9, 10}, .w = {12, 3, 4, 4}, .strides = {2, 2}, .group = 4});
}

TEST(CpuConv, Epilogues) {
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
      EXPECT_GE(
          check({.x = {2, w[1], 14, 19}, .w = w, .pads = {w[2] / 2, w[2] / 2, w[2] / 2, w[2] / 2}, .epilogue = chain}),
          2);
  for (const auto& chain : chains) check({.x = {1, 12, 14, 19}, .w = {18, 4, 3, 3}, .group = 3, .epilogue = chain});
}

TEST(CpuConv, DepthToSpace) {
  const Fused slopes{PRelu, 0}, add{Add, 1}, clip{Clip, -1, false, -2.0f, 3.0f}, bias{Add, 0};
  for (const int64_t block : {2, 3, 4})
    for (const bool crd : {false, true})
      for (const int64_t colours : {1, 3, 16}) {
        const Fused shuffle = Fused::depth_to_space(block, crd);
        const int64_t out = colours * block * block;
        for (const int64_t in : {3, 32}) {
          Case c{.x = {1, in, 11, 18}, .w = {out, in, 3, 3}, .epilogue = {slopes, shuffle, bias, add, clip}};
          EXPECT_GE(check(c), 1);
          c.w = {out, in, 1, 1};
          c.pads = {0, 0, 0, 0};
          c.epilogue = {shuffle};
          EXPECT_GE(check(c), 1);
        }
      }
}

TEST(CpuConv, DepthToSpaceOfFewOutputs) {
  const Fused slope{PRelu, 2}, add{Add, 1}, clip{Clip, -1, false, -2.0f, 3.0f};
  for (const bool crd : {false, true})
    for (const int64_t size : {1, 5}) {
      Case c{.x = {2, 70, 11, 75}, .w = {4, 70, size, size}};
      c.pads = {size / 2, size / 2, size / 2, size / 2};
      c.epilogue = {Fused::depth_to_space(2, crd), add, slope, clip};
      EXPECT_GE(check(c), 3);
    }
}

// Whole blocks of channels stay blocked on their way through the shuffle.
TEST(CpuConv, DepthToSpaceInBlocks) {
  const Fused slope{PRelu, 2}, clip{Clip, -1, false, -3.0f, 4.0f};
  for (const bool crd : {false, true})
    for (const int64_t colours : {16, 32, 48}) {
      const Fused shuffle = Fused::depth_to_space(2, crd);
      for (const int64_t size : {3, 1}) {
        Case c{.x = {2, 20, 26, 37}, .w = {4 * colours, 20, size, size}, .epilogue = {slope, shuffle, clip}};
        c.pads = {size / 2, size / 2, size / 2, size / 2};
        EXPECT_GE(check(c), size == 3 ? 6 : 4);
      }
    }
  check({.op = "ConvTranspose",
         .x = {1, 20, 9, 14},
         .w = {20, 64, 2, 2},
         .strides = {2, 2},
         .pads = {0, 0, 0, 0},
         .epilogue = {slope, Fused::depth_to_space(2, true)}});
}

// The level is chosen once per process, so the other levels run in processes of their own.
TEST(CpuConvLevels, AllAgreeWithTheReference) {
  for (const cpu::Level level : cpu::all_levels) {
    if (level > cpu::best_level() || level == cpu::level()) continue;
    const std::string command =
        cat("TESSERA_ISA=", cpu::name_of(level), " ", std::filesystem::read_symlink("/proc/self/exe").string(),
            " --gtest_filter='CpuConv.*' --gtest_brief=1 >&2");
    EXPECT_EQ(0, std::system(command.c_str())) << cpu::name_of(level);
  }
}

}  // namespace
}  // namespace tessera::test
