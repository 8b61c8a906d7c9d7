// The networks of the table, with seeded random weights: as large as those that people use, or tiny.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/gpu_check/model_pen.h"

namespace tessera::check {

struct Network {
  std::string name;  ///< also of the file, and in torch_peers.py
  std::function<void(ModelPen&)> draw;
  std::vector<std::string> shapes;  ///< of the first input, in the order of the table

  std::string path(const std::string& folder) const { return folder + "/" + name + ".onnx"; }
  /// Writes the model's file unless it is there. Throws Error::file.
  void write(const std::string& folder) const;
};

/// In the order of their worth. Tiny ones are for software renderers: the same operators, few of them.
std::vector<Network> networks(bool tiny);

}  // namespace tessera::check
