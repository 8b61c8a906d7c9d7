// GatherElements: out[i][j][k] = data[index[i][j][k]][j][k], for axis 0, and so on.
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile gather_elements;
namespace {

void infer_gather_elements(Infer& infer) {
  const Shape &data = infer.shape(0), &indices = infer.shape(1);
  const auto axis = static_cast<size_t>(infer.axis("axis", infer.rank(0)));
  bool fits = data.size() == indices.size();
  for (size_t i = 0; fits && i < data.size(); ++i) fits = i == axis || indices[i] <= data[i];
  if (!fits) fail(Error::Kind::shape, "indices ", indices, " do not fit data ", data);
  infer.set(0, indices);
}

// One comparison for most.
int64_t place_of(int64_t index, int64_t extent) {
  return static_cast<uint64_t>(index) < static_cast<uint64_t>(extent) ? index : checked_index(index, extent);
}

// Along an axis that is the row's own (along == 0), the next row is asked for meanwhile: nobody can guess its places.
template <class T, class I>
void gather_row(const T* row, int64_t along, int64_t stride, int64_t extent, const I* places, T* to, int64_t count) {
  constexpr int64_t line = 64 / sizeof(T);
  for (int64_t first = 0; first < count; first += line) {
    if (along == 0) __builtin_prefetch(row + extent * stride + first);
    for (int64_t i = first, end = std::min(count, first + line); i < end; ++i)
      to[i] = row[i * along + place_of(static_cast<int64_t>(places[i]), extent) * stride];
  }
}

void reference(const Args& args) {
  const View &data = args.in[0], &indices = args.in[1];
  const auto axis = static_cast<size_t>(normalize_axis(args.integer("axis"), data.shape().rank()));
  const int64_t extent = data.shape()[axis];
  Shape strides = strides_of(data.shape());
  const int64_t stride = strides[axis];
  strides[axis] = 0;
  const auto gather = [&]<class T, class I>(const I* places) {
    const T* from = data.as<T>();
    T* to = args.out[0].as<T>();
    walk(indices.shape(), std::array{strides}, [&](const auto& at, const auto& step, int64_t count) {
      gather_row(from + at[0], step[0], stride, extent, places, to, count);
      to += count, places += count;
    });
  };
  visit_bits(data.type.dtype, [&]<class T>() {
    if (indices.type.dtype == DType::int64)
      gather.template operator()<T>(indices.as<int64_t>());
    else
      gather.template operator()<T>(indices.as<int32_t>());
  });
}

constexpr AttrDef attrs[] = {{"axis"}};
const OpDef defs[] = {{"GatherElements",
                       "",
                       11,
                       {2, 2},
                       {1, 1},
                       "T=all; I=int32|int64 : T, I -> T",
                       attrs,
                       infer_gather_elements,
                       reference,
                       reach::not_followed}};

}  // namespace
const OpFile gather_elements{defs};
}  // namespace tessera::ops
