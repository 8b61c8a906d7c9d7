// CenterCropPad: the middle of a tensor, or the tensor in the middle of zeros.
#include <algorithm>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

Shape axes_of(const AttrReader& n, int rank) {
  Shape axes = normalized_axes(n.integers("axes"), rank);
  if (!n.has("axes"))
    for (int i = 0; i < rank; ++i) axes.push_back(i);
  return axes;
}

void infer_center(Infer& n) {
  Shape y = n.shape(0);
  const Shape axes = axes_of(n, y.rank());
  const auto wanted = n.integers_of(1);
  if (wanted.size() != axes.size()) fail(Error::Kind::shape, wanted.size(), " extents for ", axes.size(), " axes");
  for (size_t i = 0; i < axes.size(); ++i) y[static_cast<size_t>(axes[i])] = wanted[i];
  n.set(0, y);
}

void center_reference(const Args& a) {
  const Shape &x = a.in[0].shape(), &y = a.out[0].shape();
  const Shape from = strides_of(x), to = strides_of(y);
  Shape part;
  int64_t read = 0, write = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    part.push_back(std::min(x[i], y[i]));
    read += (x[i] - part[i]) / 2 * from[i];
    write += (y[i] - part[i]) / 2 * to[i];
  }
  visit_bits(a.in[0].type.dtype, [&]<class T>() {
    std::fill_n(a.out[0].as<T>(), a.out[0].elements(), T{});
    walk(part, std::array{from, to}, [&](const auto& at, const auto& step, int64_t count) {
      for (int64_t i = 0; i < count; ++i)
        a.out[0].as<T>()[write + at[1] + i * step[1]] = a.in[0].as<T>()[read + at[0] + i * step[0]];
    });
  });
}

constexpr AttrDef attrs[] = {{"axes"}};
const OpDef defs[] = {{.name = "CenterCropPad",
                       .since = 18,
                       .in = {2, 2},
                       .types = "T=all; I=int32|int64 : T, I -> T",
                       .attrs = attrs,
                       .infer = infer_center,
                       .reference = center_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile center_crop_pad;
const OpFile center_crop_pad{defs};

}  // namespace tessera::ops
