// LpNormalization: vectors along an axis divided by their 1- or 2-norm.
#include "ops/indices.h"
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_lp(Infer& n) {
  n.axis("axis", n.rank(0));
  const int64_t p = n.integer("p");
  if (p != 1 && p != 2) fail(Error::Kind::model, "attribute \"p\" is ", p, ", but must be 1 or 2");
  infer_same(n);
}

void lp_reference(const Args& a) {
  const Around s(a.in[0].shape(), normalize_axis(a.integer("axis"), a.in[0].shape().rank()));
  const bool absolute = a.integer("p") == 1;
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.inner; ++i) {
        const int64_t at = o * s.extent * s.inner + i;
        // Sums that do not wait for each other.
        constexpr int64_t sums = 8;
        double parts[sums] = {};
        for (int64_t l = 0; l < s.extent; ++l) {
          const double v = static_cast<double>(x[at + l * s.inner]);
          parts[l % sums] += absolute ? std::abs(v) : v * v;
        }
        double norm = 0;
        for (const double part : parts) norm += part;
        if (!absolute) norm = std::sqrt(norm);
        const double inverse = norm == 0 ? 0 : 1 / norm;
        for (int64_t l = at; l < at + s.extent * s.inner; l += s.inner)
          y[l] = static_cast<T>(std::isinf(inverse) ? static_cast<double>(x[l]) / norm
                                                    : static_cast<double>(x[l]) * inverse);
      }
  });
}

bool follow_normalization(reach::Step& s) { return mix_axes(s, s.axis(), s.axis() + 1); }

constexpr AttrDef attrs[] = {{"axis", -1}, {"p", 2}};
const OpDef defs[] = {{.name = "LpNormalization",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = attrs,
                       .infer = infer_lp,
                       .reference = lp_reference,
                       .reach = follow_normalization}};

}  // namespace

extern const OpFile lp_normalization;
const OpFile lp_normalization{defs};

}  // namespace tessera::ops
