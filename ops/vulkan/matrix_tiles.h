// How products by matrix units divide their work: see shaders/common/tile_matrix.glsl.
#pragma once

#include "ops/vulkan/facts.h"
#include "ops/vulkan/finish8.h"
#include "runtime/base/rounding.h"

namespace tessera::vulkan {

constexpr uint32_t block_vectors = block_size / 8;
constexpr uint32_t vector_bytes = 16;  ///< of 8 halves

/// Whether matrices are so small that a processor without units for them computes them: what matters then is that its
/// compiler is done soon.
bool is_emulated(const MatrixShape& matrix);
/// Workgroups that one processor runs at once.
uint32_t resident_on_one(uint32_t shared_bytes, uint32_t warps, const Facts& facts, uint32_t registers = 256);
/// Workgroups that run at once.
uint32_t resident(uint32_t shared_bytes, uint32_t warps, const Facts& facts, uint32_t registers = 256);
/// Of shared memory: `rows` values for each of `channels`.
uint32_t channel_bytes(uint32_t rows, uint32_t channels);
bool fits(uint32_t warps, uint32_t shared_bytes, const Facts& facts);

/// Sets the constants of shaders/common/matrix.glsl, for a workgroup of so many subgroups.
void set_matrices(uint32_t warps, const Facts& facts, Dispatch& dispatch);

/// `count` products of matrices, [rows, terms] by [terms, columns]. A step is within one of the cells, which have as
/// many terms each.
struct TileProblem {
  int64_t count = 1, rows = 1, columns = 1, cells = 1, terms = 1;
  bool rows_turned = false, columns_turned = false;  ///< as tile_matrix.glsl has it
};

/// Constants of tile_matrix.glsl.
struct Tiling {
  uint32_t warps_m, warps_n, each_m, each_n, step_blocks;
  uint32_t parts = 1;       ///< of the sums, each made by workgroups of its own
  uint32_t part_steps = 0;  ///< of each

  uint32_t warps() const { return warps_m * warps_n; }
  uint32_t rows(const MatrixShape& matrix) const { return warps_m * each_m * matrix.m; }
  uint32_t columns(const MatrixShape& matrix) const { return warps_n * each_n * matrix.n; }
  int64_t step_terms() const { return int64_t{step_blocks} * block_size; }
};

/// The tiling that was found to be the fastest, or takes the least time by a model of a device's processors.
/// `channel_rows` as in finish8.glsl.
Tiling choose_tiling(const TileProblem& problem, const Recorder& recorder, uint32_t channel_rows);

/// For measurements and tests: the tiling of that number is taken wherever it fits, with sums in so many parts; -1, 0:
/// the best is.
struct OnlyTiling {
  int shape = -1;
  uint32_t parts = 0;
};
extern OnlyTiling only_tiling;
int tiling_count();

/// Sets the constants of a dispatch of a shader that includes tile_matrix.glsl, and lets join_matrix.comp follow where
/// sums are made in parts. `finish.order` is filled up to tiles.
void set_tiling(const TileProblem& problem, const Tiling& tiling, const Finish& finish, Dispatch& dispatch,
                Recorder& recorder);

/// The columns, filled up to tiles.
inline int64_t padded_columns(const TileProblem& problem, const Tiling& tiling, const Facts& facts) {
  return round_up(problem.columns, tiling.columns(facts.matrix));
}

}  // namespace tessera::vulkan
