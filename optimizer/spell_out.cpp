// Operators that no kernel takes, in terms of those that kernels take: curves with a bias, sums that are normalized,
// convolutions and pools of three axes; attention and Einsum in files of their own.
#include <algorithm>
#include <numeric>

#include "optimizer/rewrites.h"
#include "optimizer/spelling.h"

namespace tessera::optimizer {

std::vector<ValueId> Spelling::ops(Text name, int opset, std::vector<ValueId> in, size_t outputs, Attrs attrs,
                                   Text domain) {
  Node made;
  made.op = find_op(domain, name, opset);
  made.name = node_.name;
  made.opset = opset;
  made.in = std::move(in);
  made.attrs = std::make_shared<const Attrs>(std::move(attrs));
  made.out.assign(outputs, 0);
  std::vector<Type> types;
  std::vector<const Tensor*> constants;
  for (const ValueId id : made.in) {
    types.push_back(id == absent ? Type{} : type(id));
    constants.push_back(id == absent ? nullptr : value(id));
  }
  Infer inferred(made, types, constants);
  infer(inferred);
  for (size_t i = 0; i < outputs; ++i) {
    Value out;
    out.name = cat(node_.name, ":", name, nodes_.size(), ":", i);
    out.type = inferred.out[i].type;
    out.ranked = true;
    made.out[i] = graph_.add_value(std::move(out));
  }
  nodes_.push_back(std::move(made));
  return nodes_.back().out;
}

ValueId Spelling::op(Text name, int opset, std::vector<ValueId> in, Attrs attrs, Text domain) {
  return ops(name, opset, std::move(in), 1, std::move(attrs), domain)[0];
}

ValueId Spelling::constant(Tensor tensor) {
  Value made;
  made.name = cat(node_.name, ":constant");
  made.type = tensor.type;
  made.ranked = true;
  made.constant = std::make_shared<const Tensor>(std::move(tensor));
  return graph_.add_value(std::move(made));
}

ValueId Spelling::counted(const Shape& shape) {
  Tensor tensor = Tensor::make({DType::int64, shape});
  std::iota(tensor.as<int64_t>(), tensor.as<int64_t>() + shape.elements(), int64_t{0});
  return constant(std::move(tensor));
}

ValueId Spelling::cast(ValueId id, DType to) { return op("Cast", 13, {id}, {{"to", static_cast<int64_t>(to)}}); }

ValueId Spelling::reshape(ValueId id, const Shape& to) {
  if (shape(id) == to) return id;
  if (const Tensor* known = value(id)) {
    Tensor same = *known;
    same.type.shape = to;
    return constant(std::move(same));
  }
  return op("Reshape", 14, {id, integers({to.begin(), to.end()})}, {{"allowzero", int64_t{1}}});
}

ValueId Spelling::transpose(ValueId id, std::vector<int64_t> perm) {
  return op("Transpose", 13, {id}, {{"perm", std::move(perm)}});
}

ValueId Spelling::slice(ValueId id, int64_t axis, int64_t begin, int64_t end, int64_t step) {
  return op("Slice", 13, {id, integers({begin}), integers({end}), integers({axis}), integers({step})});
}

void Spelling::becomes(size_t output, ValueId id) {
  const ValueId out = node_.out[output];
  bool made = false;
  for (Node& node : nodes_)
    for (ValueId& own : node.out)
      if (own == id) own = out, made = true;
  if (!made) {
    op("Identity", 14, {id});
    nodes_.back().out[0] = out;
    return;
  }
  for (Node& node : nodes_)
    for (ValueId& own : node.in)
      if (own == id) own = out;
}

namespace {

bool spell_gelu(Spelling& s) {
  const AttrReader attrs(s.node());
  const Text name = s.node().op->name;
  const ValueId x = s.has(1) ? s.op("Add", 14, {s.in(0), s.in(1)}) : s.in(0);
  if (name == "QuickGelu")
    s.becomes(0, s.op("Swish", 24, {x}, {{"alpha", attrs.real("alpha")}}));
  else
    s.becomes(0, s.op("Gelu", 20, {x}, {{"approximate", std::string(name == "FastGelu" ? "tanh" : "none")}}));
  return true;
}

// The sum is a result of its own; so are statistics.
bool spell_skip_normalization(Spelling& s) {
  const bool centred = s.node().op->name == "SkipLayerNormalization";
  const Attrs attrs{{"axis", int64_t{-1}}, {"epsilon", AttrReader(s.node()).real("epsilon")}};
  ValueId sum = s.op("Add", 14, {s.in(0), s.in(1)});
  if (const size_t bias = centred ? 4 : 3; s.has(bias)) sum = s.op("Add", 14, {sum, s.in(bias)});
  const bool asked = s.wants(1) || s.wants(2);
  if (centred) {
    std::vector<ValueId> in{sum, s.in(2)};
    if (s.has(3)) in.push_back(s.in(3));
    const std::vector<ValueId> made = s.ops("LayerNormalization", 17, in, asked ? 3 : 1, attrs);
    s.becomes(0, made[0]);
    for (const size_t i : {1, 2})
      if (s.wants(i)) s.becomes(i, made[i]);
  } else if (asked) {
    // Its mean is not taken: it is told as zero.
    const std::vector<ValueId> made = s.ops("SimplifiedLayerNormalization", 17, {sum, s.in(2)}, 2, attrs);
    s.becomes(0, made[0]);
    if (s.wants(1)) {
      Tensor zeros = Tensor::make(s.type(s.node().out[1]));
      std::fill_n(zeros.as<float>(), zeros.type.shape.elements(), 0.0f);
      s.becomes(1, s.constant(std::move(zeros)));
    }
    if (s.wants(2)) s.becomes(2, made[1]);
  } else {
    s.becomes(0, s.op("RMSNormalization", 23, {sum, s.in(2)}, attrs));
  }
  if (s.wants(3)) s.becomes(3, sum);
  return true;
}

// A picture for each place along the first axis, whose channels are those of all pictures that the kernel sees there:
// a convolution of two axes, whose weights are the same numbers in the same order.
bool spell_deep_convolution(Spelling& s) {
  const Shape x = s.shape(s.in(0)), w = s.shape(s.in(1));
  const AttrReader attrs(s.node());
  const Text automatic = attrs.text("auto_pad");
  if (x.size() != 5 || x.elements() == 0 || w.elements() == 0 || !s.value(s.in(1))) return false;
  if (!automatic.empty() && automatic != "NOTSET") return false;
  const auto listed = [&](Text name, size_t count, int64_t otherwise) {
    const List<int64_t> given = attrs.integers(name);
    return given.empty() ? std::vector<int64_t>(count, otherwise) : std::vector<int64_t>(given.begin(), given.end());
  };
  const std::vector<int64_t> pads = listed("pads", 6, 0), strides = listed("strides", 3, 1),
                             dilations = listed("dilations", 3, 1);
  const Shape out = s.type(s.node().out[0]).shape;
  const int64_t taps = w[2], depth = out[2];
  ValueId padded = s.in(0);
  if (pads[0] || pads[3]) padded = s.op("Pad", 18, {padded, s.integers({0, 0, pads[0], 0, 0, 0, 0, pads[3], 0, 0})});
  std::vector<ValueId> seen;
  for (int64_t t = 0; t < taps; ++t) {
    const int64_t first = t * dilations[0];
    const ValueId slice = s.slice(padded, 2, first, first + (depth - 1) * strides[0] + 1, strides[0]);
    seen.push_back(s.reshape(slice, {x[0], x[1], 1, depth, x[3], x[4]}));
  }
  ValueId all = taps == 1 ? seen[0] : s.op("Concat", 13, seen, {{"axis", int64_t{2}}});
  all = s.reshape(s.transpose(all, {0, 3, 1, 2, 4, 5}), {x[0] * depth, x[1] * taps, x[3], x[4]});
  std::vector<ValueId> in{all, s.reshape(s.in(1), {w[0], w[1] * taps, w[3], w[4]})};
  if (s.has(2)) in.push_back(s.in(2));
  const ValueId flat = s.op("Conv", 11, in,
                            {{"pads", std::vector<int64_t>{pads[1], pads[2], pads[4], pads[5]}},
                             {"strides", std::vector<int64_t>{strides[1], strides[2]}},
                             {"dilations", std::vector<int64_t>{dilations[1], dilations[2]}},
                             {"group", attrs.integer("group")}});
  s.becomes(0, s.transpose(s.reshape(flat, {x[0], depth, out[1], out[3], out[4]}), {0, 2, 1, 3, 4}));
  return true;
}

// A pool of three axes as one of the last two, over all places along the first, and one along the first of what that
// gave. Means of means are means: padding counts, or does not, by axis.
bool spell_deep_pool(Spelling& s) {
  const Shape x = s.shape(s.in(0)), out = s.type(s.node().out[0]).shape;
  if (x.size() != 5 || x.elements() == 0 || out.elements() == 0 || s.wants(1)) return false;
  const Text name = s.node().op->name;
  const auto parts = [&](size_t first, size_t count, bool alone) {  // of every attribute that lists axes
    Attrs attrs = s.node().attrs ? *s.node().attrs : Attrs{};
    for (auto& [key, attr] : attrs) {
      auto* list = std::get_if<std::vector<int64_t>>(&attr);
      if (!list || list->empty()) continue;
      std::vector<int64_t> part;
      for (size_t half = 0; half < list->size(); half += 3) {
        part.insert(part.end(), list->begin() + static_cast<long>(half + first),
                    list->begin() + static_cast<long>(half + first + count));
        if (alone) part.push_back(key == "pads" ? 0 : 1);
      }
      *list = std::move(part);
    }
    return attrs;
  };
  const int opset = s.node().opset;
  const ValueId planes = s.reshape(s.in(0), {x[0], x[1] * x[2], x[3], x[4]});
  ValueId y = s.op(name, opset, {planes}, parts(1, 2, false));
  y = s.reshape(y, {x[0], x[1], x[2], out[3] * out[4]});
  y = s.op(name, opset, {y}, parts(0, 1, true));
  s.becomes(0, s.reshape(y, out));
  return true;
}

struct Row {
  Text domain, op;
  bool (*spell)(Spelling&);
  DType out = DType::float32;  // of the first output; undefined: any
};
constexpr Row rows[] = {
    {"com.microsoft", "Gelu", spell_gelu},
    {"com.microsoft", "FastGelu", spell_gelu},
    {"com.microsoft", "BiasGelu", spell_gelu},
    {"com.microsoft", "QuickGelu", spell_gelu},
    {"com.microsoft", "SkipLayerNormalization", spell_skip_normalization},
    {"com.microsoft", "SkipSimplifiedLayerNormalization", spell_skip_normalization},
    {"", "Conv", spell_deep_convolution},
    {"", "AveragePool", spell_deep_pool},
    {"", "MaxPool", spell_deep_pool},
    {"", "Attention", spell_attention},
    {"com.microsoft", "MultiHeadAttention", spell_multi_head_attention},
    {"com.microsoft", "GroupQueryAttention", spell_group_query_attention},
    {"", "Einsum", spell_einsum},
    {"", "MatMulInteger", spell_integer_product, DType::int32},
    {"", "ConvInteger", spell_integer_convolution, DType::int32},
    {"", "Clip", spell_clip},
    {"", "Dropout", spell_dropout},
    {"com.microsoft", "EmbedLayerNormalization", spell_embeddings},
    {"com.microsoft", "FusedConv", spell_fused_convolution},
    {"com.microsoft", "FusedGemm", spell_fused_product},
    {"", "GlobalLpPool", spell_global_norm},
    {"com.microsoft", "GroupNorm", spell_group_norm},
    {"", "Hardmax", spell_hardmax},
    {"", "ImageScaler", spell_image_scaler},
    {"", "ReduceLogSumExp", spell_log_sum},
    {"", "Mean", spell_mean},
    {"", "MeanVarianceNormalization", spell_mean_variance},
    {"", "LRN", spell_neighbour_norm},
    {"", "ParametricSoftplus", spell_parametric_softplus},
    {"", "RotaryEmbedding", spell_rotation},
    {"com.microsoft", "RotaryEmbedding", spell_rotation},
    {"", "LayerNormalization", spell_row_norm},
    {"", "SimplifiedLayerNormalization", spell_row_norm},
    {"", "ScaledTanh", spell_scaled_tanh},
    {"", "Split", spell_split, DType::undefined},
    {"", "SwiGLU", spell_swiglu},
    {"", "Trilu", spell_triangle, DType::undefined},
    {"com.microsoft", "Trilu", spell_triangle, DType::undefined},
    {"", "DynamicQuantizeLinear", spell_dynamic_quantization, DType::undefined},
    {"com.microsoft", "DynamicQuantizeMatMul", spell_dynamic_product},
    {"com.microsoft", "MatMulIntegerToFloat", spell_product_to_floats},
    {"", "QLinearMatMul", spell_quantized_product, DType::undefined},
    {"com.microsoft", "QLinearAveragePool", spell_quantized_pool, DType::undefined},
    {"com.microsoft", "QLinearGlobalAveragePool", spell_quantized_pool, DType::undefined},
    {"com.microsoft", "QLinearSoftmax", spell_quantized_softmax, DType::undefined},
    {"com.microsoft", "QLinearConcat", spell_quantized_concat, DType::undefined},
    {"com.microsoft", "QGemm", spell_quantized_gemm, DType::undefined},
    {"com.microsoft", "GatherBlockQuantized", spell_quantized_rows},
    {"", "DFT", spell_fourier_transform},
    {"", "STFT", spell_short_transforms},
};

// After all that looks for these.
constexpr Row last_rows[] = {
    {"", "DequantizeLinear", spell_dequantize},
    {"com.microsoft", "DequantizeLinear", spell_dequantize},
    {"", "QuantizeLinear", spell_quantize, DType::undefined},
    {"com.microsoft", "QuantizeLinear", spell_quantize, DType::undefined},
};

const Row* row_of(List<Row> among, const Graph& graph, const Node& node) {
  if (!node.op || !node.epilogue.empty()) return nullptr;
  const auto found = std::find_if(among.begin(), among.end(), [&](const Row& row) {
    return node.op->name == row.op && node.op->domain == row.domain;
  });
  if (found == among.end()) return nullptr;
  const bool typed = found->out == DType::undefined || graph.values[node.out[0]].type.dtype == found->out;
  return typed ? &*found : nullptr;
}

// The node in other words; empty: it has none, or those that there are do not take its shapes. The node itself does, or
// inference would have refused it: no model is refused for the sake of a rewrite.
std::vector<Node> spelled(const Row& row, Graph& graph, const Node& node, const Fits& fits) {
  const size_t values = graph.values.size();
  try {
    Spelling spelling(graph, node, fits);
    if (row.spell(spelling)) return spelling.take();
  } catch (const Error& error) {
    if (error.is_stop() || error.kind() == Error::Kind::memory) throw;
  }
  graph.values.resize(values);
  return {};
}

bool spell(List<Row> among, Graph& graph, const Fits& fits) {
  bool changed = false;
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    const Row* row = row_of(among, graph, node);
    std::vector<Node> made;
    if (row && !fits(graph, node)) made = spelled(*row, graph, node, fits);
    if (made.empty())
      made.push_back(std::move(node));
    else
      changed = true;
    std::move(made.begin(), made.end(), std::back_inserter(nodes));
  }
  graph.nodes = std::move(nodes);
  return changed;
}

}  // namespace

bool spell_out(Graph& graph, const Fits& fits) { return spell(rows, graph, fits); }

bool spell_last(Graph& graph, const Fits& fits) { return spell(last_rows, graph, fits); }

}  // namespace tessera::optimizer
