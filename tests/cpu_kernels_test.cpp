// Every CPU kernel at every level this machine has, in its own layout, on element-aligned memory and
// for several thread counts, against the operator's reference.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

#include "ops/cpu/kernel.h"
#include "ops/cpu/level.h"
#include "ops/elementwise.h"
#include "tests/support.h"

namespace tessera {
namespace {

using cpu::Level;

struct Input {
  Tensor tensor = {};
  bool constant = false;
};

struct Case {
  Text op = {};
  int opset = 18;
  std::vector<Input> in = {};
  Attrs attrs = {};
  std::vector<Fused> epilogue = {};  ///< operands count from the first input in `operands`
  std::vector<Input> operands = {};
  size_t outputs = 1;
  double relative = 2e-5, absolute = 2e-6;
  int least = 1;  ///< kernels that must be offered
  Text domain = {};
};

/// Bytes at an address that is a multiple of the element's size and of nothing more, with a guard behind.
class Memory {
 public:
  Memory(const Type& type, int filler) : bytes_(type.bytes()) {
    const int64_t size = std::max(1, bits_of(type.dtype) / 8);
    store_.assign(static_cast<size_t>(bytes_ + 256), std::byte(filler));
    auto address = reinterpret_cast<uintptr_t>(store_.data());
    data_ = store_.data() + ((address + 63) / 64 * 64 - address) + size;
    std::memset(data_ + bytes_, 0x5a, 64);
    view_ = {type, data_};
  }
  const View& view() const { return view_; }
  bool intact() const {
    for (int i = 0; i < 64; ++i)
      if (data_[bytes_ + i] != std::byte(0x5a)) return false;
    return true;
  }
  std::vector<std::byte> bytes() const { return {data_, data_ + bytes_}; }

 private:
  int64_t bytes_;
  std::vector<std::byte> store_;
  std::byte* data_;
  View view_;
};

int64_t blocked_index(const Shape& s, int64_t n, int64_t c, int64_t at) {
  const int64_t plane = s[2] * s[3];
  return ((n * ((s[1] + 15) / 16) + c / 16) * plane + at) * 16 + c % 16;
}

/// Calls f(row-major index, blocked index) for every element.
template <class F>
void for_blocked(const Shape& s, const F& f) {
  int64_t i = 0;
  for (int64_t n = 0; n < s[0]; ++n)
    for (int64_t c = 0; c < s[1]; ++c)
      for (int64_t at = 0; at < s[2] * s[3]; ++at) f(i++, blocked_index(s, n, c, at));
}

std::unique_ptr<Memory> place(const Tensor& tensor, Layout layout) {
  Type type = tensor.type;
  type.layout = layout;
  auto memory = std::make_unique<Memory>(type, 0);
  if (layout == Layout::row_major)
    std::memcpy(memory->view().data, tensor.bytes.get(), static_cast<size_t>(type.bytes()));
  else
    for_blocked(type.shape,
                [&](int64_t i, int64_t b) { memory->view().as<float>()[b] = tensor.as<float>()[i]; });
  return memory;
}

class Bench {
 public:
  explicit Bench(const Case& c) : case_(c) {
    node_.op = find_op(c.domain, c.op, c.opset);
    if (!node_.op) fail(Error::Kind::unsupported, "no operator ", c.op);
    node_.opset = c.opset;
    node_.attrs = std::make_shared<const Attrs>(c.attrs);
    for (const Input& input : c.in) add(input);
    if (!c.operands.empty()) node_.own_inputs = static_cast<int>(inputs_.size());
    const auto own = static_cast<int16_t>(inputs_.size());
    for (const Input& input : c.operands) add(input);
    for (size_t i = 0; i < c.outputs; ++i) node_.out.push_back(static_cast<ValueId>(1000 + i));
    Infer infer_frame(node_, List<Type>(types_).first(c.in.size()), List<const Tensor*>(values_).first(c.in.size()));
    infer(infer_frame);
    for (const auto& out : infer_frame.out) out_types_.push_back(out.type);
    node_.epilogue = c.epilogue;
    for (Fused& fused : node_.epilogue)
      if (fused.operand >= 0) fused.operand = static_cast<int16_t>(fused.operand + own);
  }

