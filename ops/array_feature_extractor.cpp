// ai.onnx.ml ArrayFeatureExtractor: picks columns of the last axis.
#include <algorithm>

#include "ops/elements.h"
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_extract(Infer& n) {
  Shape y = n.shape(0);
  if (y.empty()) fail(Error::Kind::shape, "input has no axes");
  if (y.rank() == 1) y.insert(0, 1);
  y[y.size() - 1] = n.shape(1).elements();
  n.set(0, y);
}

void extract_reference(const Args& a) {
  const int64_t width = a.in[0].shape().back(), picked = a.in[1].elements(),
                rows = a.in[0].elements() / std::max<int64_t>(width, 1);
  visit_bits(a.in[0].type.dtype, [&]<class T>() {
    for (const int64_t c : Steps(picked)) {
      const int64_t from = checked_index(index_at(a.in[1], c), width);
      for (const int64_t r : Elements(rows)) a.out[0].as<T>()[r * picked + c] = a.in[0].as<T>()[r * width + from];
    }
  });
}

const OpDef defs[] = {{.name = "ArrayFeatureExtractor",
                       .domain = "ai.onnx.ml",
                       .since = 1,
                       .in = {2, 2},
                       .types = "T=numeric|string : T, int64 -> T",
                       .infer = infer_extract,
                       .reference = extract_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile array_feature_extractor;
const OpFile array_feature_extractor{defs};

}  // namespace tessera::ops
