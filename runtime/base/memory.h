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

/// Memory for what is made anew in every run, as results are: large buffers that are let go of are handed
/// out again, still in memory and not zeroed, instead of being asked of the system and zeroed by it.
class Recycler {
 public:
  /// Keeps at most `most` buffers that nobody uses.
  explicit Recycler(size_t most);
  /// As allocate_zeroed, but for what it holds. It may outlive the recycler.
  std::shared_ptr<std::byte> allocate(size_t bytes) const;
  /// Bytes of the buffers that nobody uses.
  int64_t idle() const;
  void drop_idle() const;

 private:
  struct Kept;
  std::shared_ptr<Kept> kept_;
};

}  // namespace tessera
