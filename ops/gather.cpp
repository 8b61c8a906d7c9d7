// Gather: whole slices along one axis, picked by index.
#include <algorithm>

#include "ops/elements.h"
#include "ops/move.h"
#include "runtime/graph/reach.h"

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
  for (const int64_t i : Elements(count)) checked_index(index_at(indices, i), around.extent);
  visit_bits(data.type.dtype, [&]<class T>() {
    T* to = args.out[0].as<T>();
    for (const int64_t o : Steps(around.outer))
      for (int64_t i = 0; i < count; ++i, to += around.inner) {
        check_cancelled();
        const int64_t index = checked_index(index_at(indices, i), around.extent);
        std::copy_n(data.as<T>() + (o * around.extent + index) * around.inner, around.inner, to);
      }
  });
}

// Elements of an axis of channels, by indices that are known or follow the picture.
bool follow_gather(reach::Step& s) {
  const size_t axis = s.axis();
  reach::Field field = s.in[0];
  const reach::Field& indices = s.in[1];
  if (!make_plain(s, field, axis, 1) || (field.on_picture() && indices.on_picture())) return false;
  const auto at = field.axes.begin() + static_cast<ptrdiff_t>(axis);
  field.axes.insert(field.axes.erase(at), indices.axes.begin(), indices.axes.end());
  if (indices.on_picture())
    for (const int side : {reach::rows, reach::columns})
      field.low[side] = indices.low[side], field.high[side] = indices.high[side];
  s.out = {field};
  return true;
}

constexpr AttrDef attrs[] = {{"axis"}};
const OpDef defs[] = {{"Gather",
                       "",
                       1,
                       {2, 2},
                       {1, 1},
                       "T=all; I=int32|int64 : T, I -> T",
                       attrs,
                       infer_gather,
                       reference,
                       follow_gather}};

}  // namespace
const OpFile gather{defs};
}  // namespace tessera::ops
