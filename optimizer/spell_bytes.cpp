// Where the best backend has no bytes, as a device: operators of quantized numbers in terms of floats. Those that read
// and give bytes become plain ones between a DequantizeLinear and a QuantizeLinear, of which the two that meet are one
// rounding (round_to_quanta.cpp); what is left of these two at the end is arithmetic and a cast. Pools, Softmax, Concat
// and Gemm of bytes are spelled out for a backend of bytes, too, where it has no kernel for them.
#include <algorithm>
#include <optional>

#include "optimizer/rewrites.h"
#include "optimizer/spelling.h"

namespace tessera::optimizer {
namespace {

constexpr size_t none = ~size_t{0};

// Whether the best backend computes with bytes: then nothing is to be spelled out.
bool takes_bytes(Spelling& s) {
  Tensor zero = Tensor::make({DType::uint8, {}});
  *zero.as<uint8_t>() = 0;
  s.op("DequantizeLinear", 13, {s.constant(std::move(zero)), s.number(1)});
  const bool takes = s.fits_last();
  s.forget_last();
  return takes;
}

bool is_given(const Spelling& s, size_t i) { return i != none && s.has(i); }

double number_at(const Tensor* tensor, int64_t i, double otherwise) {
  if (!tensor) return otherwise;
  const int64_t count = tensor->type.shape.elements();
  return element_as_double(tensor->view(), count == 1 ? 0 : i);
}

ValueId given(const Spelling& s, size_t i) { return is_given(s, i) ? s.in(i) : absent; }

// `x` as floats. Scale and zero point, which may be absent, are one number, or one for each place along the axis.
ValueId floats_of(Spelling& s, ValueId x, ValueId scale, ValueId zero, int64_t axis = -1) {
  const Type type = s.type(x);
  const Tensor *values = s.value(x), *scales = s.value(scale), *zeros = zero == absent ? nullptr : s.value(zero);
  if (values && scales && (zeros || zero == absent)) {
    Tensor made = Tensor::make({DType::float32, type.shape});
    const auto along = static_cast<size_t>(normalize_axis(axis, std::max(type.shape.rank(), 1)));
    const int64_t inner = type.shape.empty() ? 1 : type.shape.elements(along + 1, type.shape.size());
    const int64_t extent = type.shape.empty() ? 1 : type.shape[along];
    for (int64_t i = 0; i < type.shape.elements(); ++i) {
      const int64_t at = i / inner % extent;
      made.as<float>()[i] = static_cast<float>(element_as_double(values->view(), i) - number_at(zeros, at, 0)) *
                            static_cast<float>(number_at(scales, at, 1));
    }
    return s.constant(std::move(made));
  }
  std::vector<ValueId> in{x, scale};
  if (zero != absent) in.push_back(zero);
  return s.op("DequantizeLinear", 13, in, {{"axis", axis}});
}

// Of the node's inputs.
ValueId input_as_floats(Spelling& s, size_t x, size_t scale, size_t zero) {
  return floats_of(s, s.in(x), s.in(scale), given(s, zero));
}

void quantize(Spelling& s, ValueId y, size_t scale, size_t zero) {
  std::vector<ValueId> in{y, s.in(scale)};
  if (is_given(s, zero)) in.push_back(s.in(zero));
  s.becomes(0, s.op("QuantizeLinear", 13, in));
}

bool is_one(const Spelling& s, size_t i) { return !is_given(s, i) || s.shape(s.in(i)).elements() == 1; }

// Scales and zero points of the right factor: one, or one for each column.
bool goes_by_column(const Spelling& s, size_t weights, size_t i) {
  return is_one(s, i) || s.shape(s.in(i)) == Shape{s.shape(s.in(weights)).back()};
}

ValueId with_bias(Spelling& s, ValueId y, size_t bias) {
  return is_given(s, bias) ? s.op("Add", 14, {y, s.in(bias)}) : y;
}

// --- Scale and zero point of the data ----------------------------------------------------------------

struct Measured {
  ValueId scale, zero;  // float32, both
};

// So that 0 is a whole number of quanta, and the least and the greatest number are within 0 to 255.
Measured measure(Spelling& s, ValueId x) {
  const Attrs all{{"keepdims", int64_t{0}}};
  const ValueId least = s.op("Min", 13, {s.op("ReduceMin", 11, {x}, all), s.number(0)});
  const ValueId most = s.op("Max", 13, {s.op("ReduceMax", 11, {x}, all), s.number(0)});
  const ValueId range = s.op("Sub", 14, {most, least});
  const ValueId scale = s.op(
      "Where", 16, {s.op("Equal", 13, {range, s.number(0)}), s.number(1), s.op("Div", 14, {range, s.number(255)})});
  const ValueId below = s.op("Div", 14, {s.op("Neg", 13, {least}), scale});
  return {scale, s.op("Round", 11, {s.op("Clip", 13, {below, s.number(0), s.number(255)})})};
}

// Whole numbers from 0 to 255.
ValueId quanta_of(Spelling& s, ValueId x, const Measured& m) {
  const ValueId steps = s.op("Round", 11, {s.op("Div", 14, {x, m.scale})});
  return s.op("Clip", 13, {s.op("Add", 14, {steps, m.zero}), s.number(0), s.number(255)});
}

}  // namespace

bool spell_dynamic_quantization(Spelling& s) {
  if (s.shape(s.in(0)).elements() == 0 || takes_bytes(s)) return false;
  const Measured m = measure(s, s.in(0));
  s.becomes(0, s.cast(quanta_of(s, s.in(0), m), DType::uint8));
  if (s.wants(1)) s.becomes(1, m.scale);
  if (s.wants(2)) s.becomes(2, s.cast(m.zero, DType::uint8));
  return true;
}

// --- Products ------------------------------------------------------------------------------------

bool spell_dynamic_product(Spelling& s) {
  enum { a, b, scale, zero, bias };
  if (s.shape(s.node().out[0]).elements() == 0 || s.shape(s.in(a)).elements() == 0 || takes_bytes(s)) return false;
  if (!goes_by_column(s, b, scale) || !goes_by_column(s, b, zero)) return false;
  const Measured m = measure(s, s.in(a));
  const ValueId x = s.op("Mul", 14, {s.op("Sub", 14, {quanta_of(s, s.in(a), m), m.zero}), m.scale});
  s.becomes(0, with_bias(s, s.op("MatMul", 13, {x, input_as_floats(s, b, scale, zero)}), bias));
  return true;
}

bool spell_product_to_floats(Spelling& s) {
  enum { a, b, a_scale, b_scale, a_zero, b_zero, bias };
  if (!goes_by_column(s, b, b_scale) || !goes_by_column(s, b, b_zero) || takes_bytes(s)) return false;
  const ValueId x = input_as_floats(s, a, a_scale, a_zero), w = input_as_floats(s, b, b_scale, b_zero);
  s.becomes(0, with_bias(s, s.op("MatMul", 13, {x, w}), bias));
  return true;
}

bool spell_quantized_product(Spelling& s) {
  enum { a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero };
  for (const size_t i : {a_scale, a_zero, y_scale, y_zero})
    if (!is_one(s, i)) return false;
  if (!goes_by_column(s, b, b_scale) || !goes_by_column(s, b, b_zero) || takes_bytes(s)) return false;
  quantize(s, s.op("MatMul", 13, {input_as_floats(s, a, a_scale, a_zero), input_as_floats(s, b, b_scale, b_zero)}),
           y_scale, y_zero);
  return true;
}

// C counts in units of both scales.
bool spell_quantized_gemm(Spelling& s) {
  enum { a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero };
  const AttrReader attrs(s.node());
  const Shape out = s.shape(s.node().out[0]);
  if (out.elements() == 0 || s.shape(s.in(a)).elements() == 0) return false;
  const bool turned = attrs.integer("transB") != 0;
  const auto by_column = [&](size_t i) { return is_one(s, i) || s.shape(s.in(i)) == Shape{out[1]}; };
  if (!is_one(s, a_scale) || !is_one(s, a_zero) || !by_column(b_scale) || !by_column(b_zero)) return false;
  const ValueId x = input_as_floats(s, a, a_scale, a_zero);
  const ValueId w = floats_of(s, s.in(b), s.in(b_scale), given(s, b_zero), turned ? 0 : -1);
  Attrs own{{"alpha", attrs.real("alpha")}};
  for (const Text name : {"transA", "transB"}) own.emplace_back(name, attrs.integer(name));
  ValueId y = s.op("Gemm", 13, {x, w}, std::move(own));
  if (s.has(c)) {
    const ValueId unit = s.op("Mul", 14, {s.reshape(s.in(a_scale), {1}), s.in(b_scale)});
    y = s.op("Add", 14,
             {y, s.op("Mul", 14,
                      {s.cast(s.in(c), DType::float32), s.op("Mul", 14, {unit, s.number(attrs.real("alpha"))})})});
  }
  if (s.has(y_scale))
    quantize(s, y, y_scale, y_zero);
  else
    s.becomes(0, y);
  return true;
}

// --- Rows of a table ---------------------------------------------------------------------------------

namespace {

// Numbers of bytes, or of their low and high four bits, as floats.
ValueId unpacked(Spelling& s, ValueId bytes, int64_t bits) {
  const ValueId numbers = s.cast(bytes, DType::float32);
  if (bits == 8) return numbers;
  Shape shape = s.shape(bytes), single = shape;
  single.push_back(1);
  const ValueId high = s.op("Floor", 13, {s.op("Mul", 14, {numbers, s.number(1.0f / 16)})});
  const ValueId low = s.op("Sub", 14, {numbers, s.op("Mul", 14, {high, s.number(16)})});
  shape[shape.size() - 1] *= 2;
  return s.reshape(s.op("Concat", 13, {s.reshape(low, single), s.reshape(high, single)}, {{"axis", int64_t{-1}}}),
                   shape);
}

}  // namespace

bool spell_quantized_rows(Spelling& s) {
  enum { data, indices, scales, zeros };
  const AttrReader attrs(s.node());
  const Type table = s.type(s.in(data));
  const Shape out = s.shape(s.node().out[0]);
  const int64_t bits = attrs.integer("bits"), block = attrs.integer("block_size"), width = out.empty() ? 0 : out.back();
  const int last = table.shape.rank() - 1, gather = normalize_axis(attrs.integer("gather_axis"), last + 1);
  if (table.dtype != DType::uint8 || s.type(s.in(scales)).dtype != DType::float32 || out.elements() == 0) return false;
  if (gather == last || normalize_axis(attrs.integer("quantize_axis"), last + 1) != last) return false;
  if (width > block && width % block != 0) return false;
  const int64_t each = std::min(width, block), blocks = width / each, rows = out.elements() / width;
  const auto gathered = [&](size_t i) {
    return s.op("Gather", 13, {s.in(i), s.in(indices)}, {{"axis", int64_t{gather}}});
  };
  const ValueId numbers = s.reshape(unpacked(s, gathered(data), bits), {rows, blocks, each});
  ValueId zero = s.number(static_cast<float>(1 << (bits - 1)));
  if (s.has(zeros)) {
    zero = unpacked(s, gathered(zeros), bits);
    zero = s.reshape(zero, {rows, s.shape(zero).back()});
    if (s.shape(zero)[1] != blocks) zero = s.slice(zero, 1, 0, blocks);
    zero = s.reshape(zero, {rows, blocks, 1});
  }
  const ValueId scale = s.reshape(gathered(scales), {rows, blocks, 1});
  s.becomes(0, s.reshape(s.op("Mul", 14, {s.op("Sub", 14, {numbers, zero}), scale}), out));
  return true;
}

// --- Integers that are scaled at once ---------------------------------------------------------------

namespace {

// factors * scale, as exporters of dynamic quantization write it: the integers' sums as floats, times one number, or
// one for each column or channel. Sums are far larger than what they stand for: half precision has no room for them.
struct Scaled {
  const Node* integers;  // MatMulInteger or ConvInteger
  ValueId left, right;   // scales, of which one may be absent

