// FlexAttention (preview): attention whose scores and probabilities pass through subgraphs.
#include <algorithm>

#include "ops/attend.h"
#include "ops/containers.h"
#include "ops/steps.h"

namespace tessera::ops {
namespace {

// What a subgraph makes of the whole [batch, heads, queries, keys] tensor; without one, the tensor.
Tensor modified(Frame& f, Text name, Tensor scores) {
  if (!f.has(name)) return scores;
  std::vector<Datum> out = f.run(name, {datum_of(scores)});
  expect_outputs(out, 1);
  if (out[0].kind != Kind::tensor || !(out[0].tensor.type.shape == scores.type.shape))
    fail(Error::Kind::shape, "subgraph \"", name, "\" gives ", out[0].tensor.type, " for ", scores.type);
  return std::move(out[0].tensor);
}

DType type_of_input(const Graph& body) {
  if (body.inputs.empty()) fail(Error::Kind::model, "subgraph \"score_mod\" has no input");
  return body.values[body.inputs[0]].type.dtype;
}

void run_flex(Frame& f) {
  const Tensor &q = tensor_in(f, 0), &k = tensor_in(f, 1), &v = tensor_in(f, 2);
  const Shape &qs = q.type.shape, &ks = k.type.shape, &vs = v.type.shape;
  if (qs.rank() != 4 || ks.rank() != 4 || vs.rank() != 4 || ks[0] != qs[0] || vs[0] != qs[0] || ks[3] != qs[3] ||
      vs[1] != ks[1] || vs[2] != ks[2] || ks[1] < 1 || qs[1] % ks[1])
    fail(Error::Kind::shape, "Q ", qs, ", K ", ks, " and V ", vs, " do not fit together");
  const int64_t heads = qs[1], group = heads / ks[1], queries = qs[2], keys = ks[2], depth = qs[3], width = vs[3];
  const double scale = scale_of(f, depth);
  const Read<double> qv(q), kv(k), vv(v);
  // Scores in float at least, so that the subgraphs do not lose more than the operands did.
  const DType inner = q.type.dtype == DType::float64 ? DType::float64 : DType::float32;
  const DType declared = f.has("score_mod") ? type_of_input(f.graph("score_mod")) : DType::undefined;
  const DType wanted = declared == DType::undefined ? inner : declared;
  Tensor scores = Tensor::make({wanted, {qs[0], heads, queries, keys}});
  const int64_t rows = qs[0] * heads * queries;
  const auto plane_of = [&](int64_t row) { return row / queries / heads * ks[1] + row / queries % heads / group; };
  for (const int64_t row : Steps(rows))
    for (int64_t j = 0; j < keys; ++j) {
      double dot = 0;
      for (int64_t d = 0; d < depth; ++d) dot += qv[row * depth + d] * kv[(plane_of(row) * keys + j) * depth + d];
      set_element(scores.view(), row * keys + j, dot * scale);
    }
  scores = modified(f, "score_mod", std::move(scores));
  Tensor chances = Tensor::make(scores.type);
  {
    const Read<double> from(scores);
    Write<double> to(chances.view());
    for (const int64_t row : Steps(rows)) {
      const double* x = from.data() + row * keys;
      double largest = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t j = 0; j < keys; ++j) largest = std::max(largest, x[j]);
      if (largest == -std::numeric_limits<double>::infinity()) largest = 0;
      for (int64_t j = 0; j < keys; ++j) sum += std::exp(x[j] - largest);
      for (int64_t j = 0; j < keys; ++j) to[row * keys + j] = sum > 0 ? std::exp(x[j] - largest) / sum : 0;
    }
  }
  chances = modified(f, "prob_mod", std::move(chances));
  const Read<double> weights(chances);
  Tensor y = Tensor::make({q.type.dtype, {qs[0], heads, queries, width}});
  for (const int64_t row : Steps(rows))
    for (int64_t d = 0; d < width; ++d) {
      double sum = 0;
      for (int64_t j = 0; j < keys; ++j) sum += weights[row * keys + j] * vv[(plane_of(row) * keys + j) * width + d];
      set_element(y.view(), row * width + d, sum);
    }
  f.out[0] = datum_of(std::move(y));
}

constexpr AttrDef attrs[] = {{"scale"}, {"score_mod"}, {"prob_mod"}};
const OpDef defs[] = {{.name = "FlexAttention",
                       .domain = "ai.onnx.preview",
                       .since = 1,
                       .in = {3, 3},
                       .types = {},
                       .attrs = attrs,
                       .execute = run_flex}};

}  // namespace

extern const OpFile flex_attention;
const OpFile flex_attention{defs};

}  // namespace tessera::ops
