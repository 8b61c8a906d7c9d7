// Softmax(scale * Q K' + biases) V, spelled out, becomes one StridedAttention: whatever cuts and transposes
// Q, K, V and the result is folded into its strides.

#include <algorithm>
#include <optional>

#include "ops/strided_attention.h"
#include "ops/walk.h"
#include "optimizer/rewrites.h"
#include "optimizer/strided_view.h"

namespace tessera::optimizer {
namespace {

using ops::StridedAttention;

constexpr int64_t fewest_queries = 4;  // below, packing keys and values costs more than it saves

// A value times a number, with the multiplications by numbers peeled off.
struct Scaled {
  ValueId id;
  double scale = 1;
};

bool peel(Edit& edit, const Node* node, Scaled* scaled) {
  double number;
  if (is(node, "Mul") && node->in.size() == 2)
    for (const size_t side : {0, 1})
      if (scalar_of(edit.constant(node->in[1 - side]), &number) &&
          edit.value(node->in[side]).type == edit.value(node->out[0]).type) {
        *scaled = {node->in[side], scaled->scale * number};
        return true;
      }
  if (!is(node, "Div") || node->in.size() != 2 || !scalar_of(edit.constant(node->in[1]), &number) || number == 0 ||
      !(edit.value(node->in[0]).type == edit.value(node->out[0]).type))
    return false;
  *scaled = {node->in[0], scaled->scale / number};
  return true;
}

struct Bias {
  ValueId id;
  Shape scores;  // the shape of the scores that it is added to
};

// The scores before the softmax, traced back to the product that makes them.
struct Scores {
  Node* product = nullptr;
  double scale = 1;
  std::vector<Bias> biases;
};

bool keeps_matrices(const Shape& a, const Shape& b) {
  return a.size() >= 2 && b.size() >= 2 && a.back() == b.back() && a[a.size() - 2] == b[b.size() - 2];
}

std::optional<Scores> trace(Edit& edit, ValueId id) {
  Scores scores;
  while (Node* node = edit.maker(id)) {
    if (!edit.only_user(id) || !node->epilogue.empty()) return std::nullopt;
    const Shape& shape = edit.value(id).type.shape;
    Scaled scaled{id, scores.scale};
    if (is(node, "MatMul")) {
      scores.product = node;
      return scores;
    }
    if (node->op->view) {
      if (!keeps_matrices(shape, edit.value(node->in[0]).type.shape)) return std::nullopt;
      id = node->in[0];
    } else if (peel(edit, node, &scaled)) {
      id = scaled.id;
      scores.scale = scaled.scale;
    } else if (is(node, "Add") && node->in.size() == 2 && scores.scale == 1 &&
               scores.biases.size() < StridedAttention::max_biases) {
      // The side that only this sum reads and that has its shape; of two such, the one that is computed
      // by a product is found by trying the first.
      size_t side = 2;
      for (const size_t s : {1, 0})
        if (const ValueId from = node->in[s]; from != absent && edit.only_user(from) == node &&
                                              edit.value(from).type.shape == shape && edit.maker(from) &&
                                              !edit.constant(from))
          side = s;
      if (side == 2) return std::nullopt;
      scores.biases.push_back({node->in[1 - side], shape});
      id = node->in[side];
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

// [batch, heads, ...] of a view with three or four axes; an axis of one repeats.
bool as_heads(const StridedView& view, const Shape& batches, bool turned, ops::StridedHeads* heads) {
  const size_t rank = view.shape.size();
  if (rank != batches.size() + 2 || batches.empty() || batches.size() > 2) return false;
  int64_t strides[2] = {0, 0};
  for (size_t d = 0; d < batches.size(); ++d) {
    if (view.shape[d] != 1 && view.shape[d] != batches[d]) return false;
    if (view.shape[d] != 1) strides[d] = view.strides[d];
  }
  const int64_t row = view.strides[rank - 2], column = view.strides[rank - 1];
  *heads = {view.offset, strides[0], strides[1], turned ? column : row, turned ? row : column};
  return true;
}

// How a bias lies beside scores [batch, heads, queries, keys] when it is added to them under the shape
// [..., queries, keys]: the leading axes have to be the batches, perhaps cut in two, and the heads.
bool as_bias(Edit& edit, const Bias& bias, const Shape& scores, ops::StridedBias* to) {
  const Type& type = edit.value(bias.id).type;
  const size_t rank = bias.scores.size();
  if (type.dtype != DType::float32 || type.shape.size() > rank) return false;
  for (size_t d = rank, i = type.shape.size(); i-- > 0;)
    if (--d; type.shape[i] != 1 && type.shape[i] != bias.scores[d]) return false;
  const Shape strides = ops::broadcast_strides(type.shape, bias.scores);
  const auto& s = bias.scores;
  to->query = strides[rank - 2];
  to->key = strides[rank - 1];
  if (s == scores) {
    const bool heads = rank == 4;
    to->period = s[0];
    to->batch = strides[0];
    to->head = heads ? strides[1] : 0;
    return true;
  }
  if (rank != 5 || scores.size() != 4 || s[2] != scores[1] || s[0] * s[1] != scores[0]) return false;
  to->head = strides[2];
  to->batch = strides[1];
  if (s[0] == 1 || strides[0] == 0)
    to->period = s[1];
  else if (strides[0] == s[1] * strides[1])
    to->period = scores[0];
  else
    return false;
  return true;
}

// The kernel adds where the scores lie transposed: constants are turned once, here.
ValueId turned(Edit& edit, ValueId id, ops::StridedBias* lies) {
  const Tensor* constant = edit.constant(id);
  if (!constant || lies->query <= 1 || lies->key != 1) return id;
  const Tensor bias = constant->aligned();
  Type type = bias.type;
  const int64_t keys = lies->query, queries = type.shape[type.shape.size() - 2];
  std::swap(type.shape[type.shape.size() - 2], type.shape[type.shape.size() - 1]);
  Tensor tensor = Tensor::make(type);
  const auto* from = bias.as<const float>();
  auto* to = tensor.as<float>();
  for (int64_t m = 0, end = type.shape.elements(); m < end; m += queries * keys)
    for (int64_t i = 0; i < queries; ++i)
      for (int64_t j = 0; j < keys; ++j) to[m + j * queries + i] = from[m + i * keys + j];
  lies->query = 1;
  lies->key = queries;
  return edit.add_constant(cat(edit.value(id).name, ":turned"), std::move(tensor));
}

std::vector<int64_t> listed(const ops::StridedHeads& h) { return {h.offset, h.batch, h.head, h.position, h.channel}; }

// A number that multiplies an operand, before or after it is moved about.
Scaled unscaled(Edit& edit, ValueId id) {
  Scaled scaled{id};
  while (edit.only_user(scaled.id) && peel(edit, edit.maker(scaled.id), &scaled)) {
  }
  return scaled;
}

bool rewrite(Edit& edit, Node& softmax, const Fits& fits) {
  const Type type = edit.value(softmax.in[0]).type;  // values move when constants are added
  const Shape& shape = type.shape;
  const int rank = shape.rank();
  if (type.dtype != DType::float32 || rank < 3 || rank > 4 || shape.elements() == 0) return false;
  const AttrReader attrs(softmax);
  const int64_t axis = attrs.has("axis") ? attrs.integer("axis") : softmax.opset < 13 ? 1 : -1;
  if (axis != rank - 1 && axis != -1) return false;
  const auto last = static_cast<size_t>(rank - 1);
  if (shape[last - 1] < fewest_queries) return false;

  Node* second = edit.only_user(softmax.out[0]);
  if (!is(second, "MatMul") || second->in[0] != softmax.out[0] || second->in[1] == softmax.out[0]) return false;
  const std::optional<Scores> scores = trace(edit, softmax.in[0]);
  if (!scores || !(edit.value(scores->product->out[0]).type.shape == shape)) return false;

  Shape batches;
  for (size_t d = 0; d + 2 < shape.size(); ++d) batches.push_back(shape[d]);
  const Scaled query = unscaled(edit, scores->product->in[0]), key = unscaled(edit, scores->product->in[1]);
  const StridedView q = view_of(edit, query.id), k = view_of(edit, key.id), v = view_of(edit, second->in[1]);
  ops::StridedHeads q_heads, k_heads, v_heads, y_heads;
  if (!as_heads(q, batches, false, &q_heads) || !as_heads(k, batches, true, &k_heads) ||
      !as_heads(v, batches, false, &v_heads))
    return false;

  // The result, and a transposition of it that nobody else precedes.
  Node* end = second;
  Shape out = edit.value(second->out[0]).type.shape;
  if (out.size() != shape.size()) return false;
  const Shape result = out;
  std::vector<size_t> place{0, 1, 2, 3};  // of the result's axes in the output
  if (Node* moved = edit.only_user(second->out[0]); is(moved, "Transpose")) {
    const List<int64_t> perm = AttrReader(*moved).integers("perm");
    for (size_t d = 0; d < out.size(); ++d) place[perm.empty() ? out.size() - 1 - d : static_cast<size_t>(perm[d])] = d;
    end = moved;
    out = edit.value(moved->out[0]).type.shape;
  }
  StridedView y{end->out[0], 0, result, result};
  for (size_t d = 0; d < result.size(); ++d) y.strides[d] = out.elements(place[d] + 1, out.size());
  if (!as_heads(y, batches, false, &y_heads)) return false;

  std::vector<int64_t> biases;
  std::vector<ValueId> in{q.source, k.source, v.source};
  for (const Bias& bias : scores->biases) {
    ops::StridedBias lies;
    if (!as_bias(edit, bias, shape, &lies)) return false;
    const ValueId id = turned(edit, bias.id, &lies);
    biases.insert(biases.end(), {lies.period, lies.batch, lies.head, lies.query, lies.key});
    in.push_back(id);
  }
  Node node = *end;
  node.op = find_op("tessera", "StridedAttention", 1);
  node.opset = 1;
  node.in = in;
  node.attrs = std::make_shared<const Attrs>(
      Attrs{{"sizes", std::vector<int64_t>{batches[0], batches.size() > 1 ? batches[1] : 1, shape[last - 1],
                                           shape[last], q.shape.back(), v.shape.back()}},
            {"q", listed(q_heads)},
            {"k", listed(k_heads)},
            {"v", listed(v_heads)},
            {"y", listed(y_heads)},
            {"biases", biases},
            {"shape", std::vector<int64_t>(out.begin(), out.end())},
            {"scale", static_cast<float>(scores->scale * query.scale * key.scale)}});
  if (!fits(edit.graph(), node)) return false;
  *end = std::move(node);
  edit.refresh();
  return true;
}

}  // namespace

bool find_attention(Graph& graph, const Fits& fits) {
  return edit_each(graph, [&](Edit& edit, Node& node) { return is(&node, "Softmax") && rewrite(edit, node, fits); });
}

}  // namespace tessera::optimizer
