// A test program's own operator new: counts, and fails where it is told to.
#pragma once

#include <atomic>
#include <cstdint>

namespace tessera::test {

/// Calls of operator new so far, and those that have not been deleted.
extern std::atomic<int64_t> allocations, living_allocations;

/// Allocations fail whose number, counted from the moment this is made, is in [begin, end).
class FailingAllocations {
 public:
  FailingAllocations(int64_t begin, int64_t end);
  ~FailingAllocations() { stop(); }
  FailingAllocations(const FailingAllocations&) = delete;
  FailingAllocations& operator=(const FailingAllocations&) = delete;
  /// All succeed from now on.
  void stop();
  /// How many have failed.
  int64_t failed() const;
};

}  // namespace tessera::test
