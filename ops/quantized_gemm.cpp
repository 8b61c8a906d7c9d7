// QuantizedGemm (domain tessera): rows of quantized numbers times the rows of a quantized matrix, with
// the inputs of QuantizedConv. Without y_scale and y_zero_point the result is the real numbers that the
// sums stand for, and the bias may be real numbers too.
#include "ops/quantization.h"
#include "ops/quantized_conv.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { x_in, x_scale, x_zero, w_in, w_scale, w_zero, y_scale, y_zero, bias_in };

void infer_quantized(Infer& n) {
  const Shape &x = n.shape(x_in), &w = n.shape(w_in);
  if (x.rank() < 1 || w.rank() != 2 || x.back() != w[1]) fail(Error::Kind::shape, "rows ", x, " and weights ", w);
  check_per_channel(n.shape(w_scale), w[0]);
  check_per_channel(n.shape(w_zero), w[0]);
  if (n.has_input(bias_in) && n.shape(bias_in).elements() != w[0])
    fail(Error::Kind::shape, "bias ", n.shape(bias_in), " for ", w[0], " columns");
  Shape y = x;
  y[y.size() - 1] = w[0];
  n.set(0, n.has_input(y_zero) ? n.in(y_zero).dtype : DType::float32, y);
}

void quantized_reference(const Args& a) {
  const auto x = centred_input(a.in[x_in], a.in[x_zero]);
  const auto w = centred_weights(a.in[w_in], a.in[w_zero]);
  const Read<float> ws(a.in[w_scale]);
  const float factor = static_cast<float>(number_or(a, x_scale, 1)), out = static_cast<float>(number_or(a, y_scale, 1));
  const double zero = number_or(a, y_zero, 0);
  const bool real_bias = a.has_in(bias_in) && a.in[bias_in].type.dtype == DType::float32;
  const Read<int32_t> bias(a.has_in(bias_in) && !real_bias ? a.in[bias_in] : View{});
  const View& y = a.out[0];
  const IntegerRange range = range_of(y.type.dtype);
  const int64_t depth = a.in[w_in].shape()[1], columns = a.in[w_in].shape()[0];
  for (int64_t i = 0; i < y.elements(); ++i) {
    const int64_t row = i / columns, channel = i % columns;
    int32_t sum = 0;
    for (int64_t k = 0; k < depth; ++k)
      sum += x[static_cast<size_t>(row * depth + k)] * w[static_cast<size_t>(channel * depth + k)];
    const float scale = factor * ws[ws.size() == 1 ? 0 : channel] / out;
    const double whole = sum + static_cast<double>(bias ? bias[channel] : 0);
    if (is_float(y.type.dtype))
      y.as<float>()[i] =
          static_cast<float>(whole) * scale + (real_bias ? a.in[bias_in].as<const float>()[channel] : 0.0f);
    else
      requantize(y, i, whole, scale, zero, range);
  }
}

const OpDef defs[] = {{.name = "QuantizedGemm",
                       .domain = "tessera",
                       .in = {6, 9},
                       .types = "X=int8|uint8; W=int8|uint8; Y=int8|uint8; B=int32|float32 : "
                                "X, float32, X, W, float32, W, float32, Y, B",
                       .infer = infer_quantized,
                       .reference = quantized_reference,
                       .reach = reach::not_followed,
                       .work = filter_work<w_in>,
                       .quantized = true}};

}  // namespace

extern const OpFile quantized_gemm;
const OpFile quantized_gemm{defs};

}  // namespace tessera::ops
