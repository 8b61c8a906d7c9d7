#pragma once
#include "shaders/params/words.h"

const uint direct_axes =
    5;  ///< of a result: pictures, channels and three spatial axes; or three of a batch, row, column

struct DirectParams {
  uint extents[direct_axes];  ///< of the result
  uint count;                 ///< their product
  uint src_strides[direct_axes], weight_strides[direct_axes], bias_strides[direct_axes];
  uint zero_strides[direct_axes];                             ///< of the weights' zero points
  uint group_out;                                             ///< channels of the result that read the same ones
  uint group_step;                                            ///< from a group's first element to the next one's
  uint channels, src_channel, weight_channel;                 ///< how many are summed, and the steps
  uint kernel[3], in_size[3], src_steps[3], weight_steps[3];  ///< of the spatial axes
  uint stride[3], dilation[3];
  int pad[3];
};
