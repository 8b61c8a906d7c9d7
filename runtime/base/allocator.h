// Memory that a program lends: tensors, arenas and packed weights come from it.
#pragma once

#include <cstddef>

namespace tessera {

/// Both are called by many threads at once, and `allocate` may give null.
struct Allocator {
  void* (*allocate)(void* context, size_t bytes, size_t alignment) = nullptr;
  void (*release)(void* context, void* memory, size_t bytes) = nullptr;
  void* context = nullptr;
};

/// While one lives, this thread allocates by it; by the system, if it has no functions. The innermost counts.
class AllocatorScope {
 public:
  explicit AllocatorScope(const Allocator& allocator);
  ~AllocatorScope();
  AllocatorScope(const AllocatorScope&) = delete;
  AllocatorScope& operator=(const AllocatorScope&) = delete;

  /// Of this thread; null: the system's.
  static const Allocator* current() noexcept;

 private:
  const Allocator *outer_, *mine_;
};

}  // namespace tessera
