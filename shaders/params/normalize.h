#pragma once
#include "shaders/params/epilogue.h"

const uint normalize_lanes = 128;  ///< invocations of a workgroup

/// What a row is divided by, once its mean is subtracted, or not.
const uint by_deviation = 0;       ///< and without its mean
const uint by_mean_square = 1;     ///< the root of it
const uint by_sum = 2;             ///< of absolute values
const uint by_sum_square = 3;      ///< the root of it
const uint by_bare_deviation = 4;  ///< and without its mean; epsilon outside the root

/// A row's part: how many elements, their mean, and the sum of squares of what they are off by.
struct Moments {
  float count, mean, squares;
};

/// Which element of scale and bias belongs to element i of a row:
/// row % period * row_step + i / repeat * step.
struct RowOperand {
  uint period, row_step, repeat, step;
};

struct NormalizeParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of the loop
  uint rows, extent;
  uint stride;       ///< from one element of a row to the next; rows of as many begin side by side
  uint parts, part;  ///< of a row, each with a workgroup of its own; elements of each
  float epsilon;
  RowOperand scale, bias;
  uint skip_size;
};
