// ai.onnx.ml Binarizer: 1 above a threshold, else 0.
#include "runtime/graph/op.h"

namespace tessera::ops {
extern const OpFile binarizer;
namespace {

void infer_binarizer(Infer& infer) { infer.set(0, infer.shape(0)); }

void reference(const Args& args) {
  const auto threshold = static_cast<double>(args.real("threshold"));
  visit(args.in[0].type.dtype, [&]<class T>() {
    for (int64_t i = 0, n = args.out[0].elements(); i < n; ++i)
      args.out[0].as<T>()[i] = T(static_cast<double>(args.in[0].as<T>()[i]) > threshold ? 1.0f : 0.0f);
  });
}

const OpDef rows[] = {
    {"Binarizer", "ai.onnx.ml", 1, {1, 1}, {1, 1}, "T=numeric : T -> T", {}, infer_binarizer, reference}};

}  // namespace
const OpFile binarizer{rows};
}  // namespace tessera::ops
