#pragma once

struct ReorderParams {
  uint extents[4];  ///< N, C, H, W, as the output lies
  uint count;       ///< elements of the output, those that fill blocks among them
  uint src_strides[4];
};
