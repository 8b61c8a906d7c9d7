#pragma once

struct ProductBitsParams {
  uint m, n, k;
  uint column;    ///< numbers from one column's first to the next one's
  uint blocks;    ///< of a column, where each begins with a block
  uint zero_row;  ///< packed zero points of a column, filled up to whole bytes
  uint parts;     ///< of the sums, each made by workgroups of its own
  uint part;      ///< terms of each, a multiple of the tile's
};

/// What is taken off a number of the weights, or what it is.
const uint zeros_in_middle = 0, zeros_packed = 1, zeros_real = 2, names_numbers = 3;