  void run_all() {
    const Level best = cpu::best_level();
    for (const Level level : {Level::baseline, Level::avx2, Level::avx512}) {
      if (level > best) continue;
      cpu::pin_level(level);
      const auto backend = cpu::make_backend();
      std::vector<Offer> offers;
      backend->offers(problem(), offers);
      int kernels = 0;
      for (const Offer& offer : offers) kernels += offer.kernel != nullptr;
      EXPECT_GE(kernels, case_.least) << title(level, "");
      const auto expected = run(*backend, offers.back(), 1, Layout::row_major);
      for (const Offer& offer : offers)
        if (offer.kernel) compare(*backend, offer, level, expected);
    }
    cpu::pin_level(best);
  }

 private:
  using Memories = std::vector<std::unique_ptr<Memory>>;

  void add(const Input& input) {
    node_.in.push_back(input.tensor.type.dtype == DType::undefined ? absent : static_cast<ValueId>(inputs_.size()));
    inputs_.push_back(input);
    types_.push_back(input.tensor.type);
    values_.push_back(input.tensor.type.dtype == DType::undefined ? nullptr : &input.tensor);
    constants_.push_back(input.constant ? &input.tensor : nullptr);
  }

  Problem problem() const { return {node_, types_, out_types_, constants_}; }

  std::string title(Level level, Text kernel) const {
    std::string text = cat(case_.op, " ", kernel, " at ", name_of(level), ":");
    for (const Type& type : types_) text += cat(" ", type);
    return text;
  }

  // Element (in)-aligned inputs in the offer's layout, outputs full of NaN.
  Memories run(const HostBackend& backend, const Offer& offer, int threads, Layout) const {
    Memories in, out;
    std::vector<View> in_views, out_views;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (node_.in[i] == absent) {
        in_views.push_back({});
        continue;
      }
      const bool may_block = types_[i].shape.size() == 4 && !constants_[i];
      const Layout wanted = i < node_.op_inputs() ? offer.in : offer.out;
      in.push_back(place(inputs_[i].tensor, may_block ? wanted : Layout::row_major));
      in_views.push_back(in.back()->view());
    }
    for (Type type : out_types_) {
      if (type.shape.size() == 4) type.layout = offer.out;
      out.push_back(std::make_unique<Memory>(type, 0xff));
      out_views.push_back(out.back()->view());
    }
    const auto packed = backend.pack(offer, problem());
    Threads pool(threads);
    std::vector<std::byte> scratch(static_cast<size_t>(backend.scratch_bytes(offer, problem(), threads) + 64),
                                   std::byte(0xff));
    Args args(node_, in_views, out_views);
    args.packed = packed.get();
    args.scratch = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64);
    backend.run(offer, args, pool);
    return out;
  }

  void compare(const HostBackend& backend, const Offer& offer, Level level, const Memories& expected) const {
    const std::string name = title(level, offer.name);
    const Memories one = run(backend, offer, 1, offer.out), three = run(backend, offer, 3, offer.out);
    for (size_t i = 0; i < one.size(); ++i) {
      EXPECT_TRUE(one[i]->intact()) << name << " writes behind its output";
      EXPECT_TRUE(one[i]->bytes() == three[i]->bytes()) << name << " depends on the number of threads";
      Tensor plain = Tensor::make(out_types_[i]);
      const View& got = one[i]->view();
      if (got.type.layout == Layout::row_major) {
        if (got.type.bytes()) std::memcpy(plain.bytes.get(), got.data, static_cast<size_t>(got.type.bytes()));
      } else {
        std::vector<bool> seen(static_cast<size_t>(got.type.stored_elements()));
        for_blocked(got.shape(), [&](int64_t r, int64_t b) {
          plain.as<float>()[r] = got.as<float>()[b];
          seen[static_cast<size_t>(b)] = true;
        });
        for (size_t b = 0; b < seen.size(); ++b) {
          if (seen[b]) continue;
          ASSERT_EQ(got.as<float>()[b], 0.0f) << name << " padding at " << b;
        }
      }
      EXPECT_TRUE(test::close(plain.view(), expected[i]->view(), case_.relative, case_.absolute)) << name;
    }
  }

  const Case& case_;
  Node node_;
  std::vector<Input> inputs_;
  std::vector<Type> types_, out_types_;
  std::vector<const Tensor*> values_, constants_;
};

void check(const Case& c) { Bench(c).run_all(); }

unsigned seed = 1;
Input random(const Shape& shape, double low = -2, double high = 2, DType dtype = DType::float32) {
  return {test::random_tensor(dtype, shape, seed++, low, high)};
}
Input fixed(Input input) {
  input.constant = true;
  return input;
}
Input integers(std::initializer_list<int64_t> values) {
  return {Tensor::of(List<int64_t>(values.begin(), values.size())), true};
}
Input number(float value) { return {test::floats({}, {static_cast<double>(value)}), true}; }
std::pair<std::string, Attr> attr(const char* name, Attr value) { return {name, std::move(value)}; }
std::vector<int64_t> list(std::initializer_list<int64_t> values) { return values; }

