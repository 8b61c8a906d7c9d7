// com.microsoft QGemm: integer products whose result is scaled to floats, or quantized again.
#include <algorithm>

#include "ops/matrix.h"
#include "ops/quantization.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

// A matrix less its zero point.
struct Side {
  Shape shape;
  RunVector<double> values;

  Side(const View& x, double zero) : shape(x.shape()) {
    const Read<double> from(x);
    values.resize(static_cast<size_t>(from.size()));
    for (int64_t i = 0; i < from.size(); ++i) values[static_cast<size_t>(i)] = from[i] - zero;
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
  Side x(a.in[g_a], number_or(a, g_a_zero, 0)), w(a.in[g_b], 0);
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

constexpr AttrDef attrs[] = {{"alpha", 1}, {"transA", 0}, {"transB", 0}};
const OpDef defs[] = {
    {.name = "QGemm",
     .domain = "com.microsoft",
     .since = 1,
     .in = {6, 9},
     .types = "A=int8|uint8; B=int8|uint8; Y=int8|uint8 : A, float32, A, B, float32, B, int32, float32, Y",
     .attrs = attrs,
     .infer = infer_gemm,
     .reference = gemm,
     .reach = reach::not_followed,
     .work = gemm_work,
     .quantized = true}};

}  // namespace

extern const OpFile q_gemm;
const OpFile q_gemm{defs};

}  // namespace tessera::ops
