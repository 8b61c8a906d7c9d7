// What a runtime costs from its start: each is measured in a process of its own.
#pragma once

#include "bench/peers/ort.h"
#include "tools/inputs.h"

namespace tessera::peers {

struct Cold {
  double load_ms = 0, first_ms = 0, steady_ms = 0;  ///< to load, the first run, the median of later ones
  int64_t peak_bytes = 0;                           ///< most resident memory of the process
};

struct ColdOptions {
  std::string library;  ///< of ONNX Runtime; empty: tessera
  std::string model;
  tools::InputOptions input;
  int threads = 1, runs = 5;
};

/// Measures in this process, which should have done nothing else.
Cold measure_cold(const ColdOptions& options);

/// Measures in another process, which runs this program with the arguments that `serve_apart` reads.
Cold measure_apart(const ColdOptions& options);
/// Does what `measure_apart` started this process for and returns true, if the arguments are its.
bool serve_apart(int count, char** words);

}  // namespace tessera::peers
