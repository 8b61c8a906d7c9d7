// DFT: the discrete Fourier transform along one axis, whole or one-sided, forward or inverse. The
// last axis holds the real part, or the real and the imaginary part.
#include "ops/elements.h"
#include "ops/fourier.h"
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

struct Plan {
  int axis;
  int64_t length;  ///< of the transform
  int64_t bins;    ///< along the axis of the output
  bool inverse, onesided;
  Shape out;

  Plan(const AttrReader& n, const Shape& x, int64_t named_axis, int64_t named_length)
      : inverse(n.integer("inverse") != 0), onesided(n.integer("onesided") != 0), out(x) {
    if (x.rank() < 2 || (x.back() != 1 && x.back() != 2))
      fail(Error::Kind::shape, "input ", x, " does not end in real or complex numbers");
    axis = normalize_axis(named_axis, x.rank());
    if (axis == x.rank() - 1) fail(Error::Kind::shape, "axis ", axis, " is that of the complex parts");
    const auto at = static_cast<size_t>(axis);
    length = named_length > 0 ? named_length : inverse && onesided ? 2 * (x[at] - 1) : x[at];
    if (named_length < 0 || length < 1 || length > 1 << 28) fail(Error::Kind::shape, "a transform of length ", length);
    bins = onesided && !inverse ? length / 2 + 1 : length;
    out[at] = bins;
    out[out.size() - 1] = inverse && onesided ? 1 : 2;
  }
};

Plan plan_17(const AttrReader& n, const Shape& x, int64_t length) { return {n, x, n.integer("axis"), length}; }

void infer_17(Infer& n) { n.set(0, plan_17(n, n.shape(0), n.has_input(1) ? n.integer_of(1) : 0).out); }

void infer_20(Infer& n) {
  const int64_t axis = n.has_input(2) ? n.integer_of(2) : -2;
  n.set(0, Plan(n, n.shape(0), axis, n.has_input(1) ? n.integer_of(1) : 0).out);
}

void run(const Args& a, const Plan& plan) {
  const Shape& shape = a.in[0].shape();
  const int64_t parts = shape.back(), out_parts = plan.out.back(), given = shape[static_cast<size_t>(plan.axis)];
  const Around around(shape, plan.axis);
  const int64_t inner = around.inner / parts;
  const Read<double> x(a.in[0]);
  Write<double> y(a.out[0]);
  const auto roots = unit_roots(plan.length, plan.inverse);
  RunVector<Complex> in(static_cast<size_t>(plan.length)), out(in.size());
  const double scale = plan.inverse ? 1 / static_cast<double>(plan.length) : 1;
  for (const int64_t o : Steps(around.outer))
    for (const int64_t i : Steps(inner)) {
      for (int64_t k = 0; k < plan.length; ++k) {
        // The other half of a one-sided spectrum is its mirror image.
        const bool mirrored = plan.inverse && plan.onesided && k > plan.length / 2;
        const int64_t from = mirrored ? plan.length - k : k;
        Complex value = 0;
        if (from < given) {
          const int64_t at = ((o * given + from) * inner + i) * parts;
          value = {x[at], parts == 2 ? x[at + 1] : 0};
        }
        in[static_cast<size_t>(k)] = mirrored ? std::conj(value) : value;
      }
      transform(in.data(), 1, out.data(), plan.length, roots);
      for (int64_t k = 0; k < plan.bins; ++k) {
        const Complex value = out[static_cast<size_t>(k)] * scale;
        const int64_t at = ((o * plan.bins + k) * inner + i) * out_parts;
        y[at] = value.real();
        if (out_parts == 2) y[at + 1] = value.imag();
      }
    }
}

void dft_17(const Args& a) { run(a, plan_17(a, a.in[0].shape(), integer_or(a, 1, 0))); }

void dft_20(const Args& a) { run(a, Plan(a, a.in[0].shape(), integer_or(a, 2, -2), integer_or(a, 1, 0))); }

constexpr AttrDef attrs[] = {{"axis", 1, {}, false, 17, 19}, {"inverse", 0}, {"onesided", 0}};
const OpDef defs[] = {{.name = "DFT",
                       .since = 17,
                       .in = {1, 2},
                       .types = "T=float; I=int32|int64 : T, I -> T",
                       .attrs = attrs,
                       .infer = infer_17,
                       .reference = dft_17,
                       .reach = reach::not_followed},
                      {.name = "DFT",
                       .since = 20,
                       .in = {1, 3},
                       .types = "T=float; I=int32|int64 : T, I, int64 -> T",
                       .attrs = attrs,
                       .infer = infer_20,
                       .reference = dft_20,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile dft;
const OpFile dft{defs};

}  // namespace tessera::ops
