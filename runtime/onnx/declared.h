// What a model says of the types of its inputs and outputs.
#pragma once

#include "runtime/onnx/weights.h"

namespace tessera::onnx {

/// `type` may be null. Types nest no deeper than the wire reader allows.
Declared declared_type(const proto::Type* type, const Limits& limits);

}  // namespace tessera::onnx
