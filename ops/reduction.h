// Which axes a reduction joins into one element.
#pragma once

#include "runtime/graph/op.h"

namespace tessera::ops {

struct ReducedAxes {
  std::vector<bool> reduced;  ///< one per axis of the input
  bool keep;                  ///< the output has them, with one element
};

/// `named`: the attribute `axes` or the input in its place, as far as they are given.
inline ReducedAxes reduced_axes(const AttrReader& attrs, List<int64_t> named, int rank) {
  const bool all = named.empty() && attrs.integer("noop_with_empty_axes") == 0;
  ReducedAxes axes{std::vector<bool>(static_cast<size_t>(rank), all), attrs.integer("keepdims") != 0};
  for (const int64_t axis : named) axes.reduced[static_cast<size_t>(normalize_axis(axis, rank))] = true;
  return axes;
}

}  // namespace tessera::ops
