// com.microsoft QGemm, MatMulIntegerToFloat and DynamicQuantizeMatMul: integer products whose
// result is scaled to floats, or quantized again.
#include <algorithm>

#include "ops/matrix.h"
#include "ops/quantization.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

// A matrix, or a stack of them, less its zero point, with its scale put in where there is one.
struct Side {
  Shape shape;
  RunVector<double> values;

  // Scale and zero point: one number, or one per column.
  Side(const View& x, const View& scale, const View& zero) : shape(x.shape()) {
    const Read<double> from(x), scales(scale), zeros(zero);
    const int64_t columns = std::max<int64_t>(shape.back(), 1);
    values.resize(static_cast<size_t>(from.size()));
    for (int64_t i = 0; i < from.size(); ++i) {
      const double z = !zeros ? 0 : zeros[zeros.size() == 1 ? 0 : i % columns % zeros.size()];
      const double s = !scales ? 1 : scales[scales.size() == 1 ? 0 : i % columns % scales.size()];
      values[static_cast<size_t>(i)] = (from[i] - z) * s;
    }
  }

  void transpose() {
    const int64_t r = shape[0], c = shape[1];
    RunVector<double> turned(values.size());
    for (int64_t i = 0; i < r * c; ++i) turned[static_cast<size_t>(i % c * r + i / c)] = values[static_cast<size_t>(i)];
    values = std::move(turned);
    shape = {c, r};
  }
};

View optional(const Args& a, size_t i) { return a.has_in(i) ? a.in[i] : View{}; }

void check_columns(Infer& n, int i, int64_t columns) {
  if (!n.has_input(i)) return;
  const int64_t count = n.shape(i).elements();
  if (count != 1 && count != columns)
    fail(Error::Kind::shape, "input ", i, " is ", n.shape(i), " for ", columns, " columns");
}

// y[rows, n] = product + bias, as floats.
void store_floats(const Args& a, const Product& p, const Side& x, const Side& w, const View& bias_view) {
  const Read<double> bias(bias_view);
  Write<float> y(a.out[0]);
  multiply<double>(p, x.values.data(), w.values.data(), [&](int64_t, int64_t at, const double* sums) {
    for (int64_t j = 0; j < p.n; ++j) y[at + j] = static_cast<float>(sums[j] + (bias ? bias[j % bias.size()] : 0));
  });
}

enum ToFloat { tf_a, tf_b, tf_a_scale, tf_b_scale, tf_a_zero, tf_b_zero, tf_bias };

void infer_to_float(Infer& n) {
  const Product p(n.shape(tf_a), n.shape(tf_b));
  check_columns(n, tf_a_scale, 1);
  check_columns(n, tf_a_zero, 1);
  for (const int i : {tf_b_scale, tf_b_zero, tf_bias}) check_columns(n, i, p.n);
  n.set(0, n.in(tf_a_scale).dtype, p.out);
}

void to_float(const Args& a) {
  const Side x(a.in[tf_a], a.in[tf_a_scale], optional(a, tf_a_zero)),
      w(a.in[tf_b], a.in[tf_b_scale], optional(a, tf_b_zero));
  store_floats(a, Product(x.shape, w.shape), x, w, optional(a, tf_bias));
}

enum Dynamic { dy_a, dy_b, dy_scale, dy_zero, dy_bias };

void infer_dynamic(Infer& n) {
  const Product p(n.shape(dy_a), n.shape(dy_b));
  for (const int i : {dy_scale, dy_zero, dy_bias}) check_columns(n, i, p.n);
  n.set(0, n.in(dy_a).dtype, p.out);
}

// A is quantized as DynamicQuantizeLinear would.
void dynamic(const Args& a) {
  const Read<float> from(a.in[dy_a]);
  float low = 0, high = 0;
  for (int64_t i = 0; i < from.size(); ++i) low = std::min(low, from[i]), high = std::max(high, from[i]);
  const float scale = high == low ? 1.0f : (high - low) / 255;
  const double zero = static_cast<double>(std::nearbyint(std::clamp(0 - low / scale, 0.0f, 255.0f)));
  Side x(a.in[dy_a], {}, {});
  for (int64_t i = 0; i < from.size(); ++i)
    x.values[static_cast<size_t>(i)] = (quantized(from[i] / scale, zero, {0, 255}) - zero) * static_cast<double>(scale);
  const Side w(a.in[dy_b], a.in[dy_scale], optional(a, dy_zero));
  store_floats(a, Product(x.shape, w.shape), x, w, optional(a, dy_bias));
}

