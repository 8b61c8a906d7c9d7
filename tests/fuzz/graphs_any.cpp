#include <numeric>

#include "tests/fuzz/any_graph.h"

namespace tessera::test {

AnyGraph::AnyGraph(Choices choices) : choices_(choices) {
  for (int64_t n = choices_.roll(1, 2); n > 0; --n) {
    const DType dtype = choices_.pick({DType::float32, DType::float32, DType::float32, DType::float32, DType::float16,
                                       DType::float64, DType::int64, DType::int32, DType::uint8, DType::bfloat16});
    const Type made{dtype, some_shape(5)};
    inputs.push_back(
        tessera::test::random_tensor(dtype, made.shape, choices_.number(), dtype == DType::uint8 ? 0 : -2, 2));
    pool_.push_back(input(cat("x", n), made));
  }
  for (int64_t n = choices_.roll(2, 12); n > 0; --n) step();
  output(pool_.back());
  for (size_t i = inputs.size(); i + 1 < pool_.size(); ++i)
    if (below(5) == 0) output(pool_[i]);
}

Shape AnyGraph::some_shape(int most_rank) {
  Shape shape;
  for (int64_t rank = choices_.roll(0, most_rank); rank > 0; --rank) {
    const int64_t extent = choices_.pick<int64_t>({1, 1, 2, 3, 4, 5, 6, 8, 9, 16, 17, 33, 0});
    shape.push_back(shape.elements() * extent > 2000 ? 2 : extent);
  }
  return shape;
}

bool AnyGraph::make(Text op, std::vector<ValueId> in, Attrs attrs, size_t outputs, int opset) {
  const size_t values = graph.values.size();
  const auto out = nodes(op, std::move(in), outputs, std::move(attrs), opset);
  const Node& node = graph.nodes.back();
  std::vector<Type> types;
  std::vector<const Tensor*> constants;
  for (const ValueId id : node.in) {
    types.push_back(id == absent ? Type{} : type(id));
    constants.push_back(id == absent ? nullptr : graph.values[id].constant.get());
  }
  Infer problem(node, types, constants);
  bool fits = true;
  try {
    tessera::infer(problem);
  } catch (const Error&) {
    fits = false;
  } catch (const NeedsValue&) {
    fits = false;
  }
  for (size_t i = 0; fits && i < out.size(); ++i)
    fits = problem.out[i].type.dtype != DType::undefined && problem.out[i].type.shape.elements() <= 20000;
  if (!fits) {
    graph.nodes.pop_back();
    graph.values.resize(values);
    return false;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    graph.values[out[i]].type = problem.out[i].type;
    graph.values[out[i]].ranked = true;
    pool_.push_back(out[i]);
  }
  return true;
}

// What may stand beside x: another value, or a constant that broadcasts.
ValueId AnyGraph::partner(ValueId x) {
  if (below(3) == 0) {
    const ValueId other = choices_.pick(pool_);
    if (type(other).dtype == type(x).dtype) return other;
  }
  Shape shape;
  const Shape& whole = this->shape(x);
  const auto from = static_cast<size_t>(below(whole.rank() + 1));
  for (size_t i = from; i < whole.size(); ++i) shape.push_back(below(3) ? whole[i] : 1);
  return numbers(type(x).dtype, shape);
}

void AnyGraph::compute(ValueId x) {
  if (below(2)) {
    constexpr Text unary[] = {"Relu",        "Sigmoid", "Tanh", "Abs",       "Neg",      "LeakyRelu",
                              "HardSigmoid", "Erf",     "Elu",  "HardSwish", "Softplus", "Identity",
                              "Gelu",        "Mish",    "Cos",  "Softsign"};
    make(choices_.pick(unary), {x});
    return;
  }
  constexpr Text binary[] = {"Add", "Sub", "Mul", "Max", "Min", "Add", "Mul", "PRelu", "Where", "Clip", "Div", "Cast"};
  const Text op = choices_.pick(binary);
  const ValueId y = partner(x);
  if (op == "Where") {
    make(op, {constant(tessera::test::random_tensor(DType::boolean, shape(y), choices_.number(), 0, 2)), x, y});
  } else if (op == "Clip") {
    make(op,
         {x, constant(tensor(type(x).dtype, {}, {-1})), below(2) ? constant(tensor(type(x).dtype, {}, {1})) : absent});
  } else if (op == "Div") {
    make(op, {x, constant(tessera::test::random_tensor(type(x).dtype, shape(y), choices_.number(), 1, 4))});
  } else if (op == "Cast") {
    const DType to = choices_.pick({DType::float32, DType::float32, DType::float16, DType::float64});
    make(op, {x}, {{"to", static_cast<int64_t>(to)}});
  } else if (below(2) && op != "PRelu") {
    make(op, {y, x});
  } else {
    make(op, {x, y});
  }
}

void AnyGraph::move(ValueId x) {
  const Shape s = shape(x);
  const int rank = s.rank();
  switch (below(7)) {
    case 0: {
      std::vector<int64_t> perm(s.size());
      std::iota(perm.begin(), perm.end(), 0);
      for (size_t i = perm.size(); i > 1; --i)
        std::swap(perm[i - 1], perm[static_cast<size_t>(below(static_cast<int64_t>(i)))]);
      make("Transpose", {x}, {{"perm", perm}});
      return;
    }
    case 1: {  // extents taken together and apart again
      std::vector<int64_t> to;
      for (const int64_t extent : s) {
        if (!to.empty() && below(3) == 0)
          to.back() *= extent;
        else if (extent > 2 && extent % 2 == 0 && below(2))
          to.push_back(2), to.push_back(extent / 2);
        else
          to.push_back(extent);
      }
      if (!to.empty() && s.elements() && below(3) == 0)
        to[static_cast<size_t>(below(static_cast<int64_t>(to.size())))] = -1;
      make("Reshape", {x, list(to)});
      return;
    }
    case 2: make("Unsqueeze", {x, list({choices_.roll(-rank - 1, rank)})}); return;
    case 3: {
      std::vector<int64_t> ones;
      for (size_t i = 0; i < s.size(); ++i)
        if (s[i] == 1 && below(2)) ones.push_back(static_cast<int64_t>(i));
      if (!ones.empty()) make("Squeeze", {x, list(ones)});
      return;
    }
    case 4: make("Flatten", {x}, {{"axis", choices_.roll(-rank, rank)}}); return;
    case 5: {
      std::vector<int64_t> to(s.begin(), s.end());
      for (int64_t& extent : to)
        if (extent == 1 && below(2)) extent = 3;
      if (below(3) == 0) to.insert(to.begin(), 2);
      make("Expand", {x, list(to)});
      return;
    }
    default:
      if (rank == 4)
        make(below(2) ? "DepthToSpace" : "SpaceToDepth", {x},
             {{"blocksize", int64_t{2}}, {"mode", std::string(below(2) ? "CRD" : "DCR")}});
  }
}

void AnyGraph::cut(ValueId x) {
  const Shape s = shape(x);
  if (s.empty()) return;
  const size_t axis = axis_of(x);
  const int64_t extent = s[axis], at = static_cast<int64_t>(axis);
  switch (below(4)) {
    case 0: {
      const int64_t step = choices_.pick<int64_t>({1, 1, 1, 2, -1, -2, 3});
      make("Slice", {x, list({choices_.roll(-extent - 1, extent)}), list({choices_.roll(-extent - 2, extent + 1)}),
                     list({at}), list({step})});
      return;
    }
    case 1: {
      if (extent < 2) return;
      const int64_t first = choices_.roll(0, extent);
      make("Split", {x, list({first, extent - first})}, {{"axis", at}}, 2);
      return;
    }
    case 2: {
      if (!extent) return;
      std::vector<int64_t> indices;
      for (int64_t n = choices_.roll(1, 4); n > 0; --n) indices.push_back(choices_.roll(-extent, extent - 1));
      make("Gather", {x, below(4) ? list(indices) : constant(Tensor::scalar(indices[0]))}, {{"axis", at}});
      return;
    }
    default: {
      std::vector<int64_t> pads;
      for (size_t i = 0; i < 2 * s.size(); ++i) pads.push_back(below(3) ? 0 : choices_.roll(-1, 3));
      const std::string mode = choices_.pick({"constant", "edge", "reflect", "wrap"});
      std::vector<ValueId> in{x, list(pads)};
      if (mode == "constant" && below(2)) in.push_back(constant(tensor(type(x).dtype, {}, {1})));
      make("Pad", in, {{"mode", mode}});
    }
  }
}

void AnyGraph::join(ValueId x) {
  if (shape(x).empty()) return;
  const size_t axis = axis_of(x);
  if (below(3) == 0) {
    std::vector<int64_t> repeats(shape(x).size(), 1);
    repeats[axis] = choices_.roll(0, 3);
    make("Tile", {x, list(repeats)});
    return;
  }
  std::vector<ValueId> in{x};
  for (int64_t n = choices_.roll(0, 3); n > 0; --n) {
    const ValueId other = below(2) ? choices_.pick(pool_) : x;
    Shape like = shape(other);
    if (type(other).dtype != type(x).dtype || like.size() != shape(x).size()) continue;
    like[axis] = shape(x)[axis];
    if (like == shape(x)) in.push_back(other);
  }
  if (below(4) == 0) in.push_back(numbers(type(x).dtype, shape(x)));
  make("Concat", in, {{"axis", static_cast<int64_t>(axis)}});
}

void AnyGraph::reduce(ValueId x) {
  const Shape s = shape(x);
  if (s.empty()) return;
  const auto axis = static_cast<int64_t>(axis_of(x));
  switch (below(6)) {
    case 0: make("Softmax", {x}, {{"axis", axis}}); return;
    case 1:
      make("CumSum", {x, constant(Tensor::scalar(axis))}, {{"reverse", below(2)}, {"exclusive", below(2)}});
      return;
    case 2: {
      Shape row;
      for (size_t i = static_cast<size_t>(axis); i < s.size(); ++i) row.push_back(s[i]);
      make("LayerNormalization", {x, numbers(type(x).dtype, row), below(2) ? numbers(type(x).dtype, row) : absent},
           {{"axis", axis}});
      return;
    }
    case 3:
      if (s.size() > 2)
        make("InstanceNormalization", {x, numbers(type(x).dtype, {s[1]}), numbers(type(x).dtype, {s[1]})});
      return;
    default: {
      constexpr Text ops[] = {"ReduceSum", "ReduceMean", "ReduceMax",      "ReduceMin",
                              "ReduceL1",  "ReduceL2",   "ReduceSumSquare"};
      std::vector<int64_t> axes;
      for (size_t i = 0; i < s.size(); ++i)
        if (below(2)) axes.push_back(below(2) ? static_cast<int64_t>(i) : static_cast<int64_t>(i) - s.rank());
      std::vector<ValueId> in{x};
      if (!axes.empty()) in.push_back(list(axes));
      make(choices_.pick(ops), in, {{"keepdims", below(2)}});
    }
  }
}

void AnyGraph::multiply(ValueId x) {
  const Shape s = shape(x);
  if (s.empty()) return;
  const int64_t columns = choices_.pick<int64_t>({1, 3, 8, 16, 20});
  switch (below(4)) {
    case 0: make("MatMul", {x, choices_.pick(pool_)}); return;
    case 1: make("MatMul", {numbers(type(x).dtype, {columns, s.size() > 1 ? s[s.size() - 2] : s[0]}), x}); return;
    case 2: {
      const bool turned = below(2);
      if (s.size() == 2)
        make("Gemm",
             {x, numbers(type(x).dtype, turned ? Shape{columns, s[1]} : Shape{s[1], columns}),
              numbers(type(x).dtype, {columns})},
             {{"transB", int64_t{turned}}, {"alpha", 0.5f}});
      return;
    }
    default: make("MatMul", {x, numbers(type(x).dtype, {s.back(), columns})});
  }
}

void AnyGraph::slide(ValueId x) {
  const Shape s = shape(x);
  if (s.size() < 3) return;
  const size_t spatial = s.size() - 2;
  const std::vector<int64_t> kernel(spatial, choices_.roll(1, 3)), strides(spatial, choices_.roll(1, 2));
  std::vector<int64_t> pads;
  for (size_t i = 0; i < 2 * spatial; ++i) pads.push_back(below(kernel[0]));
  Attrs attrs{{"kernel_shape", kernel}, {"strides", strides}, {"pads", pads}};
  switch (below(5)) {
    case 0:
    case 1: {
      const int64_t group = s[1] && below(4) == 0 ? s[1] : 1,
                    out = group > 1 ? group : choices_.pick<int64_t>({1, 4, 16, 17});
      Shape weights{out, s[1] / group};
      for (const int64_t k : kernel) weights.push_back(k);
      attrs.emplace_back("group", group);
      std::vector<ValueId> in{x, numbers(type(x).dtype, weights)};
      if (below(2)) in.push_back(numbers(type(x).dtype, {out}));
      make("Conv", in, attrs);
      return;
    }
    case 2: make("MaxPool", {x}, attrs); return;
    case 3:
      attrs.emplace_back("count_include_pad", below(2));
      make("AveragePool", {x}, attrs);
      return;
    default: make("GlobalAveragePool", {x});
  }
}

void AnyGraph::step() {
  const ValueId x = any();
  switch (below(10)) {
    case 0:
    case 1:
    case 2: return move(x);
    case 3:
    case 4: return cut(x);
    case 5: return join(x);
    case 6: return reduce(x);
    case 7: return below(2) ? multiply(x) : slide(x);
    default: return compute(x);
  }
}

}  // namespace tessera::test
