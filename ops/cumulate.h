// CumSum and CumProd: what has come so far along an axis.
#pragma once

#include "ops/elementwise_math.h"
#include "ops/move.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {

inline void infer_cumulate(Infer& infer) {
  if (infer.shape(1).elements() != 1) fail(Error::Kind::shape, "axis ", infer.in(1), " is not one number");
  infer.set(0, infer.shape(0));
}

/// Join()(so far, next), from `start` on.
template <class Join>
void cumulate(const Args& args, int start) {
  const View &in = args.in[0], &out = args.out[0];
  const Around around(in.shape(), normalize_axis(index_at(args.in[1], 0), in.shape().rank()));
  const bool exclusive = args.integer("exclusive") != 0, reverse = args.integer("reverse") != 0;
  visit(in.type.dtype, [&]<class T>() {
    using N = std::conditional_t<std::is_integral_v<T>, elementwise::math::Int<T>,
                                 std::conditional_t<std::is_same_v<T, double>, double, float>>;
    const auto number = [](const N& n) {
      if constexpr (std::is_integral_v<T>)
        return n.v;
      else
        return T(n);
    };
    // Copies of its own: what is stored could be one of the others.
    const auto run = [number, exclusive, start](const T* from, T* to, int64_t extent, int64_t step) {
      N sum(start);
      for (int64_t k = 0; k < extent; ++k, from += step, to += step) {
        const N next = Join()(sum, N(*from));
        *to = number(exclusive ? sum : next);
        sum = next;
      }
    };
    const int64_t last = (around.extent - 1) * around.inner;
    for (int64_t o = 0; o < around.outer; ++o)
      for (const int64_t i : Steps(around.inner)) {
        const int64_t first = o * around.extent * around.inner + i + (reverse ? last : 0);
        run(in.as<T>() + first, out.as<T>() + first, around.extent, reverse ? -around.inner : around.inner);
      }
  });
}

inline bool follow_cumulate(reach::Step& s) {
  std::vector<int64_t> axis;
  if (!s.integers_of(1, "", axis) || axis.size() != 1) return false;
  const auto at = static_cast<size_t>(normalize_axis(axis[0], s.rank(0)));
  return mix_axes(s, at, at + 1);
}

inline constexpr Text cumulate_types = "T=numeric; I=int32|int64 : T, I -> T";

inline constexpr AttrDef cumulate_attrs[] = {{"exclusive"}, {"reverse"}};

}  // namespace tessera::ops
