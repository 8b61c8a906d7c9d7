// The functions of the interface, under its names.
#pragma once

#include "bindings/onnxruntime/objects.h"

namespace tessera::ort {

#define HAVE(result, name, parameters) result name parameters;
#define LACK(name)
#define LACK_VOID(name)
#define LACK_ZERO(name)
#define VERSION(version, rows)
#include "bindings/onnxruntime/api.def"
#undef HAVE
#undef LACK
#undef LACK_VOID
#undef LACK_ZERO
#undef VERSION

}  // namespace tessera::ort
