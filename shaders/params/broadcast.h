#pragma once
#include "shaders/params/words.h"

struct BroadcastParams {
  uint extents[max_axes];  ///< of the output
  uint count;              ///< their product
  uint strides_x[max_axes], strides_y[max_axes];
};