const Shape pictures[] = {{1, 16, 5, 7}, {2, 3, 4, 5}, {1, 20, 1, 1}, {1, 33, 3, 40}, {1, 1, 8, 8}, {0, 4, 3, 3}};

TEST(CpuKernels, UnaryRows) {
  struct Unary {
    Text op;
    double low, high;
    int opset = 22;
  };
  constexpr Unary rows[] = {
      {"Relu", -2, 2},     {"LeakyRelu", -2, 2},  {"Sigmoid", -20, 20}, {"Tanh", -9, 9},   {"HardSigmoid", -4, 4},
      {"HardSwish", -4, 4}, {"Elu", -5, 2},       {"Selu", -5, 2},      {"Softplus", -9, 9}, {"Softsign", -5, 5},
      {"Erf", -4, 4},      {"Exp", -20, 20},      {"Log", 0.001, 90},   {"Sqrt", 0, 9},    {"Reciprocal", 0.1, 4},
      {"Abs", -2, 2},      {"Neg", -2, 2},        {"Floor", -5, 5},     {"Ceil", -5, 5},   {"Round", -5, 5},
      {"Sign", -2, 2},     {"ThresholdedRelu", -3, 3}, {"Mish", -9, 9}, {"Gelu", -5, 5},   {"Sin", -9, 9},
      {"Cos", -9, 9},      {"Tan", -1, 1},        {"Asin", -1, 1},      {"Acos", -1, 1},   {"Atan", -9, 9},
      {"Sinh", -4, 4},     {"Cosh", -4, 4},       {"Asinh", -9, 9},     {"Acosh", 1, 9},   {"Atanh", -0.9, 0.9},
  };
  for (const Unary& row : rows) {
    for (const Shape& shape : {Shape{}, Shape{17}, Shape{3, 1031}, Shape{0, 3}})
      check({.op = row.op, .opset = row.opset, .in = {random(shape, row.low, row.high)}});
    for (const Shape& shape : pictures)
      check({.op = row.op, .opset = row.opset, .in = {random(shape, row.low, row.high)}, .least = 2});
  }
}

TEST(CpuKernels, Clip) {
  for (const Shape& shape : pictures) {
    check({.op = "Clip", .in = {random(shape), number(-0.5f), number(0.75f)}, .least = 2});
    check({.op = "Clip", .in = {random(shape), {}, number(0.75f)}, .least = 2});
    check({.op = "Clip", .opset = 6, .in = {random(shape)}, .attrs = {attr("min", -0.25f)}, .least = 2});
  }
}

