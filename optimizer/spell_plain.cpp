// Operators that are a few plain ones under a name: means, norms of neighbours and of groups, masks, activations behind
// products, embeddings, and rotations of features.
#include <algorithm>
#include <numeric>

#include "ops/rotary.h"
#include "optimizer/spelling.h"

namespace tessera::optimizer {
namespace {

constexpr int64_t most_elements = int64_t{1} << 24;  // of a constant that is made

Tensor filled(const Type& type, double number) {
  Tensor tensor = Tensor::make(type);
  for (int64_t i = 0; i < type.shape.elements(); ++i) set_element(tensor.view(), i, number);
  return tensor;
}

ValueId times(Spelling& s, ValueId id, float factor) {
  return factor == 1 ? id : s.op("Mul", 14, {id, s.number(factor)});
}

ValueId mean_of(Spelling& s, ValueId id, const std::vector<int64_t>& axes) {
  return s.op("ReduceMean", 13, {id}, {{"axes", axes}, {"keepdims", int64_t{1}}});
}

// The curve of a fused operator, by name; absent: there is none of that name.
ValueId curved(Spelling& s, ValueId x, Text name, List<float> parameters) {
  const auto at = [&](size_t i) { return i < parameters.size() ? parameters[i] : 0.0f; };
  if (name.empty()) return x;
  if (name == "Relu" || name == "Tanh" || name == "Sigmoid") return s.op(name, 13, {x});
  if (name == "LeakyRelu") return s.op(name, 6, {x}, {{"alpha", at(0)}});
  if (name == "HardSigmoid") return s.op(name, 6, {x}, {{"alpha", at(0)}, {"beta", at(1)}});
  if (name == "Clip") return s.op(name, 13, {x, s.number(at(0)), s.number(at(1))});
  return absent;
}

}  // namespace

// Bounds that are known to a run only.
bool spell_clip(Spelling& s) {
  const auto given = [&](size_t i) { return s.has(i) && !s.value(s.in(i)); };
  if (!given(1) && !given(2)) return false;
  ValueId y = s.in(0);
  if (s.has(1)) y = s.op("Max", 13, {y, s.in(1)});
  if (s.has(2)) y = s.op("Min", 13, {y, s.in(2)});
  s.becomes(0, y);
  return true;
}

bool spell_image_scaler(Spelling& s) {
  const AttrReader attrs(s.node());
  const List<float> bias = attrs.reals("bias");
  Tensor each = Tensor::make({DType::float32, {static_cast<int64_t>(bias.size()), 1, 1}});
  std::copy(bias.begin(), bias.end(), each.as<float>());
  s.becomes(0, s.op("Add", 14, {times(s, s.in(0), attrs.real("scale")), s.constant(std::move(each))}));
  return true;
}

bool spell_scaled_tanh(Spelling& s) {
  const AttrReader attrs(s.node());
  s.becomes(0, times(s, s.op("Tanh", 13, {times(s, s.in(0), attrs.real("beta"))}), attrs.real("alpha")));
  return true;
}

bool spell_parametric_softplus(Spelling& s) {
  const AttrReader attrs(s.node());
  s.becomes(0, times(s, s.op("Softplus", 1, {times(s, s.in(0), attrs.real("beta"))}), attrs.real("alpha")));
  return true;
}

bool spell_swiglu(Spelling& s) {
  const ValueId gate = s.op("Swish", 24, {s.in(0)}, {{"alpha", AttrReader(s.node()).real("alpha")}});
  s.becomes(0, s.op("Mul", 14, {gate, s.in(1)}));
  return true;
}

bool spell_mean(Spelling& s) {
  const size_t count = s.node().in.size();
  ValueId sum = s.in(0);
  for (size_t i = 1; i < count; ++i) sum = s.op("Add", 14, {sum, s.in(i)});
  s.becomes(0, count == 1 ? sum : s.op("Div", 14, {sum, s.number(static_cast<float>(count))}));
  return true;
}

// Nothing is dropped where nobody trains.
bool spell_dropout(Spelling& s) {
  const Tensor* training = s.has(2) ? s.value(s.in(2)) : nullptr;
  if (s.has(2) && (!training || *training->as<bool>())) return false;
  const Type& type = s.type(s.in(0));
  if (s.wants(1) && type.shape.elements() > most_elements) return false;
  s.becomes(0, s.in(0));
  if (s.wants(1)) s.becomes(1, s.constant(filled(s.type(s.node().out[1]), 1)));
  return true;
}

// --- Norms -------------------------------------------------------------------------------------

// Squares of neighbouring channels are a pool along them.
bool spell_neighbour_norm(Spelling& s) {
  const AttrReader attrs(s.node());
  const Shape x = s.shape(s.in(0));
  const int64_t size = attrs.integer("size"), before = (size - 1) / 2;
  if (x.elements() == 0) return false;
  const ValueId squares = s.reshape(s.op("Mul", 14, {s.in(0), s.in(0)}), {x[0], 1, x[1], x.elements(2, x.size())});
  ValueId mean = s.op("AveragePool", 11, {squares},
                      {{"kernel_shape", std::vector<int64_t>{size, 1}},
                       {"pads", std::vector<int64_t>{before, 0, size - 1 - before, 0}},
                       {"count_include_pad", int64_t{1}}});
  mean = times(s, s.reshape(mean, x), attrs.real("alpha"));
  const ValueId norm = s.op("Add", 14, {mean, s.number(attrs.real("bias"))});
  s.becomes(0, s.op("Div", 14, {s.in(0), s.op("Pow", 13, {norm, s.number(attrs.real("beta"))})}));
  return true;
}

bool spell_mean_variance(Spelling& s) {
  const Shape x = s.shape(s.in(0));
  if (x.elements() == 0) return false;
  const AttrReader attrs(s.node());
  const List<int64_t> given = attrs.integers("axes");
  if (attrs.has("axes") && given.empty()) return false;  // of ReduceMean, no axes are all
  const std::vector<int64_t> axes =
      given.empty() ? std::vector<int64_t>{0, 2, 3} : std::vector<int64_t>(given.begin(), given.end());
  const ValueId centred = s.op("Sub", 14, {s.in(0), mean_of(s, s.in(0), axes)});
  const ValueId deviation = s.op("Sqrt", 13, {mean_of(s, s.op("Mul", 14, {centred, centred}), axes)});
  s.becomes(0, s.op("Div", 14, {centred, s.op("Add", 14, {deviation, s.number(1e-9f)})}));
  return true;
}

// Norms of rows whose statistics are results, too.
bool spell_row_norm(Spelling& s) {
  const AttrReader attrs(s.node());
  const Shape x = s.shape(s.in(0));
  if ((!s.wants(1) && !s.wants(2)) || x.elements() == 0) return false;
  const bool centred = s.node().op->name == "LayerNormalization";
  std::vector<int64_t> axes;
  for (int axis = normalize_axis(attrs.integer("axis"), x.rank()); axis < x.rank(); ++axis) axes.push_back(axis);
  ValueId rows = s.in(0), mean = absent;
  if (centred) mean = mean_of(s, rows, axes), rows = s.op("Sub", 14, {rows, mean});
  const ValueId variance = mean_of(s, s.op("Mul", 14, {rows, rows}), axes);
  const ValueId added = s.op("Add", 14, {variance, s.number(attrs.real("epsilon"))});
  const ValueId inverse = s.op("Reciprocal", 13, {s.op("Sqrt", 13, {added})});
  ValueId y = s.op("Mul", 14, {s.op("Mul", 14, {rows, inverse}), s.in(1)});
  if (s.has(2)) y = s.op("Add", 14, {y, s.in(2)});
  s.becomes(0, y);
  if (s.wants(1)) s.becomes(1, centred ? mean : inverse);
  if (s.wants(2)) s.becomes(2, inverse);
  return true;
}

bool spell_group_norm(Spelling& s) {
  const AttrReader attrs(s.node());
  const bool last = attrs.integer("channels_last") != 0;
  if (s.shape(s.in(0)).elements() == 0 || s.type(s.in(1)).dtype != DType::float32) return false;
  ValueId y = last ? s.transpose(s.in(0), {0, 3, 1, 2}) : s.in(0);
  y = s.op("GroupNormalization", 21, {y, s.in(1), s.in(2)},
           {{"num_groups", attrs.integer("groups")}, {"epsilon", attrs.real("epsilon")}});
  if (attrs.integer("activation") == 1) y = s.op("Swish", 24, {y});
  s.becomes(0, last ? s.transpose(y, {0, 2, 3, 1}) : y);
  return true;
}

bool spell_global_norm(Spelling& s) {
  const AttrReader attrs(s.node());
  const Shape x = s.shape(s.in(0));
  const bool is_real = s.node().op->since == 1;
  const double p = is_real ? static_cast<double>(attrs.real("p")) : static_cast<double>(attrs.integer("p"));
  if ((p != 1 && p != 2) || x.elements() == 0) return false;
  std::vector<int64_t> axes(x.size() - 2);
  std::iota(axes.begin(), axes.end(), 2);
  s.becomes(0, s.op(p == 1 ? "ReduceL1" : "ReduceL2", 13, {s.in(0)}, {{"axes", axes}, {"keepdims", int64_t{1}}}));
  return true;
}

// --- Places and masks ----------------------------------------------------------------------------

// One where the first of the largest is.
bool spell_hardmax(Spelling& s) {
  const Shape x = s.shape(s.in(0));
  const bool is_flat = s.node().op->since < 13;
  if (x.elements() == 0) return false;
  const auto axis = static_cast<size_t>(normalize_axis(AttrReader(s.node()).integer("axis"), x.rank()));
  const int64_t extent = is_flat ? x.elements(axis, x.size()) : x[axis];
  const Shape seen{x.elements(0, axis), extent, is_flat ? 1 : x.elements(axis + 1, x.size())};
  const ValueId first =
      s.op("ArgMax", 13, {s.reshape(s.in(0), seen)}, {{"axis", int64_t{1}}, {"keepdims", int64_t{1}}});
  const ValueId y = s.op("Equal", 13, {first, s.counted({extent, 1})});
  s.becomes(0, s.reshape(s.cast(y, DType::float32), x));
  return true;
}

bool spell_triangle(Spelling& s) {
  const Type x = s.type(s.in(0));
  const Tensor* diagonal = s.has(1) ? s.value(s.in(1)) : nullptr;
  if ((s.has(1) && !diagonal) || x.shape.elements() == 0 || bits_of(x.dtype) < 8 || x.dtype == DType::string)
    return false;
  const int64_t width = x.shape.back(), height = x.shape[x.shape.size() - 2];
  if (width * height > most_elements) return false;
  const int64_t k = diagonal ? std::clamp(*diagonal->as<int64_t>(), -height, width) : 0;
  const bool upper = AttrReader(s.node()).integer("upper") != 0;
  Tensor kept = Tensor::make({DType::boolean, {height, width}});
  for (int64_t i = 0; i < height * width; ++i) {
    const int64_t ahead = i % width - i / width - k;
    kept.as<bool>()[i] = upper ? ahead >= 0 : ahead <= 0;
  }
  s.becomes(0, s.op("Where", 16, {s.constant(std::move(kept)), s.in(0), s.constant(filled({x.dtype, {}}, 0))}));
  return true;
}

// --- Products with what follows them ---------------------------------------------------------------

bool spell_fused_convolution(Spelling& s) {
  const AttrReader attrs(s.node());
  Attrs own;
  if (s.node().attrs)
    for (const auto& attr : *s.node().attrs)
      if (!attr.first.starts_with("activation")) own.push_back(attr);
  std::vector<ValueId> in{s.in(0), s.in(1)};
  if (s.has(2)) in.push_back(s.in(2));
  ValueId y = s.op("Conv", 11, in, std::move(own));
  if (s.has(3)) y = s.op("Add", 14, {y, s.in(3)});
  y = curved(s, y, attrs.text("activation"), attrs.reals("activation_params"));
  if (y == absent) return false;
  s.becomes(0, y);
  return true;
}

bool spell_fused_product(Spelling& s) {
  const AttrReader attrs(s.node());
  Attrs own;
  for (const Text name : {"alpha", "beta"}) own.emplace_back(name, attrs.real(name));
  for (const Text name : {"transA", "transB"}) own.emplace_back(name, attrs.integer(name));
  const float parameters[] = {attrs.real("activation_alpha"), attrs.real("activation_beta")};
  const ValueId y = curved(s, s.op("Gemm", 13, s.node().in, std::move(own)), attrs.text("activation"), parameters);
  if (y == absent) return false;
  s.becomes(0, y);
  return true;
}

// Parts of any elements.
bool spell_split(Spelling& s) {
  const Type x = s.type(s.in(0));
  if (x.shape.elements() == 0 || bits_of(x.dtype) < 8 || x.dtype == DType::string) return false;
  const int axis = normalize_axis(AttrReader(s.node()).integer("axis"), x.shape.rank());
  int64_t begin = 0;
  for (size_t i = 0; i < s.node().out.size(); ++i) {
    const int64_t end = begin + s.shape(s.node().out[i])[static_cast<size_t>(axis)];
    s.becomes(i, s.slice(s.in(0), axis, begin, end));
    begin = end;
  }
  return true;
}

// --- Language ----------------------------------------------------------------------------------

bool spell_embeddings(Spelling& s) {
  enum { ids, segments, words, places, kinds, gamma, beta, mask, place_ids };
  const Shape in = s.shape(s.in(ids));
  const int64_t hidden = s.shape(s.in(words))[1];
  if (in.elements() == 0 || hidden == 0 || s.has(segments) != s.has(kinds)) return false;
  const ValueId place =
      s.has(place_ids) ? s.op("Gather", 13, {s.in(places), s.in(place_ids)}) : s.slice(s.in(places), 0, 0, in[1]);
  ValueId sum = s.op("Add", 14, {s.op("Gather", 13, {s.in(words), s.in(ids)}), place});
  if (s.has(segments)) sum = s.op("Add", 14, {sum, s.op("Gather", 13, {s.in(kinds), s.in(segments)})});
  s.becomes(0, s.op("LayerNormalization", 17, {sum, s.in(gamma), s.in(beta)},
                    {{"axis", int64_t{-1}}, {"epsilon", AttrReader(s.node()).real("epsilon")}}));
  if (s.wants(1) && s.has(mask)) {
    const ValueId seen = s.op("Equal", 13, {s.in(mask), s.constant(filled({DType::int32, {}}, 1))});
    const ValueId count =
        s.op("ReduceSum", 13, {s.cast(seen, DType::float32), s.integers({1})}, {{"keepdims", int64_t{0}}});
    s.becomes(1, s.cast(count, DType::int32));
  } else if (s.wants(1)) {
    s.becomes(1, s.constant(filled({DType::int32, {in[0]}}, 0)));
  }
  if (s.wants(2)) s.becomes(2, sum);
  return true;
}

namespace {

// The rows of a table for all positions, as [1 or batch, positions, features].
ValueId rotation(Spelling& s, const ops::Rotary& r, size_t table, size_t positions) {
  const int64_t half = s.shape(s.in(table)).back();
  if (!s.has(positions)) return s.in(table);
  const int64_t given = s.shape(s.in(positions)).elements();
  const bool counts = given == 1 && r.batch * r.sequence != 1;
  ValueId places = s.reshape(s.in(positions), counts ? Shape{1, 1} : Shape{r.batch, r.sequence});
  if (counts) places = s.op("Add", 14, {places, s.counted({1, r.sequence})});
  return s.reshape(s.op("Gather", 13, {s.in(table), places}), {counts ? 1 : r.batch, r.sequence, half});
}

}  // namespace

// Pairs of features as two numbers each: (c u - d v, d u + c v).
bool spell_rotation(Spelling& s) {
  const ops::RotaryOrder& order = s.node().op->domain.empty() ? ops::standard_rotary : ops::contrib_rotary;
  const AttrReader attrs(s.node());
  const Shape x = s.shape(s.in(0));
  const ops::Rotary r(attrs, x, s.shape(s.in(order.cos)).back());
  const int64_t half = r.turned / 2;
  if (x.elements() == 0 || half == 0) return false;
  const bool interleaved = attrs.integer("interleaved") != 0, by_heads = x.size() == 4;
  const float scale = attrs.has("scale") ? attrs.real("scale") : 1;
  const auto turn = [&](size_t table) {
    const ValueId all = rotation(s, r, table, order.positions);
    const ValueId own = s.shape(all).back() == half ? all : s.slice(all, 2, 0, half);
    const int64_t batch = s.shape(own)[0];
    return times(s, s.reshape(own, by_heads ? Shape{batch, 1, r.sequence, half} : Shape{batch, r.sequence, 1, half}),
                 scale);
  };
  const ValueId c = turn(order.cos), d = turn(order.sin);
  const Shape seen = by_heads ? x : Shape{r.batch, r.sequence, r.heads, r.depth};
  const ValueId whole = s.reshape(s.in(0), seen);
  ValueId turned = r.turned == r.depth ? whole : s.slice(whole, 3, 0, r.turned);
  const Shape pairs{seen[0] * seen[1], seen[2], half, 2}, part{seen[0], seen[1], seen[2], half};
  const auto feature = [&](int64_t i) {
    if (!interleaved) return s.slice(turned, 3, i * half, (i + 1) * half);
    return s.reshape(s.slice(s.reshape(turned, pairs), 3, i, i + 1), part);
  };
  const ValueId u = feature(0), v = feature(1);
  const auto product = [&](ValueId a, ValueId b) { return s.op("Mul", 14, {a, b}); };
  ValueId p = s.op("Sub", 14, {product(u, c), product(v, d)}), q = s.op("Add", 14, {product(u, d), product(v, c)});
  if (interleaved) {
    const Shape single{pairs[0], pairs[1], half, 1};
    const ValueId both = s.op("Concat", 13, {s.reshape(p, single), s.reshape(q, single)}, {{"axis", int64_t{3}}});
    turned = s.reshape(both, {seen[0], seen[1], seen[2], r.turned});
  } else {
    turned = s.op("Concat", 13, {p, q}, {{"axis", int64_t{3}}});
  }
  if (r.turned != r.depth)
    turned = s.op("Concat", 13, {turned, s.slice(whole, 3, r.turned, r.depth)}, {{"axis", int64_t{3}}});
  s.becomes(0, s.reshape(turned, x));
  return true;
}

bool spell_log_sum(Spelling& s) {
  const Shape x = s.shape(s.in(0)), out = s.shape(s.node().out[0]);
  const AttrReader attrs(s.node());
  if (x.elements() == 0 || out.elements() == 0) return false;
  std::vector<int64_t> axes;
  if (s.has(1)) {
    const Tensor* given = s.value(s.in(1));
    if (!given) return false;
    axes.assign(given->as<int64_t>(), given->as<int64_t>() + given->type.shape.elements());
  } else if (const List<int64_t> given = attrs.integers("axes"); !given.empty()) {
    axes.assign(given.begin(), given.end());
  }
  if (axes.empty()) {
    if (attrs.integer("noop_with_empty_axes") != 0) return false;
    axes.resize(x.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  const Attrs kept{{"axes", axes}, {"keepdims", int64_t{1}}};
  // An infinite one takes nothing from the others.
  const ValueId most = s.op("ReduceMax", 11, {s.in(0)}, kept);
  const ValueId shift = s.op("Where", 16, {s.op("IsInf", 10, {most}), s.number(0), most});
  const ValueId sum = s.op("ReduceSum", 11, {s.op("Exp", 13, {s.op("Sub", 14, {s.in(0), shift})})}, kept);
  s.becomes(0, s.reshape(s.op("Add", 14, {s.op("Log", 13, {sum}), shift}), out));
  return true;
}

}  // namespace tessera::optimizer
