// One row per operator: what it does to the part of the picture that its inputs' elements see.
#pragma once

#include "tools/upscale/reach_field.h"

namespace tessera::upscale {

/// One node of the walk. `in` holds a field for every input, plain ones for what is not of the picture.
struct ReachStep : AttrReader {
  explicit ReachStep(const Node& node) : AttrReader(node) {}
  std::vector<Field> in, out;
  std::vector<Type> in_types, out_types;
  std::vector<const Tensor*> constants;
  int64_t whole[2] = {1, 1};  ///< extents of the picture
  bool global = false;        ///< to be set where an element sees all of a side, or depends on its place

  bool has_input(size_t i) const { return i < in.size() && in_types[i].dtype != DType::undefined; }
  int rank(size_t i) const { return in_types[i].shape.rank(); }
  /// Integers from input `i`; where there is none, from the attribute. False if they are not known.
  bool integers_of(size_t i, Text attribute, std::vector<int64_t>& values) const;
};

/// Fills `out`; false where the operator, or this use of it, is not followed.
using ReachRow = bool (*)(ReachStep&);
/// The row of Resize and Upsample.
bool follow_resize(ReachStep& step);
/// Null: there is no row for that operator.
ReachRow find_reach_row(Text op);

}  // namespace tessera::upscale
