// com.microsoft SkipLayerNormalization and SkipSimplifiedLayerNormalization: input + skip + bias,
// normalized.
#include "ops/normalization.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

struct Roles {
  bool centred;
  int bias;  ///< the input that is added before normalizing
};
constexpr Roles layer{true, 4}, simplified{false, 3};

template <const Roles& R>
void infer_skip(Infer& n) {
  const Shape& x = n.shape(0);
  if (x.empty()) fail(Error::Kind::shape, "input has no axes");
  check_broadcast(n.shape(1), x);
  for (int i = 2; i < n.inputs(); ++i)
    if (n.has_input(i) && !(n.shape(i) == Shape{x.back()}))
      fail(Error::Kind::shape, "input ", i, " is ", n.shape(i), " for rows of ", x.back());
  n.set(0, x);
  n.set(1, DType::float32, row_statistics(x, x.rank() - 1));
  n.set(2, DType::float32, row_statistics(x, x.rank() - 1));
  n.set(3, n.in(0).dtype, x);
}

template <const Roles& R>
void skip_reference(const Args& a) {
  const Shape& shape = a.in[0].shape();
  const int64_t hidden = shape.back(), rows = shape.elements(0, shape.rank() - 1);
  const Read<double> x(a.in[0]), skip(a.in[1]), gamma(a.in[2]);
  const Read<double> beta(R.centred && a.has_in(3) ? a.in[3] : View{});
  const Read<double> bias(a.has_in(R.bias) ? a.in[static_cast<size_t>(R.bias)] : View{});
  const auto optional = [&](size_t i) { return i < a.out.size() ? a.out[i] : View{}; };
  Write<float> y(a.out[0]), mean(optional(1)), inverse(optional(2)), total(optional(3));
  const double epsilon = static_cast<double>(a.real("epsilon"));
  RunVector<double> row(static_cast<size_t>(hidden));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t d = 0; d < hidden; ++d) {
      const int64_t i = r * hidden + d;
      row[static_cast<size_t>(d)] = x[i] + skip[i % skip.size()] + (bias ? bias[d] : 0);
      if (total) total[i] = static_cast<float>(row[static_cast<size_t>(d)]);
    }
    Moments m = moments(row.data(), hidden);
    if (!R.centred) m = {0, m.variance + m.mean * m.mean};
    const double scale = 1 / std::sqrt(m.variance + epsilon);
    for (int64_t d = 0; d < hidden; ++d)
      y[r * hidden + d] =
          static_cast<float>((row[static_cast<size_t>(d)] - m.mean) * scale * gamma[d] + (beta ? beta[d] : 0));
    if (mean) mean[r] = static_cast<float>(m.mean);
    if (inverse) inverse[r] = static_cast<float>(scale);
  }
}

// A sum of two or three inputs, normalized along the last axis.
bool follow_normalization(reach::Step& s) {
  if (s.out_types.size() > 1 || !combine(s, {0, 1})) return false;
  s.in[0] = s.out[0];
  s.out.clear();
  return mix_axes(s, s.in[0].axes.size() - 1, s.in[0].axes.size());
}

constexpr AttrDef attrs[] = {{"epsilon", 1e-12}};
const OpDef defs[] = {{.name = "SkipLayerNormalization",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {3, 5},
                       .out = {1, 4},
                       .types = "T=float : T, T, T, T, T -> T, float32, float32, T",
                       .attrs = attrs,
                       .infer = infer_skip<layer>,
                       .reference = skip_reference<layer>,
                       .reach = follow_normalization},
                      {.name = "SkipSimplifiedLayerNormalization",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {3, 4},
                       .out = {1, 4},
                       .types = "T=float : T, T, T, T -> T, float32, float32, T",
                       .attrs = attrs,
                       .infer = infer_skip<simplified>,
                       .reference = skip_reference<simplified>,
                       .reach = follow_normalization}};

}  // namespace

extern const OpFile skip_layer_normalization;
const OpFile skip_layer_normalization{defs};

}  // namespace tessera::ops
