// A value seen as part of another one: what transpositions, reshapes and cuts make of it, as strides.
#pragma once

#include "optimizer/edit.h"

namespace tessera::optimizer {

struct StridedView {
  ValueId source = absent;
  int64_t offset = 0;  ///< strides in elements of the source
  Shape shape, strides;
};

/// The value as a view of the earliest one that it can be a view of: itself, if nothing else.
StridedView view_of(Edit& edit, ValueId id);

}  // namespace tessera::optimizer
