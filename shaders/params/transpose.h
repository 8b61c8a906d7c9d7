#pragma once

const uint transpose_tile = 32;    ///< elements along both sides
const uint transpose_lanes = 256;  ///< invocations of a workgroup

/// Rows are what the input has one behind the other, columns what the output has.
struct TransposeParams {
  uint rows, columns;
  uint src_stride, dst_stride;  ///< of columns in the input, of rows in the output
  uint batches;
  uint extents[4], src_strides[4], dst_strides[4];  ///< of the other axes
};
