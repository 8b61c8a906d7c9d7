// Preloaded by python_faults_test.py: lets allocations of the libraries in a process fail, as it is told.
#include <limits>
#include <optional>

#include "tests/allocations.h"

namespace {
std::optional<tessera::test::FailingAllocations> failing;
}

extern "C" {
/// The allocations [begin, end) from now on fail; all from `begin` on where `end` is 0.
[[gnu::visibility("default")]] void tessera_fail_allocations(int64_t begin, int64_t end) {
  failing.reset();
  failing.emplace(begin, end ? end : std::numeric_limits<int64_t>::max());
}
/// All succeed again; how many failed.
[[gnu::visibility("default")]] int64_t tessera_stop_failing() {
  const int64_t failed = failing ? failing->failed() : 0;
  failing.reset();
  return failed;
}
[[gnu::visibility("default")]] int64_t tessera_allocations() { return tessera::test::allocations; }
[[gnu::visibility("default")]] int64_t tessera_living_allocations() { return tessera::test::living_allocations; }
}
