// ai.onnx.ml ArrayFeatureExtractor: picks elements of the last axis.
#include "ops/move.h"

namespace tessera::ops {
extern const OpFile array_feature_extractor;
namespace {

void infer_extractor(Infer& infer) {
  Shape shape = infer.shape(0);
  if (shape.empty()) fail(Error::Kind::shape, "needs an axis to pick from");
  shape[shape.size() - 1] = infer.shape(1).elements();
  if (shape.size() == 1) shape.insert(0, 1);
  infer.set(0, shape);
}

void reference(const Args& args) {
  const View &data = args.in[0], &places = args.in[1];
  const int64_t extent = data.shape().back(), count = places.elements();
  const int64_t rows = data.shape().elements(0, data.shape().size() - 1);
  visit_bits(data.type.dtype, [&]<class T>() {
    T* to = args.out[0].as<T>();
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = 0; i < count; ++i)
        *to++ = data.as<T>()[row * extent + checked_index(places.as<int64_t>()[i], extent)];
  });
}

const OpDef rows[] = {{"ArrayFeatureExtractor", "ai.onnx.ml", 1, {2, 2}, {1, 1}, "T=numeric|string : T, int64 -> T",
                       {}, infer_extractor, reference}};

}  // namespace
const OpFile array_feature_extractor{rows};
}  // namespace tessera::ops
