// Multinomial: draws class indices from rows of unnormalized log-probabilities.
#include <algorithm>

#include "ops/elements.h"
#include "ops/random.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_multinomial(Infer& n) {
  const Shape& x = n.shape(0);
  const int64_t count = n.integer("sample_size");
  const DType dtype = named_dtype(n, DType::int32);
  if (x.rank() != 2 || x[1] < 1 || count < 0) fail(Error::Kind::shape, count, " draws from ", x);
  if (dtype != DType::int32 && dtype != DType::int64) fail(Error::Kind::type, "draws as ", name_of(dtype));
  n.set(0, dtype, {x[0], count});
}

void multinomial_reference(const Args& a) {
  Random random(a);
  const int64_t classes = a.in[0].shape()[1], draws = a.out[0].shape()[1];
  const Read<double> x(a.in[0]);
  if (a.out[0].elements() == 0) return;  // without rows there may be any number of classes
  RunVector<double> sums(static_cast<size_t>(classes));
  for (int64_t row = 0; row < a.out[0].shape()[0]; ++row) {
    const double* scores = x.data() + row * classes;
    const double largest = *std::max_element(scores, scores + classes);
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) sums[static_cast<size_t>(c)] = sum += std::exp(scores[c] - largest);
    for (const int64_t d : Steps(draws)) {
      const auto at = std::upper_bound(sums.begin(), sums.end() - 1, random.uniform() * sum);
      set_element(a.out[0], row * draws + d, static_cast<double>(at - sums.begin()));
    }
  }
}

constexpr AttrDef attrs[] = {{"sample_size", 1}, {"dtype", 6}, {"seed"}};
const OpDef defs[] = {{.name = "Multinomial",
                       .since = 7,
                       .in = {1, 1},
                       .types = "T=float : T",
                       .attrs = attrs,
                       .infer = infer_multinomial,
                       .reference = multinomial_reference,
                       .reach = reach::not_followed,
                       .folds = false}};

}  // namespace

extern const OpFile multinomial;
const OpFile multinomial{defs};

}  // namespace tessera::ops
