// Operators of attention as products, a softmax and biases, which find_attention makes one step of again.
#include <cmath>

#include "optimizer/spelling.h"

namespace tessera::optimizer {
namespace {

constexpr int64_t most_scores = int64_t{1} << 24;  // of a triangle that is a constant
constexpr int64_t fewest_queries = 4;              // of what becomes one step, where rows without a key are zeros

// Operands as [batch, heads, positions, depth].
struct Operands {
  ValueId q, k, v;
  float scale = 1;
  std::vector<ValueId> biases;
};

// [batch, positions, heads * depth] by heads.
ValueId by_heads(Spelling& s, ValueId id, int64_t heads) {
  const Shape shape = s.shape(id);
  if (shape.size() == 4) return id;
  return s.transpose(s.reshape(id, {shape[0], shape[1], heads, shape[2] / heads}), {0, 2, 1, 3});
}

ValueId flat(Spelling& s, ValueId id) {
  const Shape shape = s.shape(id);
  return s.reshape(s.transpose(id, {0, 2, 1, 3}), {shape[0], shape[2], shape[1] * shape[3]});
}

// One query is a column as it lies: then keys need not be turned.
ValueId scores_of(Spelling& s, const Operands& o) {
  const Shape q = s.shape(o.q), k = s.shape(o.k);
  if (q[2] != 1 || q[0] != k[0] || q[1] != k[1]) return s.op("MatMul", 13, {o.q, s.transpose(o.k, {0, 1, 3, 2})});
  return s.reshape(s.op("MatMul", 13, {o.k, s.reshape(o.q, {q[0], q[1], q[3], 1})}), {q[0], q[1], 1, k[2]});
}

ValueId attend(Spelling& s, const Operands& o) {
  ValueId scores = scores_of(s, o);
  scores = s.op("Mul", 14, {scores, s.number(o.scale)});
  for (const ValueId bias : o.biases) scores = s.op("Add", 14, {scores, bias});
  return s.op("MatMul", 13, {s.op("Softmax", 13, {scores}, {{"axis", int64_t{-1}}}), o.v});
}

// Keys behind the query are hidden.
ValueId triangle(Spelling& s, int64_t queries, int64_t keys, int64_t past, float hidden) {
  Tensor tensor = Tensor::make({DType::float32, {queries, keys}});
  for (int64_t i = 0; i < queries; ++i)
    for (int64_t j = 0; j < keys; ++j) tensor.as<float>()[i * keys + j] = j > i + past ? hidden : 0.0f;
  return s.constant(std::move(tensor));
}

// What is added where a mask of integers says no.
ValueId bias_of(Spelling& s, ValueId visible, float hidden) {
  return s.op("Where", 16, {visible, s.number(0), s.number(hidden)});
}

// Positions of the past, then those of now.
ValueId joined(Spelling& s, size_t past, ValueId now) {
  return s.has(past) ? s.op("Concat", 13, {s.in(past), now}, {{"axis", int64_t{2}}}) : now;
}

// A mask of integers with 1 to 4 axes: lengths (and first places), one number for each key, for each query too, or for
// each place of queries.
bool add_integer_mask(Spelling& s, size_t input, int64_t batch, int64_t queries, int64_t keys, float hidden,
                      Operands* o) {
  if (!s.has(input)) return true;
  ValueId mask = s.in(input);
  if (s.shape(mask).size() == 4) {
    mask = s.slice(s.slice(mask, 2, keys - queries, keys), 3, 0, keys);
    mask = s.reshape(mask, {batch, queries, keys});
  }
  const Shape shape = s.shape(mask);
  const DType type = s.type(mask).dtype;
  const auto whole = [&](const Shape& to, const auto& number) {
    Tensor tensor = Tensor::make({type, to});
    for (int64_t i = 0; i < to.elements(); ++i) set_element(tensor.view(), i, number(i));
    return s.constant(std::move(tensor));
  };
  const auto zero = [](int64_t) { return 0.0; };
  if (shape.size() == 1) {
    const ValueId places = whole({1, 1, 1, keys}, [](int64_t i) { return static_cast<double>(i); });
    const auto part = [&](int64_t begin) {
      return s.reshape(s.slice(mask, 0, begin, begin + batch), {batch, 1, 1, 1});
    };
    ValueId seen = s.op("Less", 13, {places, part(0)});
    if (shape[0] == 2 * batch) seen = s.op("And", 7, {seen, s.op("Not", 1, {s.op("Less", 13, {places, part(batch)})})});
    o->biases.push_back(bias_of(s, seen, hidden));
  } else if (shape == Shape{batch, keys} || shape == Shape{batch, queries, keys}) {
    const int64_t rows = shape.size() == 2 ? 1 : queries;
    o->biases.push_back(
        bias_of(s, s.op("Greater", 13, {s.reshape(mask, {batch, 1, rows, keys}), whole({}, zero)}), hidden));
  } else {
    return false;
  }
  return true;
}

float scale_of(const AttrReader& attrs, int64_t depth) {
  const float named = attrs.has("scale") ? attrs.real("scale") : 0;
  return named != 0 ? named : 1 / std::sqrt(static_cast<float>(depth));
}

constexpr float lowest = std::numeric_limits<float>::lowest(), never = -std::numeric_limits<float>::infinity();

}  // namespace

bool spell_attention(Spelling& s) {
  enum { mask_in = 3, past_k_in, past_v_in, lengths_in };
  const AttrReader attrs(s.node());
  if (s.has(lengths_in) || s.wants(3) || attrs.real("softcap") != 0) return false;
  if (s.type(s.in(1)).dtype != DType::float32 || s.type(s.in(2)).dtype != DType::float32) return false;
  const bool is_flat = s.shape(s.in(0)).size() == 3;
  const int64_t heads = is_flat ? attrs.integer("q_num_heads") : s.shape(s.in(0))[1];
  const int64_t groups = s.shape(s.in(1)).size() == 3 ? attrs.integer("kv_num_heads") : s.shape(s.in(1))[1];
  const int64_t batch = s.shape(s.in(0))[0], queries = s.shape(s.in(0))[is_flat ? 1 : 2], each = heads / groups;
  const Shape out = s.shape(s.node().out[0]);
  const Shape& given_keys = s.shape(s.in(1));
  const int64_t new_keys = given_keys[given_keys.size() - 2];
  const int64_t past = s.has(past_k_in) ? s.shape(s.in(past_k_in))[2] : 0, keys = past + new_keys;
  const bool causal = attrs.integer("is_causal") != 0;
  if (out.elements() == 0 || keys == 0) return false;
  // Rows of scores of queries that share keys lie one behind the other: a bias would have to be repeated.
  if (each > 1 && (s.has(mask_in) || (causal && queries > 1))) return false;
  if (s.has(mask_in)) {
    const Type& mask = s.type(s.in(mask_in));
    const bool known = mask.dtype == DType::float32 || mask.dtype == DType::boolean;
    if (queries < fewest_queries || !known || mask.shape.size() < 2 || mask.shape.back() != keys) return false;
  }
  if (causal && queries * keys > most_scores) return false;
  Operands o{by_heads(s, s.in(0), heads), by_heads(s, s.in(1), groups), by_heads(s, s.in(2), groups), 1, {}};
  const int64_t depth = s.shape(o.q)[3];
  o.scale = attrs.has("scale") ? attrs.real("scale") : 1 / std::sqrt(static_cast<float>(depth));
  o.k = joined(s, past_k_in, o.k), o.v = joined(s, past_v_in, o.v);
  if (s.has(mask_in)) {
    const ValueId mask = s.in(mask_in);
    o.biases.push_back(s.type(mask).dtype == DType::boolean ? bias_of(s, mask, never) : mask);
  }
  if (causal && queries > 1) o.biases.push_back(triangle(s, queries, keys, past, never));
  if (each > 1) o.q = s.reshape(o.q, {batch, groups, each * queries, depth});
  ValueId y = attend(s, o);
  if (each > 1) y = s.reshape(y, {batch, heads, queries, s.shape(o.v)[3]});
  s.becomes(0, is_flat ? flat(s, y) : y);
  if (s.wants(1)) s.becomes(1, o.k);
  if (s.wants(2)) s.becomes(2, o.v);
  return true;
}

bool spell_multi_head_attention(Spelling& s) {
  enum { q_in, k_in, v_in, bias_in, mask_in, scores_in, past_k_in, past_v_in, past_length_in };
  const AttrReader attrs(s.node());
  if (s.has(past_length_in) || s.wants(3)) return false;
  const int64_t heads = attrs.integer("num_heads");
  const Shape query = s.shape(s.in(q_in)), out = s.shape(s.node().out[0]);
  if (query.elements() == 0 || out.elements() == 0 || (s.has(past_k_in) != s.has(past_v_in))) return false;
  const int64_t batch = query[0], queries = query[1];
  const bool causal = attrs.integer("unidirectional") != 0;
  // [batch, length, heads, count, depth] of several together.
  const auto packed = [&](ValueId id, int64_t which) {
    const Shape shape = s.shape(id);
    const ValueId one = s.slice(id, 3, which, which + 1);
    return s.transpose(s.reshape(one, {shape[0], shape[1], shape[2], shape[4]}), {0, 2, 1, 3});
  };
  int64_t begin = 0;
  const auto with_bias = [&](ValueId id, bool separate) {
    if (!s.has(bias_in)) return id;
    const Shape shape = s.shape(id);
    const int64_t width = separate ? shape[1] * shape[3] : shape[2];
    const ValueId all = s.reshape(s.in(bias_in), {s.shape(s.in(bias_in)).elements()});
    ValueId own = s.slice(all, 0, begin, begin + width);
    begin += width;
    if (separate) own = s.reshape(own, {1, shape[1], 1, shape[3]});
    return s.op("Add", 14, {id, own});
  };
  const auto read = [&](size_t input) {
    const bool separate = s.shape(s.in(input)).size() == 4;
    return separate ? s.in(input) : by_heads(s, with_bias(s.in(input), false), heads);  // it has had its bias
  };
  Operands o{absent, absent, absent, 1, {}};
  if (query.size() == 5) {
    o.q = with_bias(packed(s.in(q_in), 0), true), o.k = with_bias(packed(s.in(q_in), 1), true);
    o.v = with_bias(packed(s.in(q_in), 2), true);
  } else {
    o.q = read(q_in);
    if (s.shape(s.in(k_in)).size() == 5) {
      o.k = with_bias(packed(s.in(k_in), 0), true), o.v = with_bias(packed(s.in(k_in), 1), true);
    } else {
      o.k = read(k_in), o.v = read(v_in);
    }
  }
  o.k = joined(s, past_k_in, o.k), o.v = joined(s, past_v_in, o.v);
  const int64_t keys = s.shape(o.k)[2];
  if (keys == 0 || (causal && queries * keys > most_scores)) return false;
  o.scale = scale_of(attrs, s.shape(o.q)[3]);
  if (s.has(scores_in)) o.biases.push_back(s.in(scores_in));
  if (!add_integer_mask(s, mask_in, batch, queries, keys, attrs.real("mask_filter_value"), &o)) return false;
  const int64_t past = s.has(past_k_in) ? s.shape(s.in(past_k_in))[2] : 0;
  if (causal && queries > 1) o.biases.push_back(triangle(s, queries, keys, past, lowest));
  s.becomes(0, flat(s, attend(s, o)));
  if (s.wants(1)) s.becomes(1, o.k);
  if (s.wants(2)) s.becomes(2, o.v);
  return true;
}

}  // namespace tessera::optimizer
