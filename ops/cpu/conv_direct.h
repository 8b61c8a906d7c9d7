// Direct convolutions, transposed ones included: bands of output rows, whose input is copied with its
// padding into scratch, or read in place where none is needed.
#pragma once

#include "ops/cpu/bands.h"
#include "ops/cpu/conv_pack.h"
#include "ops/cpu/epilogue.h"
#include "ops/cpu/simd/bf16.h"
#include "runtime/base/threads.h"

namespace tessera::cpu {

/// Everything about a direct convolution that follows from shapes: the same in `scratch` and `run`.
struct DirectShape {
  ops::ConvGeometry geometry;
  bool transposed = false;
  ConvForm form = ConvForm::blocked;
  Layout out = Layout::row_major;
  ConvPacking packing;
  Bands bands;
  BandBuffer buffer;
  int shuffle = 1;           ///< block size of a fused DepthToSpace; 1: none
  bool flat = false;         ///< height and width were merged into one axis
  int64_t parts = 1;         ///< the output channels of each group are divided too, where bands are few
  bool copies = false;       ///< the input of a band is copied into scratch
  int64_t input_blocks = 0;  ///< of the input, or its planes

  DirectShape(const CpuKernel& kernel, const Node& node, const ops::ConvGeometry& geometry, Rows part = {});

  const ops::WindowAxis& high() const { return geometry.window.axis[1]; }
  const ops::WindowAxis& wide() const { return geometry.window.axis[2]; }
  /// Whether sums are finished where they belong in the output.
  bool in_place() const { return shuffle == 1 && (form == ConvForm::few || out == nchw16c); }
  int64_t result_floats() const;
  int64_t tap_bytes() const;
  int64_t worker_bytes() const;

 private:
  void choose_part(Rows part, int64_t row);
  void choose_bands();
  void set_strips(int64_t count);
  void narrow_strips();
  void measure_input();
};

int64_t direct_scratch(const CpuKernel& kernel, const Problem& problem, int threads);
/// Where precision is exact, a long sum is made of parts that are added at last: the rounding of a sum grows with its
/// length.
void run_direct(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept;

/// Turns a blocked result into row-major output rows and applies what is left of the epilogue; or into
/// blocked rows by way of a DepthToSpace, for which pack_conv has ordered the channels (see output_order).
struct RowStore {
  const Epilogue* epilogue;
  View out;           ///< the node's output
  int64_t channels;   ///< of the operator, before a DepthToSpace
  int64_t group_out;  ///< channels per group; each group starts a block of its own

  /// `result` holds [block][pixel][16] of one row, for blocks [first, end): all of them unless the output is
  /// blocked. The row is output row `y`, columns [x, x + pixels) of picture `n` before a DepthToSpace,
  /// which `shape` = [N, C, H, W] describes.
  void row(const float* result, int64_t block_stride, int64_t first, int64_t end, const int64_t (&shape)[4], int64_t n,
           int64_t y, int64_t x, int64_t pixels) const;

 private:
  void blocked(const float* result, int64_t block_stride, int64_t first, int64_t end, const int64_t (&shape)[4],
               int64_t n, int64_t y, int64_t x, int64_t pixels) const;
  void plain(const float* result, int64_t block_stride, const int64_t (&shape)[4], int64_t n, int64_t y, int64_t x,
             int64_t pixels) const;
  void shuffled(const float* result, int64_t block_stride, const int64_t (&shape)[4], int64_t n, int64_t y, int64_t x,
                int64_t pixels) const;
};

}  // namespace tessera::cpu
