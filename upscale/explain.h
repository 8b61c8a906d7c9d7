// Explain: all that was found out of a model, for its user to read.
#pragma once

#include "upscale/tiler.h"

namespace tessera::upscale {

/// The convention, how pictures are divided, and how all of it was found.
Findings explain(const Tiler& tiler);

}  // namespace tessera::upscale
