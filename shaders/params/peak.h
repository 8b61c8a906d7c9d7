#pragma once

const uint peak_lanes = 256;  ///< invocations of a workgroup
const uint peak_flops = 64;   ///< of each invocation in a round: two of each multiply-add

struct PeakParams {
  uint count;   ///< vectors of four to copy
  uint rounds;  ///< of multiply-adds
};
