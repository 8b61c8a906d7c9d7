// RefusedData: what a Program throws when the data of a run is not for it.
#pragma once

#include "runtime/base/base.h"

namespace tessera {

/// Data that an operator reports as an error, which a device cannot tell in words. The host runs the stretch, and
/// tells; the next run is the device's again.
struct RefusedData : Error {
  explicit RefusedData(const std::string& text) : Error(Error::Kind::device, text) {}
};

}  // namespace tessera
