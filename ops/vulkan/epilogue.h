// The host's side of shaders/common/epilogue.glsl: what a shader applies to its values before it stores them.
#pragma once

#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {

#include "shaders/params/epilogue.h"

/// Beside a stride or an extent of channels: they lie in blocks (shaders/common/index.glsl).
inline constexpr uint32_t in_blocks = 0x80000000;

/// The extents over which a shader loops: [N, C, H, W], or all elements in one when nothing needs their coordinates.
struct Loop {
  std::array<uint32_t, 4> extent{1, 1, 1, 1};
  bool flat = false;
  bool blocked = false;  ///< it goes along channels by blocks, as `half16` lies

  /// Steps of the loop: elements, and those that fill the last block of channels.
  uint32_t count() const;
  /// As the shader's parameters have the extents (shaders/common/index.glsl).
  std::array<uint32_t, 4> extents() const;
  /// Strides of a tensor that broadcasts to these extents.
  std::array<uint32_t, 4> strides(const Type& type) const;
  std::array<uint32_t, 4> strides(const Shape& shape) const { return strides(Type{DType::float32, shape}); }
};

/// The type of output 0 before its epilogue's DepthToSpace, if there is one.
Shape shape_before_epilogue(const Problem& problem);

/// Whether epilogue.glsl can apply `functions` to a tensor of shape `before`, and that gives output 0.
bool epilogue_fits(const Problem& problem, List<Fused> functions, const Shape& before);

/// A loop over `before`, in the order of the output's layout; flat if `functions`, and a source of type `source`, allow
/// it.
Loop make_loop(const Problem& problem, List<Fused> functions, const Shape& before, const Type& source);

/// A shape of at most four extents as a loop that is not flat; by blocks if it is over values that lie in `layout`.
Loop loop_over(const Shape& shape, Layout layout = Layout::row_major);

EpilogueParams epilogue_params(const Problem& problem, List<Fused> functions, const Loop& loop);
/// Sets what epilogue.glsl wants of constants, and binds the operands and output 0.
void add_epilogue(List<Fused> functions, const Recorder& recorder, Dispatch& dispatch);

/// Workgroups for a shader that loops over `count` elements in steps of all its invocations.
void cover(uint32_t count, Dispatch& dispatch);

/// Copies to a member of a shader's parameters.
inline void assign(uint (&to)[4], const std::array<uint32_t, 4>& from) { std::copy(from.begin(), from.end(), to); }

}  // namespace tessera::vulkan
