// What is known of a value that a picture went into: which of its axes run along the picture, and which
// part of the picture an element sees.
#pragma once

#include <vector>

#include "runtime/graph/op.h"

namespace tessera::reach {

/// An exact fraction.
struct Ratio {
  int64_t num = 0, den = 1;
  Ratio(int64_t n = 0, int64_t d = 1);
  double real() const { return static_cast<double>(num) / static_cast<double>(den); }
  friend bool operator==(const Ratio&, const Ratio&) = default;
};
Ratio operator+(Ratio a, Ratio b);
Ratio operator-(Ratio a, Ratio b);
Ratio operator*(Ratio a, Ratio b);
Ratio operator/(Ratio a, Ratio b);
bool operator<(Ratio a, Ratio b);
/// The smallest positive number that both divide.
Ratio common_multiple(Ratio a, Ratio b);

enum Side { rows = 0, columns = 1, none = -1 };

/// Part of an axis's index. A model that cuts a picture into blocks of 2 makes of an axis of 2n the
/// digits n (step 2) and 2 (step 1), which may then go to different axes.
struct Digit {
  int side = none;  ///< along which side of the picture it runs; none: channels and the like
  int64_t extent = 1;
  Ratio step;  ///< input pixels from one index to the next
  /// Input pixels from its first index to its last.
  Ratio span() const { return step * Ratio(extent - 1); }
  friend bool operator==(const Digit&, const Digit&) = default;
};

/// The coarsest digit first. Empty: the values along this axis are all the same, or it has extent 1.
using Digits = std::vector<Digit>;

bool on_picture(const Digits& digits);

/// An element whose digits' indices, times their steps, sum to position p along a side sees the input
/// pixels from p + low to p + high.
struct Field {
  std::vector<Digits> axes;
  Ratio low[2], high[2];

  bool on_picture() const;
  /// Everything that a digit spans is seen by all of its elements; the digit stays, or is gone.
  void mix(const Digit& digit, bool stays);
};

/// The axes of a value of plain numbers.
Field plain_field(const Shape& shape);

/// The same bytes under another shape; false where that cuts a digit at no whole number.
bool recut(Field& field, const Shape& from, const Shape& to);

/// An axis as one digit along the picture, where it is one: block digits joined, channels that became
/// pixels spread over them. False for an axis that mixes both sides or has gaps.
bool settle(Field& field, size_t axis);

/// What an element sees that is made of elements of several fields of the same rank. False where two
/// run along the picture at different steps.
bool unite(std::vector<Field> fields, Field& result);

}  // namespace tessera::reach
