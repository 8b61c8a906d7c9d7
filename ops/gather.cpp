// Gather: whole slices along one axis, picked by index.
#include <algorithm>

#include "ops/move.h"

namespace tessera::ops {
extern const OpFile gather;
namespace {

void infer_gather(Infer& infer) {
  const Shape &data = infer.shape(0), &indices = infer.shape(1);
  const auto axis = static_cast<size_t>(infer.axis("axis", infer.rank(0)));
  Shape shape;
  for (size_t i = 0; i < axis; ++i) shape.push_back(data[i]);
  for (const int64_t extent : indices) shape.push_back(extent);
  for (size_t i = axis + 1; i < data.size(); ++i) shape.push_back(data[i]);
  infer.set(0, shape);
}

void reference(const Args& args) {
  const View &data = args.in[0], &indices = args.in[1];
  const Around around(data.shape(), normalize_axis(args.integer("axis"), data.shape().rank()));
  const int64_t count = indices.elements();
  for (int64_t i = 0; i < count; ++i) checked_index(index_at(indices, i), around.extent);
  visit_bits(data.type.dtype, [&]<class T>() {
    T* to = args.out[0].as<T>();
    for (int64_t o = 0; o < around.outer; ++o)
      for (int64_t i = 0; i < count; ++i, to += around.inner) {
        const int64_t index = checked_index(index_at(indices, i), around.extent);
        std::copy_n(data.as<T>() + (o * around.extent + index) * around.inner, around.inner, to);
      }
  });
}

constexpr AttrDef attrs[] = {{"axis"}};
const OpDef rows[] = {
    {"Gather", "", 1, {2, 2}, {1, 1}, "T=all; I=int32|int64 : T, I -> T", attrs, infer_gather, reference}};

}  // namespace
const OpFile gather{rows};
}  // namespace tessera::ops