  bool is_product() const { return integers->op->name == "MatMulInteger"; }
};

// Whether the right factor may have such a scale.
bool scales_right(const Graph& graph, const Scaled& scaled, ValueId id) {
  const Value& value = graph.values[id];
  const Shape& shape = value.type.shape;
  if (!value.constant || value.type.dtype != DType::float32) return false;
  if (shape.elements() == 1) return true;
  const Shape& weights = graph.values[scaled.integers->in[1]].type.shape;
  if (scaled.is_product()) return weights.size() == 2 && shape == Shape{weights[1]};
  const size_t axes = shape.size();
  return axes + 1 >= weights.size() && axes <= weights.size() && shape.elements() == weights[0] &&
         shape[axes + 1 - weights.size()] == weights[0];
}

std::optional<Scaled> read_scaled(const Edit& edit, const Graph& graph, const Node& mul) {
  if (!is(&mul, "Mul") || mul.op->since < 7) return std::nullopt;
  for (size_t side = 0; side < 2; ++side) {
    const Node* cast = edit.maker(mul.in[side]);
    if (!is(cast, "Cast") || edit.only_user(cast->out[0]) != &mul) continue;
    if (graph.values[cast->out[0]].type != graph.values[mul.out[0]].type) continue;
    const Node* integers = edit.maker(cast->in[0]);
    if ((!is(integers, "MatMulInteger") && !is(integers, "ConvInteger")) || edit.only_user(cast->in[0]) != cast)
      continue;
    Scaled scaled{integers, mul.in[1 - side], absent};
    const auto is_number = [&](ValueId id) {
      return graph.values[id].type.dtype == DType::float32 && graph.values[id].type.shape.elements() == 1;
    };
    if (scales_right(graph, scaled, scaled.left)) return Scaled{integers, absent, scaled.left};
    const Node* both = edit.maker(scaled.left);
    for (size_t i = 0; is(both, "Mul") && i < 2; ++i)
      if (is_number(both->in[i]) && scales_right(graph, scaled, both->in[1 - i]))
        return Scaled{integers, both->in[i], both->in[1 - i]};
    if (is_number(scaled.left)) return scaled;
  }
  return std::nullopt;
}

bool spell_scaled(Spelling& s, const Scaled& scaled) {
  const auto& in = scaled.integers->in;
  const auto zero = [&](size_t i) { return i < in.size() ? in[i] : absent; };
  const bool product = scaled.is_product();
  const auto count = [&](ValueId id) { return id == absent ? 1 : s.shape(id).elements(); };
  const int64_t columns = product ? s.shape(in[1]).back() : s.shape(in[1])[0];
  if (count(zero(2)) != 1 || (count(zero(3)) != 1 && s.shape(zero(3)) != Shape{columns})) return false;
  if (s.shape(s.node().out[0]).elements() == 0 || takes_bytes(s)) return false;
  const ValueId one = s.number(1);
  const auto flat = [&](ValueId id) {
    return id == absent ? one : count(id) == 1 ? s.reshape(id, {}) : s.reshape(id, {count(id)});
  };
  const ValueId left = floats_of(s, in[0], flat(scaled.left), zero(2));
  const ValueId right = floats_of(s, in[1], flat(scaled.right), zero(3), product ? -1 : 0);
  s.becomes(0, product ? s.op("MatMul", 13, {left, right})
                       : s.op("Conv", 11, {left, right}, scaled.integers->attrs ? *scaled.integers->attrs : Attrs{}));
  return true;
}

}  // namespace

bool scale_integers(Graph& graph, const Fits& fits) {
  const Edit edit(graph);
  std::vector<std::pair<size_t, std::vector<Node>>> spelled;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto scaled = graph.nodes[i].op ? read_scaled(edit, graph, graph.nodes[i]) : std::nullopt;
    if (!scaled) continue;
    Spelling spelling(graph, graph.nodes[i], fits);
    if (spell_scaled(spelling, *scaled)) spelled.emplace_back(i, spelling.take());
  }
  if (spelled.empty()) return false;
  std::vector<Node> nodes;
  auto next = spelled.begin();
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (next == spelled.end() || next->first != i) {
      nodes.push_back(std::move(graph.nodes[i]));
      continue;
    }
    for (Node& node : next->second) nodes.push_back(std::move(node));
    ++next;
  }
  graph.nodes = std::move(nodes);
  Edit(graph).finish();
  return true;
}

