// Where every value of a plan lives: aliases, lifetimes, and offsets, in the host's arena and in the memory of devices.
#pragma once

#include "runtime/plan/waves.h"

namespace tessera {

/// Where a value lives while a plan runs.
struct Place {
  enum class Where : uint8_t { nowhere, arena, constant, input, output, strings } where = Where::nowhere;
  uint32_t index = 0;      ///< which input, output or string tensor
  int64_t offset = 0;      ///< bytes into it
  int64_t plane_rows = 0;  ///< see View::plane_rows
};

/// A copy between two values, run before or instead of a node.
struct Copy {
  ValueId from, to;
};

struct Storage {
  std::vector<Place> places;  ///< one per value; nowhere: no host step sees it
  int64_t arena_bytes = 0;
  std::vector<Type> strings;  ///< string tensors, which live beside the arena
  /// Per node: true if its outputs are in place already (views, concatenations of parts that were
  /// written where they belong); then only copies are done.
  std::vector<bool> done;
  std::vector<std::vector<Copy>> copies;  ///< per node, and one more entry: after the last node
  std::vector<DeviceStorage> devices;     ///< one per stage, whose copies are its own
};

/// A stretch of consecutive nodes on one backend that has memory of its own.
struct DeviceStage {
  size_t first = 0, count = 0;
  int backend = 0;
  std::vector<ValueId> inputs, outputs;
  MemoryRules rules;
};

/// Lays out all values: those that the host sees in its arena, those of each device stage in its device's memory.
Storage lay_out(const Graph& graph, const std::vector<Choice>& choices, const std::vector<DeviceStage>& stages,
                const std::vector<Wave>& waves = {});

}  // namespace tessera
