// What the largest of some numbers is where one of them may be none.
#pragma once

namespace tessera::ops {

/// Whether x takes the place of the largest so far: a NaN does, and nothing takes the place of one.
template <class T>
bool is_larger(T x, T best) {
  return !(x <= best) && !(best != best);
}

}  // namespace tessera::ops
