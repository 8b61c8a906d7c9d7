// LRN: local response normalization across neighbouring channels.
#include <algorithm>

#include "ops/indices.h"
#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_lrn(Infer& n) {
  if (n.rank(0) < 2) fail(Error::Kind::shape, "input ", n.shape(0), " has no channels");
  if (n.integer("size") < 1) fail(Error::Kind::model, "attribute \"size\" is ", n.integer("size"));
  infer_same(n);
}

void lrn_reference(const Args& a) {
  const Around s(a.in[0].shape(), 1);
  const int64_t size = a.integer("size"), before = (size - 1) / 2, after = size - 1 - before;
  const double alpha = static_cast<double>(a.real("alpha")) / static_cast<double>(size);
  const double beta = static_cast<double>(a.real("beta")), bias = static_cast<double>(a.real("bias"));
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (int64_t o = 0; o < s.outer; ++o)
      for (const int64_t c : Steps(s.extent))
        for (int64_t i = 0; i < s.inner; ++i) {
          double sum = 0;
          const int64_t last = std::min(s.extent - 1, c + after);
          for (int64_t l = std::max<int64_t>(0, c - before); l <= last; ++l) {
            const double v = static_cast<double>(x[(o * s.extent + l) * s.inner + i]);
            sum += v * v;
          }
          const int64_t at = (o * s.extent + c) * s.inner + i;
          y[at] = static_cast<T>(static_cast<double>(x[at]) / std::pow(bias + alpha * sum, beta));
        }
  });
}

bool follow_normalization(reach::Step& s) { return mix_axes(s, 1, 2); }

constexpr AttrDef attrs[] = {{"alpha", 1e-4}, {"beta", 0.75}, {"bias", 1}, {"size", 0, {}, true}};
const OpDef defs[] = {{.name = "LRN",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = attrs,
                       .infer = infer_lrn,
                       .reference = lrn_reference,
                       .reach = follow_normalization}};

}  // namespace

extern const OpFile lrn;
const OpFile lrn{defs};

}  // namespace tessera::ops