// --- One or two operands -----------------------------------------------------------------------------

bool spell_quantized_pool(Spelling& s) {
  enum { x, x_scale, x_zero, y_scale, y_zero };
  const AttrReader attrs(s.node());
  const Shape shape = s.shape(s.in(x));
  if (shape.size() < 3 || s.shape(s.node().out[0]).elements() == 0) return false;
  const bool global = s.node().op->name == "QLinearGlobalAveragePool", last = attrs.integer("channels_last") != 0;
  // It counts what lies behind the padding too, where a window is cut off there; AveragePool does not.
  if (!global && attrs.integer("ceil_mode") != 0 && attrs.integer("count_include_pad") != 0) return false;
  std::vector<int64_t> forth{0, static_cast<int64_t>(shape.size()) - 1}, back{0};
  for (size_t i = 1; i + 1 < shape.size(); ++i) {
    forth.push_back(static_cast<int64_t>(i));
    back.push_back(static_cast<int64_t>(i) + 1);
  }
  back.push_back(1);
  ValueId y = input_as_floats(s, x, x_scale, x_zero);
  if (last) y = s.transpose(y, forth);
  Attrs own;
  if (!global && s.node().attrs)
    for (const auto& attr : *s.node().attrs)
      if (attr.first != "channels_last") own.push_back(attr);
  y = s.op(global ? "GlobalAveragePool" : "AveragePool", 11, {y}, std::move(own));
  quantize(s, last ? s.transpose(y, back) : y, y_scale, y_zero);
  return true;
}

