// Program: a region compiled for a device. Its tensors have places in a few device buffers, and
// all of its work is one command buffer, recorded once.
#pragma once

#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {

/// Types and constants of a node's inputs and outputs, as a Problem wants them.
struct Gathered {
  std::vector<Type> in, out;
  std::vector<const Tensor*> constants;
  Gathered(const Graph& graph, const Node& node);
  Problem problem(const Node& node) const { return {node, in, out, constants}; }
};

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

std::unique_ptr<Program> compile(const std::shared_ptr<Device>& device, const Region& region, Traffic* traffic);

}  // namespace tessera::vulkan
