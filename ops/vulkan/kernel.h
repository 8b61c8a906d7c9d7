// VkKernel: how an operator becomes dispatches of shaders. A row per operator, in tables that
// backend.cpp lists; the epilogue and the parameter layout are those of shaders/epilogue.glsl.
#pragma once

#include <array>
#include <vector>

#include "ops/vulkan/device.h"

namespace tessera::vulkan {

/// A buffer that a dispatch reads: a value of the region, or a constant as `pack` lays it out.
struct Bound {
  uint32_t binding = 0;
  ValueId value = absent;
  Pack pack = nullptr;
  int64_t parameter = 0;
};

/// One dispatch of a step. It writes the node's output 0, or a part of it.
struct Dispatch {
  const Shader* shader = nullptr;
  Constants constants;
  std::vector<uint32_t> params;
  std::vector<Bound> reads;
  std::array<uint32_t, 3> groups{1, 1, 1};
};

struct VkKernel {
  Text op, domain, name;
  Text shader;  ///< the file in shaders/ that it dispatches; empty for a view
  /// All given inputs and outputs are known to be non-empty and within the device's limits.
  bool (*accepts)(const Problem&);
  /// Appends the dispatches; none at all: the output is input 0 under another shape.
  void (*emit)(const Problem&, std::vector<Dispatch>&);
};

extern const List<VkKernel> map_kernels, conv_kernels, resize_kernels;

// --- The epilogue ------------------------------------------------------------------------------

inline constexpr uint32_t own_params = 44;
inline constexpr uint32_t src_binding = 8;
inline constexpr size_t max_rows = 6;

/// The extents over which a shader loops: [N, C, H, W], or all elements in one when nothing needs
/// their coordinates.
struct Loop {
  std::array<uint32_t, 4> extent{1, 1, 1, 1};
  bool flat = false;

  uint32_t count() const { return extent[0] * extent[1] * extent[2] * extent[3]; }
  /// Strides of a tensor that broadcasts to these extents.
  std::array<uint32_t, 4> strides(const Shape& shape) const;
};

/// The type of output 0 before its epilogue's DepthToSpace, if there is one.
Shape shape_before_epilogue(const Problem& problem);

/// Whether shaders/epilogue.glsl can apply `rows` to a tensor of shape `before`.
bool epilogue_fits(const Problem& problem, List<Fused> rows, const Shape& before);

/// A loop over `before`; flat if `rows`, and a source of shape `source`, allow it.
Loop make_loop(const Problem& problem, List<Fused> rows, const Shape& before, const Shape& source);

/// Fills in what epilogue.glsl wants: constants, the first own_params params and the operands.
void add_epilogue(const Problem& problem, List<Fused> rows, const Loop& loop, Dispatch& dispatch);

/// Workgroups for a shader that loops over `count` elements with `size` invocations each.
void cover(uint32_t count, uint32_t size, Dispatch& dispatch);

/// Whether input i is given, and float32.
bool is_float_input(const Problem& problem, size_t i);

}  // namespace tessera::vulkan
