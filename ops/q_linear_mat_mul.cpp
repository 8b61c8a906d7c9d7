// QLinearMatMul: a quantized matrix product, from quantized operands to a quantized result.
#include "ops/quantization.h"
#include "ops/quantized_product.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { a_in, a_scale, a_zero, b_in, b_scale, b_zero, y_scale, y_zero };

void infer_quantized(Infer& n) {
  const Shape &a = n.shape(a_in), &b = n.shape(b_in);
  const Product p(a, b);
  for (const In i : {a_scale, a_zero}) check_operand(a, n.shape(i), true);
  for (const In i : {b_scale, b_zero}) check_operand(b, n.shape(i), false);
  const int64_t scales = n.shape(y_scale).elements(), zeros = n.shape(y_zero).elements();
  if ((scales != 1 && scales != p.n && scales != p.m) || !scales || (zeros != 1 && zeros != scales))
    fail(Error::Kind::shape, "scale ", n.shape(y_scale), " and zero point ", n.shape(y_zero), " for ", p.out);
  n.set(0, n.in(y_zero).dtype, p.out);
}

void quantized_reference(const Args& g) {
  const Shape &a = g.in[a_in].shape(), &b = g.in[b_in].shape();
  const Product p(a, b);
  // Floats keep their fractions, integers are exact in a double either way.
  const auto left = centred<double>(g.in[a_in], g.in[a_zero], true);
  const auto right = centred<double>(g.in[b_in], g.in[b_zero], false);
  const Read<float> as(g.in[a_scale]), bs(g.in[b_scale]), ys(g.in[y_scale]);
  const Read<double> zero(g.in[y_zero]);
  const View& y = g.out[0];
  const IntegerRange range = range_of(y.type.dtype);
  multiply<double>(p, left.data(), right.data(), [&](int64_t row, int64_t at, const double* sums) {
    for (int64_t j = 0; j < p.n; ++j) {
      const int64_t line = row % p.m;
      const int64_t out = ys.size() == p.n && p.n > 1 ? j : ys.size() == p.m ? line : 0;
      const float scale = as[as.size() == 1 ? 0 : row % as.size()] * bs[bs.size() == 1 ? 0 : j % bs.size()];
      requantize(y, at + j, sums[j], scale / ys[out], zero[zero.size() == 1 ? 0 : out], range);
    }
  });
}

const OpDef defs[] = {{.name = "QLinearMatMul",
                       .since = 10,
                       .in = {8, 8},
                       .types = "A=fixed; B=fixed; S=float; Y=fixed : A, S, A, B, S, B, S, Y",
                       .infer = infer_quantized,
                       .reference = quantized_reference,
                       .reach = follow_product<0, 3>,
                       .work = line_work,
                       .quantized = true}};

}  // namespace

extern const OpFile q_linear_mat_mul;
const OpFile q_linear_mat_mul{defs};

}  // namespace tessera::ops
