// Graphs that tests build, as models of the upscaler.
#pragma once

#include "runtime/onnx/load.h"
#include "runtime/session/c_api.h"
#include "upscale/upsampler.h"

namespace tessera::upscale {

inline std::unique_ptr<Upsampler> open_graph(Graph graph, const ModelOptions& options,
                                             const std::string& name = "graph") {
  onnx::Loaded loaded;
  loaded.model.path = name;
  loaded.model.graph = std::move(graph);
  SessionOptions plain;
  plain.threads = options.threads;
  plain.device = options.device;
  plain.precision = options.precision;
  plain.cpu_takes_over = options.cpu_takes_over;
  return make_upsampler(new tessera_session(std::make_shared<const Session>(std::move(loaded), plain)), options);
}

/// Tensors that share their bytes.
inline Tensor from_runtime(const tessera::Tensor& tensor) {
  return {{tensor.type.dtype, tensor.type.shape}, tensor.bytes};
}
inline tessera::Tensor to_runtime(const Tensor& tensor) {
  return {{tensor.type.dtype, tensor.type.shape}, tensor.bytes};
}

}  // namespace tessera::upscale
