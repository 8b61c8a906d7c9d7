// ScatterElements, and Scatter, its first name: data[index[i][j]][j] gets update[i][j], for axis 0.
#include "ops/scatter.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile scatter_elements;
namespace {

void infer_scatter(Infer& infer) {
  const Shape &data = infer.shape(0), &indices = infer.shape(1), &updates = infer.shape(2);
  const auto axis = static_cast<size_t>(infer.axis("axis", infer.rank(0)));
  if (indices != updates) fail(Error::Kind::shape, "indices ", indices, " and updates ", updates, " differ");
  bool fits = data.size() == indices.size();
  for (size_t i = 0; fits && i < data.size(); ++i) fits = i == axis || indices[i] <= data[i];
  if (!fits) fail(Error::Kind::shape, "indices ", indices, " do not fit data ", data);
  join_of(infer);
  infer.set(0, data);
}

void reference(const Args& args) {
  const View &indices = args.in[1], &updates = args.in[2], &out = args.out[0];
  const auto axis = static_cast<size_t>(normalize_axis(args.integer("axis"), out.shape().rank()));
  const int64_t extent = out.shape()[axis];
  copy_elements(args.in[0], out);
  Shape strides = strides_of(out.shape());
  const int64_t stride = strides[axis];
  strides[axis] = 0;
  with_join(args, out.type.dtype, [&]<class T>(auto place) {
    int64_t next = 0;
    walk(indices.shape(), std::array{strides}, [&](const auto& at, const auto& step, int64_t count) {
      for (int64_t i = 0; i < count; ++i, ++next) {
        const int64_t index = checked_index(index_at(indices, next), extent);
        place(out.as<T>()[at[0] + i * step[0] + index * stride], updates.as<T>()[next]);
      }
    });
  });
}

constexpr Text types = "T=all; I=int32|int64 : T, I, T -> T";
constexpr AttrDef old_attrs[] = {{"axis"}}, attrs[] = {{"axis"}, {.name = "reduction", .text = "none", .since = 16}};
const OpDef defs[] = {
    {"Scatter", "", 9, {3, 3}, {1, 1}, types, old_attrs, infer_scatter, reference, reach::not_followed},
    {"ScatterElements", "", 11, {3, 3}, {1, 1}, types, attrs, infer_scatter, reference, reach::not_followed},
};

}  // namespace
const OpFile scatter_elements{defs};
}  // namespace tessera::ops
