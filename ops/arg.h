// ArgMax and ArgMin: the place along an axis of the element that is above, or below, all others.
#pragma once

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {

inline void infer_arg(Infer& infer) {
  Shape shape;
  const Shape& in = infer.shape(0);
  const auto axis = static_cast<size_t>(infer.axis("axis", infer.rank(0)));
  if (in[axis] == 0) fail(Error::Kind::shape, "axis ", axis, " of ", in, " is empty");
  for (size_t i = 0; i < in.size(); ++i) {
    if (i != axis)
      shape.push_back(in[i]);
    else if (infer.integer("keepdims"))
      shape.push_back(1);
  }
  infer.set(0, shape);
}

/// Better()(x, y): x is to be preferred to y. NaN is preferred to every number.
template <class Better>
void run_arg(const Args& args) {
  const View& in = args.in[0];
  const Around around(in.shape(), normalize_axis(args.integer("axis"), in.shape().rank()));
  const bool last = args.integer("select_last_index") != 0;
  visit(in.type.dtype, [&]<class T>() {
    int64_t* to = args.out[0].as<int64_t>();
    for (int64_t o = 0; o < around.outer; ++o)
      for (int64_t i = 0; i < around.inner; ++i, ++to) {
        const T* from = in.as<T>() + o * around.extent * around.inner + i;
        int64_t best = 0;
        for (int64_t k = 1; k < around.extent; ++k) {
          const T &x = from[k * around.inner], &y = from[best * around.inner];
          const bool unordered = x != x && y == y, same = x == y || (x != x && y != y);
          if (unordered || Better()(x, y) || (last && same)) best = k;
        }
        *to = best;
      }
  });
}

inline bool follow_arg(reach::Step& s) {
  std::vector<bool> dropped(s.in[0].axes.size());
  dropped[s.axis()] = true;
  return drop_axes(s, dropped);
}

inline constexpr AttrDef arg_attrs[] = {{"axis", 0}, {"keepdims", 1}, {.name = "select_last_index", .since = 12}};
inline constexpr Text arg_types = "T=numeric : T -> int64";

}  // namespace tessera::ops
