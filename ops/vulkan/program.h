// Program: a region compiled for a device. Its values lie in a few device buffers, where the
// planner put them, and all of its work is one command buffer, recorded once.
#pragma once

#include "ops/vulkan/device/device.h"
#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {

/// Types and constants of a node's inputs and outputs, as a Problem wants them.
struct Gathered {
  std::vector<Type> in, out;
  std::vector<const Tensor*> constants;
  Gathered(const Graph& graph, const Node& node);
  Problem problem(const Node& node) const { return {node, in, out, constants}; }
};

std::unique_ptr<Program> compile(const std::shared_ptr<Device>& device, const Region& region, Traffic* traffic);

}  // namespace tessera::vulkan
