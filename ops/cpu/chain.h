// A chain of functions of ops/elementwise.def over float spans, and the walk over broadcast operands:
// what elementwise kernels are made of and how the others apply a node's epilogue.
#pragma once

#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/map.h"

namespace tessera::cpu {

/// The index space of an output and the strides of operands that broadcast to it, with axes
/// merged where every operand allows it. Its last axis is a row: strides there are 0 or 1.
struct Space {
  static constexpr int max_rank = 8, max_operands = 20;
  int rank = 0, operands = 0;
  int64_t dims[max_rank] = {};
  int64_t strides[max_operands][max_rank] = {};

  explicit Space(const Shape& out);
  /// Adds a row-major operand; returns its number.
  int add(const Shape& shape);
  /// Merges axes; with `keep_last` the last axis stays what it was.
  void collapse(bool keep_last);
  int64_t row_length() const { return rank ? dims[rank - 1] : 1; }
  int64_t rows() const;
  /// Where the given row of an operand begins.
  int64_t offset(int operand, int64_t row) const;
  bool scalar_along_row(int operand) const { return rank == 0 || strides[operand][rank - 1] == 0; }
};

/// One function of a node or of its epilogue, as vector code applies it: all kernels read epilogues into these.
struct ChainStep {
  uint16_t function = 0;
  bool swapped = false;
  float a = 0, b = 0;
  int input = -1;    ///< index into the node's inputs, or -1
  int operand = -1;  ///< number in the Space

  ChainStep() = default;
  explicit ChainStep(const Fused& fused)
      : function(fused.function), swapped(fused.swapped), a(fused.a), b(fused.b), input(fused.operand) {}
};

struct Chain {
  static constexpr int max_steps = 16;
  int count = 0;
  ChainStep steps[max_steps];

  /// The node's epilogue; `space` (may be null) gets its operands.
  Chain() = default;
  Chain(const Args& args, Space* space);
  /// From its step `first` on.
  void append_epilogue(const Args& args, Space* space, size_t first = 0);
};

/// out = f(x) or f(x, y) over a span.
void apply(const MapSimd& simd, const ChainStep& step, const float* x, const float* y, Along along, float* out,
           int64_t n);

/// How the function's arguments run along a value that is a vector, if the operand does so as a second argument.
Along along(const ChainStep& step, Along operand);
/// The same of arguments that change places.
Along mirrored(Along along);

/// In what an operand that broadcasts to an output varies.
enum class Varies : uint8_t { nothing, axis, other };
Varies varies(const Shape& operand, const Shape& out, int axis);

/// Bytes of scratch that an epilogue's operands take, each one number for every channel, padded to whole blocks.
int64_t operand_bytes(const Node& node, int64_t channels);
/// Such an operand in scratch, behind the last channel zeros. Moves `scratch` on.
const float* lanes_of(const View& operand, int64_t channels, float*& scratch);
/// Zeroes the lanes behind `channels` of whole pixels of a block.
void clear_lanes(float* values, int64_t floats, int64_t channels);

/// Applies all steps in place to elements [begin, begin + n) of a row of the output.
void apply_to_row(const MapSimd& simd, const Chain& chain, const Space& space, List<View> in, int64_t row,
                  int64_t begin, float* values, int64_t n);

/// Whether the epilogue's functions and float32 operands can run by Chain in a row-major kernel.
bool chain_fits(const CpuKernel&, const Problem& problem);
/// Whether there is vector code for it.
bool has_function(uint16_t id);
bool has_function(const Fused& fused);

/// The same for kernels that finish their output piece by piece as it is stored: every operand has
/// the output's shape and lies as it does.
bool chain_fits_as_stored(const CpuKernel&, const Problem& problem);
/// Applies all steps in place to stored elements [begin, begin + n) of the output.
void apply_as_stored(const MapSimd& simd, const Chain& chain, List<View> in, int64_t begin, float* values, int64_t n);

/// Whether `from` broadcasts to exactly `to` (from's rank is not above to's).
bool broadcasts_to(const Shape& from, const Shape& to);

}  // namespace tessera::cpu
