// Memory for tensors and arenas.
#pragma once

#include <memory>

#include "runtime/base/base.h"

namespace tessera {

/// Zeroed bytes, aligned to 64, or null where there is no room. Large ones are the system's own, in huge
/// pages where it has them: their first use then costs a few faults instead of thousands.
std::shared_ptr<std::byte> allocate_zeroed(size_t bytes);

/// The same for what is made at once and lives long, as packed weights do: many small ones share larger
/// pieces, which are given back when all of theirs are.
std::shared_ptr<std::byte> allocate_shared(size_t bytes);

}  // namespace tessera
