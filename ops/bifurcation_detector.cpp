// com.microsoft BifurcationDetector: takes of predicted tokens those up to the first that is not the source's, and
// looks in the source for where the last tokens stand once.
#include <algorithm>

#include "ops/data_dependent.h"
#include "ops/elements.h"
#include "ops/move.h"

namespace tessera::ops {
namespace {

std::vector<Tensor> detect(const AttrReader& attrs, List<View> in) {
  for (const View& view : in)
    if (view && view.shape().rank() > 1) fail(Error::Kind::shape, "tokens ", view.shape(), " are no list");
  const std::vector<int64_t> source = as_integers(in[0]);
  std::vector<int64_t> tokens = as_integers(in[1]);
  if (in.size() > 3 && in[3]) {
    const std::vector<int64_t> predicted = as_integers(in[3]), at = as_integers(in[2]);
    const auto length = static_cast<int64_t>(source.size());
    if (at.size() != 1 || at[0] < 0 || at[0] > length || static_cast<int64_t>(predicted.size()) != length + 1 - at[0])
      fail(Error::Kind::shape, predicted.size(), " predicted tokens for ", length, " of the source");
    const auto differ = std::mismatch(source.begin() + at[0], source.end(), predicted.begin()).second;
    tokens.insert(tokens.end(), predicted.begin(), differ + 1);
  }
  int64_t match = -1;
  for (int64_t n = attrs.integer("min_ngram_size"); n < attrs.integer("max_ngram_size"); ++n) {
    check_cancelled();
    if (n < 1 || n > static_cast<int64_t>(tokens.size())) break;
    const auto tail = tokens.end() - n;
    const auto first = std::search(source.begin(), source.end(), tail, tokens.end());
    if (first == source.end()) break;
    match = first - source.begin() + n;
    if (match >= static_cast<int64_t>(source.size())) break;
    if (std::search(first + 1, source.end(), tail, tokens.end()) == source.end()) break;
    match = -1;
  }
  return {Tensor::of(List<int64_t>(tokens)), Tensor::of(List<int64_t>(&match, 1))};
}

constexpr AttrDef attrs[] = {{"min_ngram_size", 1}, {"max_ngram_size", 3}};
const OpDef defs[] = {by_value<detect>("BifurcationDetector", 1, {3, 4}, {2, 2},
                                       "int64, int64, int64, int64 -> int64, int64", attrs, "com.microsoft")};

}  // namespace

extern const OpFile bifurcation_detector;
const OpFile bifurcation_detector{defs};

}  // namespace tessera::ops
