#pragma once

const uint peak_products = 8;  ///< of matrices, of each subgroup in a round

struct MatrixPeakParams {
  uint rounds;
};
