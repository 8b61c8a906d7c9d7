// What a Pad says, read in one place for inference, the reference and kernels.
#pragma once

#include "ops/move.h"

namespace tessera::ops {

/// Amounts before and after each axis.
struct Amounts {
  Shape before, after;
};

inline Amounts amounts_of(int rank, List<int64_t> pads, const std::vector<int64_t>* axes) {
  Amounts amounts{Shape(static_cast<size_t>(rank), 0), Shape(static_cast<size_t>(rank), 0)};
  const size_t count = axes ? axes->size() : static_cast<size_t>(rank);
  if (pads.size() != 2 * count || count > static_cast<size_t>(rank))
    fail(Error::Kind::shape, pads.size(), " pads given, but ", count, " axes of ", rank, " need ", 2 * count);
  for (size_t i = 0; i < count; ++i) {
    const auto axis = static_cast<size_t>(axes ? normalize_axis((*axes)[i], rank) : static_cast<int>(i));
    amounts.before[axis] = pads[i];
    amounts.after[axis] = pads[count + i];
  }
  return amounts;
}

/// Those of a node over an input of that rank. `input(i)` is the View of input i, without a type where the node has
/// none; they were attributes before opset 11.
template <class Input>
Amounts pad_amounts(const AttrReader& n, int rank, Input input) {
  if (n.node().op->since < 11) return amounts_of(rank, n.integers(n.has("pads") ? "pads" : "paddings"), nullptr);
  const View named = input(size_t{3});
  const bool given = named.type.dtype != DType::undefined;
  const auto pads = as_integers(input(size_t{1})), axes = given ? as_integers(named) : std::vector<int64_t>{};
  return amounts_of(rank, pads, given ? &axes : nullptr);
}

}  // namespace tessera::ops