TEST(CpuKernels, BinaryRows) {
  for (const Text op : {"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "PRelu"}) {
    const bool positive = op == "Pow" || op == "Div";
    const auto made = [&](const Shape& shape) { return random(shape, positive ? 0.25 : -2, 2); };
    const auto both = [&](const Shape& x, const Shape& y, int least = 1) {
      check({.op = op, .in = {made(x), made(y)}, .least = least});
      if (op != "PRelu") check({.op = op, .in = {made(y), made(x)}, .least = least});
    };
    both({33}, {33});
    if (op != "PRelu") both({3, 1, 5}, {3, 4, 5});
    both({2, 3, 4}, {});
    both({2, 3, 700}, {700});
    both({2, 3, 7}, {3, 1});
    both({2, 5, 1}, {1});
    both({0, 5}, {5});
    for (const Shape& shape : pictures) {
      both(shape, shape, 2);
      both(shape, {shape[1], 1, 1}, 2);
      both(shape, {1, shape[1], 1, 1}, 2);
      both(shape, {shape[0], shape[1], 1, 1}, 2);
      both(shape, {1, 1, 1, 1}, 2);
      both(shape, {}, 2);
      both(shape, {shape[3]});
      check({.op = op, .in = {made(shape), fixed(made({1, shape[1], 1, 1}))}, .least = 2});
    }
  }
}

TEST(CpuKernels, Variadic) {
  for (const Text op : {"Sum", "Mean", "Max", "Min"}) {
    check({.op = op, .in = {random({2, 3, 5})}});
    check({.op = op, .in = {random({2, 3, 5}), random({3, 1}), random({5})}});
    check({.op = op, .in = {random({1, 17, 4, 4}), random({1, 17, 4, 4}), random({1, 17, 1, 1})}, .least = 2});
  }
}

TEST(CpuKernels, Chains) {
  using namespace elementwise;
  for (const Shape& shape : pictures) {
    const Shape channels{1, shape[1], 1, 1};
    check({.op = "Mul",
           .in = {random(shape), fixed(random(channels))},
           .epilogue = {{Add, 0}, {Sigmoid}, {Sub, 1, true}, {LeakyRelu, -1, false, 0.1f}, {Mul, 2}},
           .operands = {random(shape), fixed(random({shape[1], 1, 1})), random({})},
           .least = 2});
    check({.op = "Relu", .in = {random(shape)}, .epilogue = {{Exp}, {Sub, 0, true}}, .operands = {random(channels)},
           .least = 2});
  }
  check({.op = "Add", .in = {random({5, 1, 9}), random({4, 1})}, .epilogue = {{Tanh}, {Mul, 0}},
         .operands = {random({4, 9})}});
}

TEST(CpuKernels, Where) {
  const auto mask = [](const Shape& shape) { return random(shape, 0, 2, DType::boolean); };
  check({.op = "Where", .in = {mask({3, 50}), random({3, 50}), random({3, 50})}});
  check({.op = "Where", .in = {mask({1, 50}), random({}), random({3, 50})}});
  check({.op = "Where", .in = {mask({3, 1}), random({3, 50}), random({1})}});
  check({.op = "Where", .in = {mask({2, 1, 4}), random({}, -9, 9, DType::int32), random({2, 3, 4}, -9, 9, DType::int32)}});
}

TEST(CpuKernels, MatMul) {
  using namespace elementwise;
  const auto product = [](const Shape& a, const Shape& b, bool constant, double tolerance = 1e-4) {
    Input right = random(b);
    right.constant = constant;
    check({.op = "MatMul", .in = {random(a), right}, .relative = 1e-4, .absolute = tolerance});
  };
  for (const bool constant : {false, true}) {
    for (const int64_t m : {1, 2, 3, 7, 14, 15, 33})
      for (const int64_t n : {1, 2, 31, 32, 33, 97})
        for (const int64_t k : {0, 1, 5, 64}) product({m, k}, {k, n}, constant);
    product({190, 410}, {410, 805}, constant, 1e-3);
    product({2, 800}, {800, 70}, constant, 1e-3);
    product({5}, {5, 7}, constant);
    product({3, 5}, {5}, constant);
    product({5}, {5}, constant);
    product({2, 3, 4, 5}, {5, 6}, constant);
    product({2, 3, 4, 5}, {2, 3, 5, 6}, constant);
    product({2, 1, 4, 5}, {3, 5, 6}, constant);
    product({4, 5}, {2, 3, 5, 6}, constant);
    product({2, 40, 64}, {2, 64, 40}, constant);
    product({0, 5}, {5, 7}, constant);
    check({.op = "MatMul",
           .in = {random({2, 9, 33}), {random({33, 45}).tensor, constant}},
           .epilogue = {{Add, 0}, {Gelu}, {Mul, 1}, {Sub, 2, true}},
           .operands = {fixed(random({45})), random({2, 9, 45}), random({9, 1})},
           .relative = 1e-4, .absolute = 1e-3});
  }
}

TEST(CpuKernels, Gemm) {
  for (const int64_t trans_a : {0, 1})
    for (const int64_t trans_b : {0, 1})
      for (const bool constant : {false, true})
        for (const Shape& size : {Shape{1, 40, 30}, Shape{6, 1, 30}, Shape{20, 70, 30}, Shape{50, 33, 420}}) {
          const int64_t m = size[0], n = size[1], k = size[2];
          const Shape a = trans_a ? Shape{k, m} : Shape{m, k}, b = trans_b ? Shape{n, k} : Shape{k, n};
          for (const Shape& c : {Shape{n}, Shape{m, 1}, Shape{m, n}, Shape{}}) {
            Input right = random(b);
            right.constant = constant;
            check({.op = "Gemm", .in = {random(a), right, random(c)},
                   .attrs = {attr("transA", trans_a), attr("transB", trans_b), attr("alpha", 0.5f), attr("beta", 2.0f)},
                   .epilogue = {{elementwise::Relu}}, .relative = 1e-4, .absolute = 1e-4});
          }
          check({.op = "Gemm", .in = {random(a), random(b)}, .attrs = {attr("transA", trans_a), attr("transB", trans_b)},
                 .relative = 1e-4, .absolute = 1e-4});
        }
}

TEST(CpuKernels, Reductions) {
  for (const Text op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare",
                        "ReduceL1", "ReduceL2", "ReduceLogSum"}) {
    const double low = op == "ReduceLogSum" || op == "ReduceProd" ? 0.5 : -2, high = op == "ReduceProd" ? 1.5 : 2;
    const auto reduce = [&](const Shape& shape, std::initializer_list<int64_t> axes, int64_t keep, int least = 1) {
      check({.op = op, .in = {random(shape, low, high), integers(axes)}, .attrs = {attr("keepdims", keep)},
             .relative = 1e-4, .absolute = 1e-4, .least = least});
    };
    for (const int64_t keep : {0, 1}) {
      reduce({7}, {0}, keep);
      reduce({3, 700}, {-1}, keep);
      reduce({3, 70, 300}, {1}, keep);
      reduce({5, 6, 7}, {0, 1}, keep);
      reduce({2, 3, 4, 5}, {2, 3}, keep, op != "ReduceLogSum" && keep ? 2 : 1);
      reduce({2, 3, 4, 5}, {1, 2}, keep);
    }
    reduce({2, 20, 9, 11}, {2, 3}, 1);
    reduce({2, 5}, {}, 1);
    check({.op = op, .opset = 11, .in = {random({4, 9}, low, high)}, .attrs = {attr("axes", list({1}))},
           .relative = 1e-4, .absolute = 1e-4});
  }
  for (const Text op : {"GlobalAveragePool", "GlobalMaxPool"})
    for (const Shape& shape : pictures)
      if (shape[0]) check({.op = op, .in = {random(shape)}, .least = 2});
}

