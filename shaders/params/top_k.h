#pragma once

const uint top_k_lanes = 128;

struct TopKParams {
  uint extent;  ///< of the axis
  uint k;
  uint inner;   ///< elements from one place of the axis to the next
  uint blocks;  ///< workgroups that share a row
  uint count;   ///< of workgroups
};
