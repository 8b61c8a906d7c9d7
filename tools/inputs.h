// What a model is fed from the command line: given files, given shapes, and seeded random values for
// the rest. Shared by run, bench, inspect and the comparisons with other runtimes.
#pragma once

#include "runtime/session/session.h"

namespace tessera::tools {

struct InputOptions {
  std::vector<std::string> files;   ///< NAME=FILE.npy
  std::vector<std::string> shapes;  ///< NAME=1x3x64x64; NAME= may be left out with one input
  uint64_t seed = 0;
  int64_t default_dim = 64;
};

/// What models may use beside the library's own operators: ImageDecoder.
std::shared_ptr<const Operators> added_operators();

/// "1x3x64x64" or "1,3,64,64"; the empty text is a scalar's shape. Throws Error::usage.
Shape parse_shape(Text text);

/// All inputs that a model can be given, the optional ones last.
std::vector<Port> all_inputs(const Session& session);

/// Every input's concrete type: from its shape option, else from the model, where an extent that is
/// open takes what another input's option gives the same name, else 1 if it is the first, else
/// default_dim. An input without a rank becomes one-dimensional with one element. An optional input without a shape
/// option has no type: it is left out.
std::vector<Type> input_types(List<Port> inputs, const InputOptions& options);

/// Tensors for every input, in order; without bytes for optional ones that no option names. What no file gives is
/// random: floats in [0, 1), integers 0 or 1, booleans alternate, strings are empty; the same for one seed on every
/// machine.
std::vector<Tensor> make_inputs(List<Port> inputs, const InputOptions& options);

Tensor random_input(const Type& type, uint64_t seed);

/// `name` with every character that a file name cannot hold replaced by '_'.
std::string file_name(Text name);

}  // namespace tessera::tools
