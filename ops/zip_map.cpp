// ai.onnx.ml ZipMap: a matrix as a sequence of maps from class labels to numbers.
#include <algorithm>

#include "ops/containers.h"

namespace tessera::ops {
namespace {

Tensor labels_of(const Frame& f) {
  const auto names = f.texts("classlabels_strings");
  if (names.empty()) return Tensor::of(f.integers("classlabels_int64s"));
  Tensor keys = Tensor::make({DType::string, {static_cast<int64_t>(names.size())}});
  std::copy(names.begin(), names.end(), keys.as<String>());
  return keys;
}

void run_zip(Frame& f) {
  const Tensor& x = tensor_in(f, 0);
  const Shape& shape = x.type.shape;
  const Tensor keys = labels_of(f);
  const int64_t classes = keys.type.shape[0], rows = shape.rank() < 2 ? 1 : shape[0];
  if (shape.rank() > 2 || shape.empty() || shape.back() != classes)
    fail(Error::Kind::shape, "input ", x.type, " for ", classes, " class labels");
  std::vector<Datum> maps;
  for (int64_t r = 0; r < rows; ++r) {
    Datum map;
    map.kind = Kind::map;
    map.keys = keys;
    for (int64_t c = 0; c < classes; ++c) {
      Tensor value = Tensor::make({x.type.dtype, {}});
      set_element(value.view(), 0, element_as_double(x.view(), r * classes + c));
      map.items.push_back(datum_of(std::move(value)));
    }
    maps.push_back(std::move(map));
  }
  f.out[0] = sequence_of(std::move(maps), DType::undefined);
}

constexpr AttrDef attrs[] = {{"classlabels_int64s"}, {"classlabels_strings"}};
const OpDef defs[] = {{.name = "ZipMap",
                       .domain = "ai.onnx.ml",
                       .since = 1,
                       .in = {1, 1},
                       .out = {1, 1},
                       .types = {},
                       .attrs = attrs,
                       .execute = run_zip}};

}  // namespace

extern const OpFile zip_map;
const OpFile zip_map{defs};

}  // namespace tessera::ops
