// Upsampler: what the image pipeline needs of a model. Session stands behind it in the command,
// a few lines of arithmetic in tests.
#pragma once

#include <atomic>
#include <memory>

#include "runtime/session/session.h"

namespace tessera::upscale {

struct Upsampler {
  virtual ~Upsampler() = default;
  virtual List<Port> inputs() const = 0;
  virtual List<Port> outputs() const = 0;
  /// Type of the first output for that input. Throws Error where the model does not take it.
  virtual Type output_type(const Type& input) const = 0;
  /// The first output.
  virtual Tensor run(const Tensor& input) const = 0;
  /// Bytes that one run needs beside weights.
  virtual int64_t run_bytes(const Type& input) const = 0;
  /// The graph, for its receptive field; null if there is none to look at.
  virtual const Model* model() const { return nullptr; }
};

/// A model file on a device; an empty path is the bundled model. Runs stop at `cancel`. `device`
/// becomes where it runs, `note` why not where it was asked to, if so.
std::unique_ptr<Upsampler> open_upsampler(const std::string& path, const SessionOptions& options,
                                          const std::atomic<bool>* cancel, std::string& note, std::string& device);

/// The model that is part of the program.
List<std::byte> bundled_model();
inline constexpr Text bundled_model_name = "photo-x2";

}  // namespace tessera::upscale
