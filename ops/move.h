// Moving elements without looking at them: strided copies for every dtype, packed ones included.
#pragma once

#include <algorithm>

#include "ops/walk.h"

namespace tessera::ops {

template <class T>
void copy_row(const T* from, int64_t step, T* to, int64_t count) {
  if (step == 1)
    std::copy_n(from, count, to);
  else if (step == 0)
    std::fill_n(to, count, *from);
  else
    for (int64_t i = 0; i < count; ++i) to[i] = from[i * step];
}

/// Element (i, j, ...) of `out` = the element of `in` at base + i * strides[0] + j * strides[1] + ...
inline void copy_strided(const View& in, int64_t base, const Shape& strides, const View& out) {
  if (bits_of(out.type.dtype) < 8) {
    int64_t next = 0;
    walk(out.shape(), std::array{strides}, [&](const auto& at, const auto& step, int64_t count) {
      for (int64_t i = 0; i < count; ++i) set_element(out, next++, element_as_double(in, base + at[0] + i * step[0]));
    });
    return;
  }
  visit_bits(out.type.dtype, [&]<class T>() {
    T* to = out.as<T>();
    walk(out.shape(), std::array{strides}, [&](const auto& at, const auto& step, int64_t count) {
      copy_row(in.as<T>() + base + at[0], step[0], to, count);
      to += count;
    });
  });
}

/// Copies `in`, broadcast to the shape of `out`.
inline void copy_broadcast(const View& in, const View& out) {
  copy_strided(in, 0, broadcast_strides(in.shape(), out.shape()), out);
}

/// `out` filled with the one element of `value`.
inline void fill(const View& out, const View& value) { copy_strided(value, 0, Shape(out.shape().size(), 0), out); }

/// The reference of operators that give their input's bytes another shape.
inline void copy_input(const Args& args) { copy_elements(args.in[0], args.out[0]); }

/// The product of the extents before, at and after an axis: [outer, extent, inner].
struct Around {
  int64_t outer, extent, inner;
  Around(const Shape& shape, int axis)
      : outer(shape.elements(0, static_cast<size_t>(axis))),
        extent(shape[static_cast<size_t>(axis)]),
        inner(shape.elements(static_cast<size_t>(axis) + 1, shape.size())) {}
};

/// Element `i` of an int32 or int64 index tensor.
inline int64_t index_at(const View& view, int64_t i) {
  return view.type.dtype == DType::int32 ? view.as<int32_t>()[i] : view.as<int64_t>()[i];
}

/// The elements of a tensor of whole numbers of any type: early opsets wrote counts as floats.
inline std::vector<int64_t> whole_numbers(const View& view) {
  std::vector<int64_t> numbers;
  for (int64_t i = 0, n = view.elements(); i < n; ++i)
    numbers.push_back(static_cast<int64_t>(std::clamp(element_as_double(view, i), -9e18, 9e18)));
  return numbers;
}

/// An index into an axis of `extent`, counted from the end when negative. Throws Error::shape.
inline int64_t checked_index(int64_t index, int64_t extent) {
  if (index < -extent || index >= extent) fail(Error::Kind::shape, "index ", index, " is outside an axis of ", extent);
  return index < 0 ? index + extent : index;
}

/// The axes of a list, normalized; throws Error::shape if one comes twice.
inline Shape normalized_axes(List<int64_t> axes, int rank) {
  Shape result;
  for (const int64_t axis : axes) {
    const int64_t normal = normalize_axis(axis, rank);
    if (std::find(result.begin(), result.end(), normal) != result.end())
      fail(Error::Kind::shape, "axis ", axis, " comes twice");
    result.push_back(normal);
  }
  return result;
}

}  // namespace tessera::ops
