// Reading parameters of a node without the heap: integer lists, axes, types.
#pragma once

#include <cstring>

#include "ops/cpu/layout.h"
#include "runtime/graph/backend.h"

namespace tessera::cpu {

/// A short list of integers from an attribute or an int32 or int64 input.
struct Integers {
  static constexpr int capacity = 16;
  int count = 0;
  int64_t values[capacity] = {};

  Integers() = default;
  explicit Integers(List<int64_t> list) {
    for (const int64_t value : list) push(value);
  }
  explicit Integers(const View& view) {
    const int64_t n = view.data ? view.elements() : 0;  // an absent input has none
    for (int64_t i = 0; i < n; ++i) {
      int64_t wide = 0;
      int32_t narrow = 0;
      if (view.type.dtype == DType::int32) {
        std::memcpy(&narrow, view.data + i * 4, 4);
        wide = narrow;
      } else {
        std::memcpy(&wide, view.data + i * 8, 8);
      }
      push(wide);
    }
  }
  int64_t operator[](int i) const { return values[i]; }
  void push(int64_t value) {
    if (count < capacity) values[count++] = value;
  }
};

/// Attribute "axis", counted from the end when negative.
inline int axis_of(const AttrReader& attrs, int rank) {
  const int64_t axis = attrs.integer("axis");
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

/// Whether input i of the node is given.
inline bool has_input(const Problem& problem, size_t i) {
  return i < problem.node.op_inputs() && problem.node.in[i] != absent;
}

inline bool is_float32(const Type& type) { return type.dtype == DType::float32; }

}  // namespace tessera::cpu
