// Where the tensors of a region lie in device memory.
#pragma once

#include <cstdint>
#include <vector>

namespace tessera::vulkan {

/// The lifetime of a tensor in a region, in steps, and where it was put.
struct Placed {
  int64_t bytes = 0;
  int first = 0, last = 0;
  int block = -1;
  int64_t offset = 0;
};

/// Gives every tensor a block and an offset, so that tensors that live at the same time never
/// overlap. Returns the blocks' sizes; only a tensor alone exceeds `block_limit`.
std::vector<int64_t> place(std::vector<Placed>& tensors, int64_t alignment, int64_t block_limit);

}  // namespace tessera::vulkan
