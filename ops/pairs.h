// Elementwise loops over two broadcast operands of one type, with a result of any type.
#pragma once

#include "ops/walk.h"

namespace tessera::ops {

inline void infer_pair(Infer& infer) { infer.set(0, broadcast(infer.shape(0), infer.shape(1))); }

/// out = f(x, y) elementwise; T and R are the element types of the operands and of the result.
template <class T, class R, class F>
void for_pairs(const View& x, const View& y, const View& out, F f) {
  R* result = out.as<R>();
  const auto strides = std::array{broadcast_strides(x.shape(), out.shape()), broadcast_strides(y.shape(), out.shape())};
  walk(out.shape(), strides, [&](const auto& at, const auto& step, int64_t count) {
    const T* px = x.as<T>() + at[0];
    const T* py = y.as<T>() + at[1];
    for (int64_t i = 0; i < count; ++i) *result++ = f(px[i * step[0]], py[i * step[1]]);
  });
}

/// Before opset 7, `axis` says where the second operand's axes lie within the first one's: the
/// second operand's shape as numpy's rule needs it.
inline Shape old_operand_shape(const AttrReader& attrs, const Shape& x, const Shape& y) {
  if (!attrs.has("axis")) return y;
  const int axis = normalize_axis(attrs.integer("axis"), x.rank());
  Shape shape = y;
  while (shape.size() + static_cast<size_t>(axis) < x.size()) shape.push_back(1);
  return shape;
}

inline void infer_old_pair(Infer& infer) {
  const Shape &x = infer.shape(0), &y = infer.shape(1);
  if (broadcast(x, old_operand_shape(infer, x, y)) != x)
    fail(Error::Kind::shape, "shape ", y, " does not broadcast to ", x);
  infer.set(0, x);
}

/// The second operand of a node that infer_old_pair has accepted.
inline View old_operand(const Args& args) {
  View y = args.in[1];
  y.type.shape = old_operand_shape(args, args.in[0].shape(), y.shape());
  return y;
}

/// Before opset 7, a second operand could lie along named axes of the first.
inline constexpr AttrDef old_pair_attrs[] = {{"axis"}, {"broadcast"}};

}  // namespace tessera::ops