TEST(CpuKernels, Softmax) {
  for (const Text op : {"Softmax", "LogSoftmax"}) {
    for (const Shape& shape : {Shape{1}, Shape{5, 3}, Shape{4, 1000}, Shape{2, 3, 33}, Shape{0, 4}})
      check({.op = op, .in = {random(shape, -9, 9)}});
    check({.op = op, .in = {random({3, 40, 70}, -9, 9)}, .attrs = {attr("axis", int64_t{1})}});
    check({.op = op, .in = {random({3, 4, 2}, -9, 9)}, .attrs = {attr("axis", int64_t{0})}});
    check({.op = op, .opset = 11, .in = {random({3, 4, 5}, -9, 9)}});
  }
}

TEST(CpuKernels, Normalizations) {
  for (const Shape& shape : {Shape{1, 768}, Shape{2, 5, 33}, Shape{7, 3}, Shape{0, 8}}) {
    const Shape row{shape.back()};
    check({.op = "LayerNormalization", .in = {random(shape), random(row), random(row)}, .relative = 1e-4,
           .absolute = 1e-5});
    check({.op = "LayerNormalization", .in = {random(shape), random(row)}, .outputs = 3, .relative = 1e-4,
           .absolute = 1e-5});
  }
  check({.op = "LayerNormalization", .in = {random({4, 5, 6}), random({5, 6}), random({5, 6})},
         .attrs = {attr("axis", int64_t{1})}, .relative = 1e-4, .absolute = 1e-5});
  for (const Shape& shape : pictures) {
    const Shape c{shape[1]};
    check({.op = "InstanceNormalization", .in = {random(shape), random(c), random(c)}, .relative = 1e-3,
           .absolute = 1e-4, .least = 2});
    check({.op = "InstanceNormalization", .in = {random(shape), random(c), random(c)},
           .epilogue = {{elementwise::Exp}, {elementwise::Add, 0}}, .operands = {random(shape)}, .relative = 1e-3,
           .absolute = 1e-4, .least = 2});
    check({.op = "BatchNormalization", .in = {random(shape), random(c), random(c), random(c), random(c, 0.1, 2)},
           .epilogue = {{elementwise::Sigmoid}, {elementwise::Sub, 0, true}}, .operands = {random(shape)},
           .relative = 1e-4, .absolute = 1e-5, .least = 2});
    check({.op = "BatchNormalization", .in = {random(shape), random(c), random(c), random(c), random(c, 0.1, 2)},
           .relative = 1e-4, .absolute = 1e-5, .least = 2});
  }
  check({.op = "ImageScaler", .opset = 7, .in = {random({2, 3, 4, 5})},
         .attrs = {attr("scale", 0.5f), attr("bias", std::vector<float>{1, 2, 3})}, .least = 2});
  check({.op = "BatchNormalization", .in = {random({3, 5}), random({5}), random({5}), random({5}), random({5}, 0.1, 2)},
         .absolute = 1e-5});
}