bool spell_quantized_softmax(Spelling& s) {
  enum { x, x_scale, x_zero, y_scale, y_zero };
  const AttrReader attrs(s.node());
  if (s.shape(s.in(x)).elements() == 0) return false;
  const int opset = attrs.integer("opset") < 13 ? 11 : 13;
  const ValueId y = s.op("Softmax", opset, {input_as_floats(s, x, x_scale, x_zero)}, {{"axis", attrs.integer("axis")}});
  quantize(s, y, y_scale, y_zero);
  return true;
}

bool spell_quantized_concat(Spelling& s) {
  if (s.shape(s.node().out[0]).elements() == 0) return false;
  std::vector<ValueId> parts;
  for (size_t i = 2; i < s.node().in.size(); i += 3) parts.push_back(input_as_floats(s, i, i + 1, i + 2));
  quantize(s, s.op("Concat", 13, parts, {{"axis", AttrReader(s.node()).integer("axis")}}), 0, 1);
  return true;
}

// --- What is left in the end ----------------------------------------------------------------------------

namespace {

// A scale or zero point as it is broadcast to a tensor of that shape; absent: it goes by blocks.
ValueId spread(Spelling& s, ValueId id, const Shape& shape) {
  const AttrReader attrs(s.node());
  const Shape given = s.shape(id);
  if (attrs.has("block_size") && attrs.integer("block_size") != 0) return absent;
  if (given.elements() == 1) return s.reshape(id, {});
  if (shape.empty() || given.size() != 1) return absent;
  Shape to;
  const auto axis = static_cast<size_t>(normalize_axis(attrs.integer("axis"), shape.rank()));
  for (size_t i = 0; i < shape.size(); ++i) to.push_back(i == axis ? given.elements() : 1);
  return s.reshape(id, to);
}

bool is_whole(DType type) {
  return type == DType::int8 || type == DType::uint8 || type == DType::int16 || type == DType::uint16;
}

}  // namespace

