#pragma once

const uint arg_lanes = 64;  ///< invocations of a workgroup

struct ArgParams {
  uint count;   ///< of results
  uint inner;   ///< elements behind the axis
  uint extent;  ///< of the axis
};
