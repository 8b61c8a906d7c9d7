// Products of dequantized numbers become products of the integers: Conv, Gemm and MatMul over
// DequantizeLinear of an input and of constant weights become QuantizedConv and QuantizedGemm, and so
// do QLinearConv, QLinearMatMul and QGemm, so that all of them meet in the same kernels. Runs before constants
// are folded, while weights are still integers. What no kernel takes is written out again
// (expand_quantized).

#include <algorithm>
#include <cmath>

#include "optimizer/quantized.h"

namespace tessera::optimizer {
namespace {

Tensor int8_zero(DType type) { return Tensor::make({type, {}}); }

// Weights [out, ...] of a product, with one scale in all or one per output.
struct Weights {
  const Tensor* values = nullptr;
  ValueId in[3];
};

bool read_weights(Edit& edit, ValueId id, int64_t axis, Weights* weights) {
  const Node* node = edit.maker(id);
  if (!is(node, "DequantizeLinear") || AttrReader(*node).integer("block_size")) return false;
  const Tensor *w = edit.constant(node->in[0]), *scale = edit.constant(node->in[1]);
  if (!w || !scale || !is_byte(w->type.dtype) || scale->type.dtype != DType::float32) return false;
  const bool has_zero = node->in.size() > 2 && node->in[2] != absent;
  if (has_zero && !edit.constant(node->in[2])) return false;
  if (scale->type.shape.elements() != 1) {
    const int rank = w->type.shape.rank();
    const int64_t along = AttrReader(*node).integer("axis");
    if (scale->type.shape.rank() != 1 || (along < 0 ? along + rank : along) != axis) return false;
  }
  *weights = {w, {node->in[0], node->in[1], has_zero ? node->in[2] : absent}};
  if (!has_zero) weights->in[2] = edit.add_constant("zero point", int8_zero(w->type.dtype));
  return true;
}

// One number per column of the result, and not one per row where there are as many.
bool is_per_output(const Tensor& bias, int64_t count) {
  const Shape& shape = bias.type.shape;
  return shape.elements() == count && (shape.empty() || shape.back() == count);
}

// The constant that a bias is: int32 in units of both scales if it is that already, else as floats.
bool read_bias(Edit& edit, ValueId id, int64_t count, const Tensor& x_scale, const Tensor& w_scale, ValueId* bias) {
  *bias = absent;
  if (id == absent) return true;
  const Node* node = edit.maker(id);
  const Tensor* real = edit.constant(id);
  if (real) {
    if (real->type.dtype != DType::float32 || !is_per_output(*real, count)) return false;
    *bias = id;
    return true;
  }
  if (!is(node, "DequantizeLinear") || AttrReader(*node).integer("block_size")) return false;
  const Tensor *values = edit.constant(node->in[0]), *scale = edit.constant(node->in[1]);
  const bool has_zero = node->in.size() > 2 && node->in[2] != absent;
  const Tensor* zero = has_zero ? edit.constant(node->in[2]) : nullptr;
  if (!values || !scale || (has_zero && !zero) || !is_per_output(*values, count)) return false;
  for (const Tensor* parameter : {scale, zero})
    if (parameter && parameter->type.shape.elements() != 1 && parameter->type.shape.elements() != count) return false;
  const auto at = [](const Tensor& t, int64_t i) {
    return element_as_double(t.view(), t.type.shape.elements() == 1 ? 0 : i);
  };
  bool matches = values->type.dtype == DType::int32;
  for (int64_t i = 0; i < count; ++i) {
    const double unit = at(x_scale, 0) * at(w_scale, i);
    matches &= std::abs(at(*scale, i) - unit) <= 1e-6 * unit && (!zero || at(*zero, i) == 0);
  }
  if (matches) {
    *bias = node->in[0];
    return true;
  }
  Tensor floats = Tensor::make({DType::float32, {count}});
  for (int64_t i = 0; i < count; ++i)
    floats.as<float>()[i] = static_cast<float>((at(*values, i) - (zero ? at(*zero, i) : 0)) * at(*scale, i));
  *bias = edit.add_constant("bias", std::move(floats));
  return true;
}

// [k, n] as [n, k].
ValueId transposed(Edit& edit, const Tensor& w) {
  const int64_t rows = w.type.shape[0], columns = w.type.shape[1];
  Tensor turned = Tensor::make({w.type.dtype, {columns, rows}});
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) turned.bytes.get()[c * rows + r] = w.bytes.get()[r * columns + c];
  return edit.add_constant("weights", std::move(turned));
}

void become(Node& node, Text op, std::vector<ValueId> in) {
  node.op = find_op("tessera", op, 1);
  node.opset = 1;
  node.in = std::move(in);
  if (op == "QuantizedGemm") node.attrs = nullptr;
}

bool is_plain_gemm(const Node& node) {
  const AttrReader attrs(node);
  const auto real = [&](Text name) { return !attrs.has(name) || attrs.real(name) == 1.0f; };
  return !(attrs.has("transA") && attrs.integer("transA")) && real("alpha") && real("beta");
}

bool find_product(Edit& edit, Node& node) {
  const bool conv = is(&node, "Conv"), gemm = is(&node, "Gemm"), matmul = is(&node, "MatMul");
  if (!conv && !gemm && !matmul) return false;
  if (gemm && !is_plain_gemm(node)) return false;
  const bool turn = matmul || (gemm && !AttrReader(node).integer("transB"));
  PerTensor x;
  Weights w;
  if (!read_dequantize(edit, edit.maker(node.in[0]), &x)) return false;
  if (!read_weights(edit, node.in[1], turn ? 1 : 0, &w)) return false;
  const int rank = w.values->type.shape.rank();
  if (conv ? rank != 4 : rank != 2) return false;
  const int64_t count = w.values->type.shape[turn ? 1 : 0];
  ValueId bias;
  const Tensor &x_scale = *edit.constant(x.scale_id), &w_scale = *edit.constant(w.in[1]);
  if (w_scale.type.shape.elements() != 1 && w_scale.type.shape.elements() != count) return false;
  if (!read_bias(edit, node.in.size() > 2 ? node.in[2] : absent, count, x_scale, w_scale, &bias)) return false;
  if (x.zero_id == absent) x.zero_id = edit.add_constant("zero point", int8_zero(x.type));
  const ValueId weights = turn ? transposed(edit, *w.values) : w.in[0];
  become(node, conv ? "QuantizedConv" : "QuantizedGemm",
         {x.values, x.scale_id, x.zero_id, weights, w.in[1], w.in[2], absent, absent, bias});
  return true;
}

// Whether a node is a QGemm without factors, whose result is quantized and whose C is one number for each column.
bool is_plain_quantized_gemm(const Edit& edit, const Node& node, int64_t columns) {
  const AttrReader attrs(node);
  if (attrs.integer("transA") || attrs.real("alpha") != 1) return false;
  if (node.in[6] == absent) return true;
  const Tensor* c = edit.constant(node.in[6]);
  return c && c->type.dtype == DType::int32 && c->type.shape == Shape{columns};
}

// QLinearConv's inputs are QuantizedConv's. QLinearMatMul's are QuantizedGemm's but for the order of its
// constant second matrix, QGemm's but for the place of C.
bool find_operator(Edit& edit, Node& node) {
  if (is(&node, "QLinearConv")) {
    std::vector<ValueId> in = node.in;
    in.resize(9, absent);
    become(node, "QuantizedConv", in);
    return true;
  }
  const bool gemm = node.op->name == "QGemm" && node.op->domain == "com.microsoft";
  if ((!gemm && !is(&node, "QLinearMatMul")) || (gemm && node.in.size() != 9)) return false;
  if (std::any_of(node.in.begin(), node.in.begin() + 6, [](ValueId id) { return id == absent; })) return false;
  const Tensor* w = edit.constant(node.in[3]);
  if (!w || !is_byte(w->type.dtype) || w->type.shape.rank() != 2) return false;
  const bool turned = gemm && AttrReader(node).integer("transB") != 0;
  const int64_t count = w->type.shape[turned ? 0 : 1];
  if (gemm && !is_plain_quantized_gemm(edit, node, count)) return false;
  std::vector<ValueId> in = node.in;
  in.resize(9, absent);
  if (gemm) std::rotate(in.begin() + 6, in.begin() + 7, in.end());
  for (const size_t i : {1, 2, 4, 5, 6, 7}) {
    const Tensor* parameter = in[i] == absent ? nullptr : edit.constant(in[i]);
    if (!parameter) return false;
    const int64_t elements = parameter->type.shape.elements();
    const bool per_column = (i == 4 || i == 5) && elements == count && parameter->type.shape.rank() == 1;
    if (elements != 1 && !per_column) return false;
    if (i % 3 == 1 && i < 6 && parameter->type.dtype != DType::float32) return false;
    if ((i == 2 || i == 7) && !is_byte(parameter->type.dtype)) return false;
  }
  if (edit.constant(in[6])->type.dtype != DType::float32) return false;
  if (!turned) in[3] = transposed(edit, *w);
  become(node, "QuantizedGemm", in);
  return true;
}

struct Elementwise {
  Text quantized, op;
  size_t operands;
  int opset;
};
constexpr Elementwise quantized_elementwise[] = {{"QLinearAdd", "Add", 2, 14},
                                                 {"QLinearMul", "Mul", 2, 14},
                                                 {"QLinearLeakyRelu", "LeakyRelu", 1, 16},
                                                 {"QLinearSigmoid", "Sigmoid", 1, 13}};

// com.microsoft's QLinear operators on single elements, as DequantizeLinear, the operator, QuantizeLinear:
// what other models are written in, and what joins the products around it. Where shapes are known, it has been
// decided (keep_quantized) which of them stay what they are.
bool write_out(Edit& edit, const Node& node, const Fits& fits, std::vector<Node>& nodes) {
  if (node.op->domain != "com.microsoft" || !node.epilogue.empty()) return false;
  const auto* entry = std::find_if(std::begin(quantized_elementwise), std::end(quantized_elementwise),
                                   [&](const Elementwise& e) { return e.quantized == node.op->name; });
  if (entry == std::end(quantized_elementwise) || node.in.size() != entry->operands * 3 + 2) return false;
  for (size_t i = 0; i < node.in.size(); ++i) {
    if (node.in[i] == absent) return false;
    // The operators that it becomes take more types than it does.
    const size_t of_pair = i < entry->operands * 3 ? i % 3 : i - entry->operands * 3 + 1;
    const DType type = edit.value(node.in[i]).type.dtype;
    if (of_pair == 1 && type != DType::float32) return false;
    if (of_pair == 2 && !is_byte(type)) return false;
  }
  if (fits(edit.graph(), node)) return false;
  const auto step = [&](Text op, int opset, std::vector<ValueId> in, ValueId out) {
    Node made;
    made.op = find_op("", op, opset);
    made.opset = opset;
    made.name = node.name;
    made.in = std::move(in);
    made.out = {out};
    nodes.push_back(made);
  };
  const auto between = [&] {
    Value value;
    value.name = node.name;
    return edit.graph().add_value(std::move(value));
  };
  std::vector<ValueId> operands;
  for (size_t i = 0; i < entry->operands; ++i) {
    operands.push_back(between());
    step("DequantizeLinear", 13, {node.in[i * 3], node.in[i * 3 + 1], node.in[i * 3 + 2]}, operands.back());
  }
  const ValueId result = between();
  step(entry->op, entry->opset, operands, result);
  nodes.back().attrs = node.attrs;
  const size_t scale = entry->operands * 3;
  step("QuantizeLinear", 13, {result, node.in[scale], node.in[scale + 1]}, node.out[0]);
  return true;
}

}  // namespace