enum Gemm { g_a, g_a_scale, g_a_zero, g_b, g_b_scale, g_b_zero, g_c, g_y_scale, g_y_zero };

void infer_gemm(Infer& n) {
  Shape a = n.shape(g_a), b = n.shape(g_b);
  if (a.rank() != 2 || b.rank() != 2) fail(Error::Kind::shape, a, " times ", b);
  if (n.integer("transA")) std::swap(a[0], a[1]);
  if (n.integer("transB")) std::swap(b[0], b[1]);
  const Product p(a, b);
  check_columns(n, g_a_scale, 1);
  check_columns(n, g_a_zero, 1);
  for (const int i : {g_b_scale, g_b_zero}) check_columns(n, i, p.n);
  check_columns(n, g_y_scale, 1);
  if (n.has_input(g_c)) check_broadcast(n.shape(g_c), p.out);
  n.set(0, n.has_input(g_y_scale) ? n.has_input(g_y_zero) ? n.in(g_y_zero).dtype : DType::uint8 : DType::float32,
        p.out);
}

// C counts in units of both scales. Per-column parameters of B come after it is turned.
void gemm(const Args& a) {
  Side x(a.in[g_a], {}, optional(a, g_a_zero)), w(a.in[g_b], {}, {});
  if (a.integer("transA")) x.transpose();
  if (a.integer("transB")) w.transpose();
  const Product p(x.shape, w.shape);
  const Read<double> zeros(optional(a, g_b_zero)), scales(a.in[g_b_scale]), c(optional(a, g_c));
  if (zeros)
    for (size_t i = 0; i < w.values.size(); ++i)
      w.values[i] -= zeros[zeros.size() == 1 ? 0 : static_cast<int64_t>(i) % p.n];
  std::vector<int64_t> c_at;
  if (c) c_at = broadcast_offsets(a.in[g_c].shape(), p.out);
  const double factor = static_cast<double>(a.real("alpha")) * number_or(a, g_a_scale, 1);
  const double out = number_or(a, g_y_scale, 1), zero = number_or(a, g_y_zero, 0);
  const View& y = a.out[0];
  const bool floats = is_float(y.type.dtype);
  const IntegerRange range = range_of(y.type.dtype);
  multiply<double>(p, x.values.data(), w.values.data(), [&](int64_t, int64_t at, const double* sums) {
    for (int64_t j = 0; j < p.n; ++j) {
      const double sum = sums[j] + (c ? c[c_at[static_cast<size_t>(at + j)]] : 0);
      const double value = sum * factor * scales[scales.size() == 1 ? 0 : j];
      set_element(y, at + j, floats ? value : quantized(static_cast<float>(value / out), zero, range));
    }
  });
}

double gemm_work(const AttrReader& n, List<Type> in, List<Type> out) {
  return sums(out[0], in[g_a].shape[n.integer("transA") ? 0 : 1]);
}

using Work = double(const AttrReader&, List<Type>, List<Type>);
constexpr AttrDef attrs[] = {{"alpha", 1}, {"transA", 0}, {"transB", 0}};
constexpr OpDef def(Text name, Arity in, Text types, void (*infer)(Infer&), void (*reference)(const Args&),
                    Work* work) {
  return {.name = name,
          .domain = "com.microsoft",
          .since = 1,
          .in = in,
          .types = types,
          .attrs = attrs,
          .infer = infer,
          .reference = reference,
          .reach = reach::not_followed,
          .work = work,
          .quantized = true};
}
const OpDef defs[] = {
    def("MatMulIntegerToFloat", {4, 7}, "A=int8|uint8; B=int8|uint8; T=float16|float32 : A, B, T, T, A, B, T -> T",
        infer_to_float, to_float, line_work),
    def("DynamicQuantizeMatMul", {3, 5}, "T=float32; B=int8|uint8 : T, B, T, B, T -> T", infer_dynamic, dynamic,
        line_work),
    def("QGemm", {1, 9}, "A=int8|uint8; B=int8|uint8; Y=int8|uint8 : A, float32, A, B, float32, B, int32, float32, Y",
        infer_gemm, gemm, gemm_work),
};

}  // namespace

extern const OpFile q_gemm;
const OpFile q_gemm{defs};

}  // namespace tessera::ops
