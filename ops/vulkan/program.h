// Program: a region compiled for a device. Its values lie where the planner put them, in an arena that all programs of
// the device share; all of its work is recorded once.
#pragma once

#include "ops/vulkan/device/constants.h"
#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {

/// Types and constants of a node's inputs and outputs, as a Problem wants them.
struct Gathered {
  std::vector<Type> in, out;
  std::vector<const Tensor*> constants;
  Gathered(const Graph& graph, const Node& node);
  Problem problem(const Node& node) const { return {node, in, out, constants}; }
};

/// Of a program: while one is computed, another one's inputs go up, and outputs come down.
constexpr int most_runs_at_once = 3;

std::unique_ptr<Program> compile(const std::shared_ptr<Device>& device, ConstantStore& constants, const Region& region,
                                 Traffic* traffic, const Ways& ways);

}  // namespace tessera::vulkan