bool spell_dequantize(Spelling& s) {
  const Type x = s.type(s.in(0));
  if ((!is_whole(x.dtype) && x.dtype != DType::int32) || s.type(s.in(1)).dtype != DType::float32) return false;
  const ValueId scale = spread(s, s.in(1), x.shape);
  if (scale == absent) return false;
  ValueId y = s.cast(s.in(0), DType::float32);
  if (s.has(2)) y = s.op("Sub", 14, {y, s.cast(spread(s, s.in(2), x.shape), DType::float32)});
  s.becomes(0, s.op("Mul", 14, {y, scale}));
  return true;
}

bool spell_quantize(Spelling& s) {
  const Type x = s.type(s.in(0));
  const DType to = s.type(s.node().out[0]).dtype;
  if (!is_whole(to) || x.dtype != DType::float32 || s.type(s.in(1)).dtype != DType::float32) return false;
  const ValueId scale = spread(s, s.in(1), x.shape);
  if (scale == absent) return false;
  ValueId y = s.op("Round", 11, {s.op("Div", 14, {s.in(0), scale})});
  if (s.has(2)) y = s.op("Add", 14, {y, s.cast(spread(s, s.in(2), x.shape), DType::float32)});
  const bool is_signed = to == DType::int8 || to == DType::int16;
  const float range = bits_of(to) == 8 ? 256 : 65536, low = is_signed ? -range / 2 : 0;
  y = s.op("Clip", 13, {y, s.number(low), s.number(low + range - 1)});
  s.becomes(0, s.cast(y, to));
  return true;
}

}  // namespace tessera::optimizer
