// How float32 values may lie in a device's memory, beside row-major order.
#pragma once

#include "runtime/graph/tensor.h"

namespace tessera::vulkan {

/// Channels of a block.
inline constexpr int block_size = 16;

inline constexpr LayoutForm half_form{.name = "half", .float32_as = DType::float16};
inline constexpr LayoutForm half16_form{
    .name = "half16", .block = block_size, .float32_as = DType::float16, .otherwise = &half_form};

/// Row-major order, elements stored as float16.
inline constexpr Layout half{&half_form};
/// [N, ceil(C/16), H, W, 16] of float16 for four axes; channels beyond C are zero. Other tensors lie in `half`.
inline constexpr Layout half16{&half16_form};

/// The layouts of a kernel's inputs that are not constant, and of its outputs and its epilogue's operands.
struct LayoutPair {
  Layout in, out;
};

/// What a kernel whose elements are stored as float16 takes: tensors in row-major order;
inline constexpr LayoutPair in_half[] = {{half, half}};
/// pictures in blocks of channels too;
inline constexpr LayoutPair in_both[] = {{half16, half16}, {half, half}};
/// pictures in blocks of channels alone.
inline constexpr LayoutPair in_half16[] = {{half16, half16}};
/// What a kernel takes whose elements are stored as they are.
inline constexpr LayoutPair in_row_major[] = {{Layout::row_major, Layout::row_major}};

}  // namespace tessera::vulkan
