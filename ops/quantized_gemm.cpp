// QuantizedGemm (domain tessera): rows of quantized numbers times the rows of a quantized matrix, with
// the inputs of QuantizedConv. Without y_scale and y_zero_point the result is the real numbers that the
// sums stand for, and the bias may be real numbers too; with `sums`, it is the sums themselves.
#include "ops/quantized_conv.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_quantized(Infer& n) {
  const Shape &x = n.shape(q_x), &w = n.shape(q_w);
  if (x.rank() < 1 || w.rank() != 2 || x.back() != w[1]) fail(Error::Kind::shape, "rows ", x, " and weights ", w);
  Shape y = x;
  y[y.size() - 1] = w[0];
  set_scaled_sums(n, y, w[0]);
  if (n.integer("sums")) n.set(0, DType::int32, y);
}

void quantized_reference(const Args& a) {
  const auto x = centred_input(a.in[q_x], a.in[q_x_zero]);
  const auto w = centred_weights(a.in[q_w], a.in[q_w_zero]);
  const ScaledSums scaled(a);
  const bool sums = a.integer("sums") != 0;
  const int64_t depth = a.in[q_w].shape()[1], columns = a.in[q_w].shape()[0];
  for (int64_t i = 0; i < a.out[0].elements(); ++i) {
    const int64_t row = i / columns, channel = i % columns;
    int32_t sum = 0;
    for (int64_t k = 0; k < depth; ++k)
      sum += x[static_cast<size_t>(row * depth + k)] * w[static_cast<size_t>(channel * depth + k)];
    if (sums)
      a.out[0].as<int32_t>()[i] = sum;
    else
      scaled.store(i, channel, sum);
  }
}

constexpr AttrDef attrs[] = {{"sums", 0}};
const OpDef defs[] = {{.name = "QuantizedGemm",
                       .domain = "tessera",
                       .in = {6, 9},
                       .types = "X=int8|uint8; W=int8|uint8; Y=int8|uint8; B=int32|float32 : "
                                "X, float32, X, W, float32, W, float32, Y, B",
                       .attrs = attrs,
                       .infer = infer_quantized,
                       .reference = quantized_reference,
                       .reach = reach::not_followed,
                       .work = filter_work<q_w>,
                       .quantized = true}};

}  // namespace

extern const OpFile quantized_gemm;
const OpFile quantized_gemm{defs};

}  // namespace tessera::ops
