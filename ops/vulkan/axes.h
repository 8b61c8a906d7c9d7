// Loops over tensors of any rank: axes that lie one behind the other for every operand are joined to one.
#pragma once

#include <vector>

#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {

#include "shaders/params/words.h"

/// A loop over all elements of a tensor, and each operand's step along each of its axes.
struct Axes {
  Shape extents;
  std::vector<Shape> strides;  ///< by operand, in elements
};

/// The loop over `shape` with the fewest axes, at least one.
Axes join_axes(const Shape& shape, List<Shape> strides);

/// Copies to a member of a shader's parameters. Steps that go backwards become large: shaders count modulo 2^32.
void assign(uint (&to)[max_axes], const Shape& from);

/// What shaders/common/words.glsl calls the type of elements that are stored as `dtype`; 0: it knows none.
uint32_t word_type(DType dtype);
/// Bytes of an element as it is stored; 0 where it is no whole word, half of one, two, or a byte.
uint32_t element_bytes(const Type& type);

/// Workgroups for a shader that writes `count` elements of so many bytes by whole words.
void cover_words(uint32_t count, uint32_t bytes, Dispatch& dispatch);

/// A node's only input 0 and output 0, neither empty, of one size of elements; nothing fused behind it.
bool moves_elements(const Problem& problem);

/// The value of input i, which is known before the run; without a type where the node has no such input.
View known(const Problem& problem, size_t i);
/// Whether inputs from `first` on are known before the run, or left out.
bool knows_inputs(const Problem& problem, size_t first);

}  // namespace tessera::vulkan