bool is_byte(DType type) { return type == DType::int8 || type == DType::uint8; }

// Scale and zero point behind input 0, one each.
bool read_per_tensor(Edit& edit, const Node& node, PerTensor* result) {
  if (node.in.size() < 2 || AttrReader(node).integer("block_size")) return false;
  const Tensor* scale = edit.constant(node.in[1]);
  if (!scale || scale->type.dtype != DType::float32 || scale->type.shape.elements() != 1) return false;
  result->values = node.in[0];
  result->scale_id = node.in[1];
  result->scale = *scale->as<const float>();
  if (node.in.size() > 2 && node.in[2] != absent) {
    const Tensor* zero = edit.constant(node.in[2]);
    if (!zero || zero->type.shape.elements() != 1 || !is_byte(zero->type.dtype)) return false;
    result->zero_id = node.in[2];
    result->type = zero->type.dtype;
    result->zero = static_cast<float>(element_as_double(zero->view(), 0));
  }
  return true;
}

bool read_dequantize(Edit& edit, const Node* node, PerTensor* result) {
  if (!is(node, "DequantizeLinear") || !read_per_tensor(edit, *node, result)) return false;
  if (AttrReader(*node).integer("output_dtype") > 1) return false;
  if (result->zero_id == absent) result->type = edit.value(node->in[0]).type.dtype;
  return is_byte(result->type) && result->scale > 0;
}

bool read_quantize(Edit& edit, const Node* node, PerTensor* result) {
  if (!is(node, "QuantizeLinear") || !read_per_tensor(edit, *node, result)) return false;
  if (result->zero_id == absent) {
    const int64_t named = AttrReader(*node).integer("output_dtype");
    result->type = named ? static_cast<DType>(named) : DType::uint8;
  }
  return is_byte(result->type) && result->scale > 0;
}

bool find_quantized(Graph& graph, const Fits& fits) {
  Edit edit(graph);
  bool changed = false;
  std::vector<Node> nodes;
  for (const Node& node : graph.nodes) {
    const bool written = write_out(edit, node, fits, nodes);
    changed |= written;
    if (!written) nodes.push_back(node);
  }
  graph.nodes = std::move(nodes);
  edit.refresh();
  for (Node& node : graph.nodes) {
    if (!node.op || !node.epilogue.empty()) continue;
    changed |= find_product(edit, node) || find_operator(edit, node);
  }
  if (changed) edit.finish();
  return changed;
}

}  // namespace tessera::optimizer
