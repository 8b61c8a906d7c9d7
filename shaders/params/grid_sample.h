#pragma once

const uint sample_lanes = 64;  ///< invocations of a workgroup
const uint sample_nearest = 0, sample_linear = 1, sample_cubic = 2;
const uint sample_zeros = 0, sample_border = 1, sample_reflection = 2;

struct GridSampleParams {
  uint count;       ///< elements of the result
  uint channels;    ///< of a picture
  uint points;      ///< places of a channel of the result
  uint extents[3];  ///< of a channel of the source; axes that it lacks have one place
  uint axes;        ///< that it has: numbers of a coordinate, the last axis first
};
