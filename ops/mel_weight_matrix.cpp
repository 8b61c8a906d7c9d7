// MelWeightMatrix: triangles over the bins of a spectrum, evenly spaced on the mel scale.
#include <algorithm>

#include "ops/elements.h"
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { mels_in, length_in, rate_in, low_in, high_in };

void infer_mel(Infer& n) {
  const int64_t mels = n.integer_of(mels_in), length = n.integer_of(length_in);
  const int64_t dtype = n.integer("output_datatype");
  if (mels < 1 || length < 1) fail(Error::Kind::shape, mels, " mel bins over a transform of ", length);
  if (dtype < 1 || dtype >= dtype_count) fail(Error::Kind::type, "data type ", dtype, " is unknown");
  n.set(0, static_cast<DType>(dtype), {length / 2 + 1, mels});
}

void mel_reference(const Args& a) {
  const int64_t bins = a.out[0].shape()[0], mels = a.out[0].shape()[1];
  const double length = number_or(a, length_in, 1), rate = number_or(a, rate_in, 1);
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double low = mel(number_or(a, low_in, 0)), high = mel(number_or(a, high_in, 0));
  const double step = (high - low) / static_cast<double>(mels + 2);
  const auto edge = [&](int64_t i) {
    const double hertz = 700 * (std::pow(10, (static_cast<double>(i) * step + low) / 2595) - 1);
    const double bin = std::floor((length + 1) * hertz / rate);
    return bin > 0 ? static_cast<int64_t>(std::min(bin, static_cast<double>(bins))) : 0;  // NaN is 0
  };
  const auto set = [&](int64_t bin, int64_t m, double value) {
    if (bin < bins) set_element(a.out[0], bin * mels + m, value);
  };
  for (const int64_t i : Elements(bins * mels)) set_element(a.out[0], i, 0);
  for (const int64_t m : Steps(mels)) {
    const int64_t first = edge(m), centre = edge(m + 1), last = edge(m + 2);
    if (first == centre) set(centre, m, 1);
    for (int64_t j = first; j <= centre && centre > first; ++j)
      set(j, m, static_cast<double>(j - first) / static_cast<double>(centre - first));
    for (int64_t j = centre; j < last; ++j)
      set(j, m, static_cast<double>(last - j) / static_cast<double>(last - centre));
  }
}

constexpr AttrDef attrs[] = {{"output_datatype", 1}};
const OpDef defs[] = {{.name = "MelWeightMatrix",
                       .since = 17,
                       .in = {5, 5},
                       .types = "I=int32|int64; F=float : I, I, I, F, F",
                       .attrs = attrs,
                       .infer = infer_mel,
                       .reference = mel_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile mel_weight_matrix;
const OpFile mel_weight_matrix{defs};

}  // namespace tessera::ops
