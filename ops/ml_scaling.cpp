// ai.onnx.ml Binarizer, Scaler and Normalizer: a simple map of each row.
#include <algorithm>

#include "ops/ml_scores.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_same_type(Infer& n) { n.set(0, n.in(0).dtype, n.shape(0)); }
void infer_floats(Infer& n) { n.set(0, DType::float32, n.shape(0)); }

void binarizer(const Args& a) {
  const double threshold = static_cast<double>(a.real("threshold"));
  const Read<double> x(a.in[0]);
  for (int64_t i = 0; i < x.size(); ++i) set_element(a.out[0], i, x[i] > threshold ? 1 : 0);
}

void scaler(const Args& a) {
  const auto offset = a.reals("offset"), scale = a.reals("scale");
  const Read<double> x(a.in[0]);
  const int64_t width = Rows(a.in[0].shape()).width;
  const auto at = [&](List<float> values, int64_t i, double otherwise) {
    if (values.empty()) return otherwise;
    const auto column = values.size() == 1 ? 0 : static_cast<size_t>(i % width);
    if (column >= values.size()) fail(Error::Kind::shape, values.size(), " factors for ", width, " columns");
    return static_cast<double>(values[column]);
  };
  for (int64_t i = 0; i < x.size(); ++i) set_element(a.out[0], i, (x[i] - at(offset, i, 0)) * at(scale, i, 1));
}

void normalizer(const Args& a) {
  const Text norm = a.text("norm");
  const Rows rows(a.in[0].shape());
  const Read<double> x(a.in[0]);
  for (int64_t r = 0; r < rows.count; ++r) {
    double size = 0;
    for (int64_t c = 0; c < rows.width; ++c) {
      const double v = x[r * rows.width + c];
      size = norm == "MAX" ? std::max(size, std::abs(v)) : size + (norm == "L1" ? std::abs(v) : v * v);
    }
    if (norm == "L2") size = std::sqrt(size);
    for (int64_t i = r * rows.width; i < (r + 1) * rows.width; ++i)
      set_element(a.out[0], i, size > 0 ? x[i] / size : x[i]);
  }
}

constexpr AttrDef binarizer_attrs[] = {{"threshold", 0}};
constexpr AttrDef scaler_attrs[] = {{"offset"}, {"scale"}};
constexpr AttrDef normalizer_attrs[] = {{"norm", 0, "MAX"}};
constexpr Text domain = "ai.onnx.ml", types = "T=float32|float64|int32|int64 : T";
const OpDef defs[] = {{.name = "Binarizer",
                       .domain = domain,
                       .since = 1,
                       .in = {1, 1},
                       .types = types,
                       .attrs = binarizer_attrs,
                       .infer = infer_same_type,
                       .reference = binarizer,
                       .reach = reach::along},
                      {.name = "Scaler",
                       .domain = domain,
                       .since = 1,
                       .in = {1, 1},
                       .types = types,
                       .attrs = scaler_attrs,
                       .infer = infer_floats,
                       .reference = scaler,
                       .reach = reach::not_followed},
                      {.name = "Normalizer",
                       .domain = domain,
                       .since = 1,
                       .in = {1, 1},
                       .types = types,
                       .attrs = normalizer_attrs,
                       .infer = infer_floats,
                       .reference = normalizer,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile ml_scaling;
const OpFile ml_scaling{defs};

}  // namespace tessera::ops
