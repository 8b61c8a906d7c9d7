#pragma once
#include "shaders/params/words.h"

const uint most_positions = 6;  ///< numbers of one index

struct GatherParams {
  uint extents[max_axes];        ///< of the output
  uint count;                    ///< their product
  uint data_strides[max_axes];   ///< of the axes that output and data share
  uint index_strides[max_axes];  ///< of the axes that output and indices share
  uint places[most_positions];   ///< extents of the data's axes that indices are for
  uint steps[most_positions];    ///< their strides
};