TEST(CpuKernels, Pools) {
  struct Window {
    std::vector<int64_t> kernel, strides, pads, dilations;
    int64_t ceil = 0;
  };
  const Window windows[] = {
      {{2, 2}, {2, 2}, {0, 0, 0, 0}, {1, 1}},       {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {{3, 3}, {2, 2}, {1, 0, 1, 1}, {1, 1}, 1},    {{3, 2}, {2, 3}, {0, 1, 2, 0}, {1, 1}},
      {{2, 2}, {1, 1}, {0, 0, 0, 0}, {2, 2}},       {{1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1},
  };
  for (const Shape& shape : {Shape{1, 16, 9, 11}, Shape{2, 3, 8, 40}, Shape{1, 20, 5, 5}})
    for (const Window& w : windows) {
      Attrs attrs{{"kernel_shape", w.kernel}, {"strides", w.strides}, {"pads", w.pads}, {"ceil_mode", w.ceil}};
      if (w.dilations[0] == 1)
        for (const int64_t padded : {0, 1}) {
          Attrs average = attrs;
          average.emplace_back("count_include_pad", padded);
          check({.op = "AveragePool", .opset = 19, .in = {random(shape)}, .attrs = average, .absolute = 1e-5, .least = 2});
        }
      attrs.emplace_back("dilations", w.dilations);
      check({.op = "MaxPool", .in = {random(shape)}, .attrs = attrs, .least = 2});
    }
  check({.op = "MaxPool", .in = {random({2, 3, 30})}, .attrs = {attr("kernel_shape", list({3}))}});
}

TEST(CpuKernels, Pads) {
  for (const Text mode : {"constant", "edge", "reflect", "wrap"}) {
    const auto pad = [&](const Shape& shape, std::initializer_list<int64_t> pads, Input value, int least) {
      check({.op = "Pad", .opset = 19, .in = {random(shape), integers(pads), std::move(value)},
             .attrs = {attr("mode", std::string(mode))}, .least = least});
    };
    pad({1, 16, 5, 6}, {0, 0, 2, 1, 0, 0, 1, 3}, number(1.5f), 2);
    pad({2, 5, 5, 6}, {0, 0, 2, 1, 0, 0, 1, 3}, {}, 2);
    pad({2, 5, 5, 6}, {0, 0, 2, 1, 0, 0, 1, 3}, number(2), mode == "constant" ? 1 : 2);
    pad({2, 5, 5, 6}, {0, 0, -2, 1, 0, 0, 1, -3}, number(0), 2);
    pad({2, 5, 5, 6}, {1, 2, 0, 0, 0, 1, 1, 0}, number(0), 1);
    pad({9}, {3, 4}, number(-1), 1);
    pad({3, 1}, {0, 2, 0, 2}, number(-1), 1);
  }
  check({.op = "Pad", .opset = 18, .in = {random({2, 3, 4}), integers({1, 2, 3, 4}), {}, integers({2, 0})}});
  check({.op = "Pad", .opset = 2, .in = {random({2, 3, 4, 5})},
         .attrs = {attr("pads", list({0, 0, 1, 2, 0, 0, 3, 0})), attr("value", 0.0f)}, .least = 2});
  check({.op = "Pad", .in = {random({5, 3}, 0, 99, DType::int64), integers({1, 0, 0, 2})}});
}

TEST(CpuKernels, Moves) {
  for (const DType dtype : {DType::float32, DType::uint8, DType::float16, DType::int64}) {
    const auto made = [&](const Shape& shape) { return random(shape, 0, 99, dtype); };
    const auto transpose = [&](const Shape& shape, std::initializer_list<int64_t> perm) {
      check({.op = "Transpose", .in = {made(shape)}, .attrs = {attr("perm", list(perm))}});
    };
    transpose({7, 9}, {1, 0});
    transpose({130, 67}, {1, 0});
    transpose({2, 3, 40, 50}, {0, 2, 3, 1});
    transpose({2, 40, 50, 3}, {0, 3, 1, 2});
    transpose({2, 5, 6, 64}, {0, 2, 1, 3});
    transpose({2, 3, 4, 5}, {3, 2, 1, 0});
    transpose({2, 3, 4, 5, 6}, {4, 0, 3, 1, 2});
    transpose({0, 3}, {1, 0});
    transpose({1}, {0});
    check({.op = "Transpose", .in = {made({2, 3, 4})}});
    check({.op = "Expand", .in = {made({3, 1, 5}), integers({2, 3, 4, 5})}});
    check({.op = "Expand", .in = {made({1}), integers({6, 7})}});
    check({.op = "Tile", .in = {made({2, 3, 4}), integers({2, 1, 3})}});
    check({.op = "Concat", .in = {made({2, 3, 4}), made({2, 0, 4}), made({2, 5, 4})}, .attrs = {attr("axis", int64_t{-2})}});
    check({.op = "Split", .in = {made({2, 9, 3}), integers({2, 3, 4})}, .attrs = {attr("axis", int64_t{1})}, .outputs = 3});
    check({.op = "Slice", .in = {made({6, 7, 8}), integers({5, 1}), integers({-99, 7}), integers({0, 2}), integers({-2, 3})}});
    check({.op = "Slice", .opset = 9, .in = {made({6, 7, 8})},
           .attrs = {attr("starts", list({1, -3})), attr("ends", list({99, -1})), attr("axes", list({0, 2}))}});
  }
  for (const Text mode : {"DCR", "CRD"})
    for (const int64_t block : {2, 3, 4})
      check({.op = "DepthToSpace", .in = {random({2, 5 * block * block, 4, 37})},
             .attrs = {attr("blocksize", block), attr("mode", std::string(mode))}});
  check({.op = "SpaceToDepth", .in = {random({2, 3, 6, 8})}, .attrs = {attr("blocksize", int64_t{2})}});
}

TEST(CpuKernels, BlockedMoves) {
  check({.op = "Slice", .in = {random({2, 20, 9, 10}), integers({1, 8}), integers({7, -11}), integers({2, 3}), integers({2, -1})}});
  check({.op = "Slice", .in = {random({2, 20, 9, 10}), integers({1, 2}), integers({7, 9}), integers({2, 3})}, .least = 2});
  check({.op = "Crop", .opset = 7, .in = {random({2, 20, 9, 10})}, .attrs = {attr("border", list({1, 2, 3, 1}))}, .least = 2});
  check({.op = "Concat", .in = {random({2, 32, 3, 4}), random({2, 16, 3, 4}), random({2, 5, 3, 4})},
         .attrs = {attr("axis", int64_t{1})}, .least = 2});
  check({.op = "Concat", .in = {random({2, 5, 3, 4}), random({2, 5, 2, 4})}, .attrs = {attr("axis", int64_t{2})}, .least = 2});
  check({.op = "Split", .in = {random({2, 37, 3, 4}), integers({16, 16, 5})}, .attrs = {attr("axis", int64_t{1})},
         .outputs = 3, .least = 2});
}

TEST(CpuKernels, Resize) {
  struct Mode {
    const char *mode, *place, *nearest;
  };
  constexpr Mode modes[] = {
      {"nearest", "asymmetric", "floor"},         {"nearest", "half_pixel", "round_prefer_floor"},
      {"nearest", "half_pixel", "round_prefer_ceil"}, {"nearest", "align_corners", "ceil"},
      {"linear", "half_pixel", "floor"},          {"linear", "align_corners", "floor"},
      {"linear", "asymmetric", "floor"},          {"linear", "pytorch_half_pixel", "floor"},
      {"linear", "half_pixel_symmetric", "floor"}, {"cubic", "half_pixel", "floor"},
      {"cubic", "align_corners", "floor"},
  };
  for (const Mode& m : modes)
    for (const auto& [height, width] : {std::pair{2.0, 2.0}, {3.0, 4.0}, {1.5, 0.6}, {1.0, 0.3}}) {
      const Attrs attrs{{"mode", std::string(m.mode)}, {"coordinate_transformation_mode", std::string(m.place)},
                        {"nearest_mode", std::string(m.nearest)}};
      for (const Shape& shape : {Shape{1, 3, 5, 7}, Shape{2, 17, 6, 4}}) {
        check({.op = "Resize", .opset = 19,
               .in = {random(shape), {}, {test::floats({4}, {1, 1, height, width}), true}}, .attrs = attrs,
               .relative = 1e-4, .absolute = 1e-5, .least = 2});
        check({.op = "Resize", .opset = 19, .in = {random(shape), {}, {}, integers({shape[0], shape[1], 9, 8})},
               .attrs = attrs, .relative = 1e-4, .absolute = 1e-5, .least = 2});
      }
    }
  for (const char* mode : {"nearest", "linear"})
    for (const auto& [height, width] : {std::pair{2.0, 2.0}, {0.6, 1.7}})
      check({.op = "Resize", .opset = 10, .in = {random({1, 3, 5, 7}), {test::floats({4}, {1, 1, height, width}), true}},
             .attrs = {attr("mode", std::string(mode))}, .relative = 1e-4, .absolute = 1e-5, .least = 2});
  check({.op = "Upsample", .opset = 9, .in = {random({1, 3, 5, 7}), {test::floats({4}, {1, 1, 2, 3}), true}}, .least = 2});
}

TEST(CpuKernels, Casts) {
  const DType types[] = {DType::float32, DType::float16, DType::float64, DType::int32,
                         DType::int64,   DType::uint8,   DType::int8,    DType::boolean};
  for (const DType from : types)
    for (const DType to : types)
      for (const int64_t n : {0, 1, 8, 1003}) {
        const bool is_unsigned = to == DType::uint8 || from == DType::uint8;
        const Input x = random({n}, from == DType::boolean || is_unsigned ? 0 : -99, from == DType::boolean ? 2 : 99, from);
        check({.op = "Cast", .in = {x}, .attrs = {attr("to", static_cast<int64_t>(to))}, .least = 0});
      }
  // Every half, and floats around what a half can hold.
  Tensor halves = Tensor::make({DType::float16, {65536}});
  for (int i = 0; i < 65536; ++i) halves.as<uint16_t>()[i] = static_cast<uint16_t>(i);
  check({.op = "Cast", .in = {{halves}}, .attrs = {attr("to", int64_t{1})}, .relative = 0, .absolute = 0});
  for (const double scale : {1e-8, 1e-6, 1e-4, 1.0, 7e4})
    check({.op = "Cast", .in = {random({999}, -scale, scale)}, .attrs = {attr("to", int64_t{10})}, .relative = 0,
           .absolute = 0});
}

TEST(CpuKernels, Quantization) {
  for (const DType dtype : {DType::uint8, DType::int8}) {
    const Input zero = random({}, 0, 99, dtype), zeros = random({5}, 0, 99, dtype);
    check({.op = "QuantizeLinear", .in = {random({3, 500}, -9, 9), number(0.037f), zero}, .absolute = 0});
    check({.op = "QuantizeLinear", .in = {random({3, 5, 40}, -9, 9), random({5}, 0.01, 0.1), zeros}, .absolute = 0});
    check({.op = "QuantizeLinear", .in = {random({3, 4, 5}, -9, 9), random({5}, 0.01, 0.1), zeros},
           .attrs = {attr("axis", int64_t{-1})}, .absolute = 0});
    check({.op = "DequantizeLinear", .in = {random({3, 500}, 0, 99, dtype), number(0.037f), zero}});
    check({.op = "DequantizeLinear", .in = {random({3, 5, 4}, 0, 99, dtype), random({5}), zeros}});
  }
  check({.op = "DequantizeLinear", .in = {random({7}, -999, 999, DType::int32), number(0.5f)}});
}

TEST(CpuKernels, Recurrent) {
  for (const Text op : {"LSTM", "GRU"}) {
    const bool lstm = op == "LSTM";
    const int64_t gates = lstm ? 4 : 3;
    for (const std::string direction : {"forward", "reverse", "bidirectional"})
      for (const int64_t linear : {0, 1})
        for (const auto& [steps, batch, input, hidden] :
             {std::array<int64_t, 4>{5, 1, 7, 9}, {3, 4, 40, 33}, {1, 1, 1, 1}}) {
          const int64_t d = direction == "bidirectional" ? 2 : 1;
          const auto weights = [&](const Shape& shape) { return fixed(random(shape, -0.5, 0.5)); };
          std::vector<Input> in = {random({steps, batch, input}), weights({d, gates * hidden, input}),
                                   weights({d, gates * hidden, hidden})};
          Attrs attrs{{"direction", direction}, {"hidden_size", hidden}};
          if (!lstm) attrs.emplace_back("linear_before_reset", linear);
          const size_t outputs = lstm ? 3 : 2;
          check({.op = op, .in = in, .attrs = attrs, .outputs = outputs, .relative = 1e-4, .absolute = 1e-4});
          in.push_back(random({d, 2 * gates * hidden}));
          in.push_back({});
          in.push_back(random({d, batch, hidden}));
          if (lstm) in.push_back(random({d, batch, hidden}));
          check({.op = op, .in = in, .attrs = attrs, .outputs = outputs, .relative = 1e-4, .absolute = 1e-4});
        }
  }
}

}  // namespace
}  // namespace tessera
