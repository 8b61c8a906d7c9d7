#include "tests/allocations.h"

#include <cstdlib>
#include <limits>
#include <new>

namespace tessera::test {

std::atomic<int64_t> allocations{0}, living_allocations{0};

namespace {

constexpr int64_t never = std::numeric_limits<int64_t>::max();
std::atomic<int64_t> first_failing{never}, first_good{never}, failures{0};

bool counts_and_fails() {
  const int64_t number = ++allocations;
  if (number < first_failing || number >= first_good) return false;
  ++failures;
  return true;
}

void* allocate(size_t size, size_t alignment = 0) {
  if (counts_and_fails()) return nullptr;
  void* p = alignment ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)
                      : std::malloc(size ? size : 1);
  if (p) ++living_allocations;
  return p;
}

void release(void* p) {
  if (p) --living_allocations;
  std::free(p);
}

}  // namespace

FailingAllocations::FailingAllocations(int64_t begin, int64_t end) {
  const int64_t now = allocations;
  const auto from_now = [now](int64_t number) { return number < never - now ? now + number : never; };
  failures = 0;
  first_good = from_now(end);
  first_failing = from_now(begin);
}

void FailingAllocations::stop() { first_failing = never; }

int64_t FailingAllocations::failed() const { return failures; }

}  // namespace tessera::test

using tessera::test::allocate;
using tessera::test::release;

// Not inlined: the compiler would see `free` of what `new` gave.
void* operator new(size_t size) {
  if (void* p = allocate(size)) return p;
  throw std::bad_alloc();
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new(size_t size, std::align_val_t alignment) {
  if (void* p = allocate(size, static_cast<size_t>(alignment))) return p;
  throw std::bad_alloc();
}
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(size, static_cast<size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* p) noexcept { release(p); }
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept { release(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { release(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { release(p); }
[[gnu::noinline]] void operator delete(void* p, size_t, std::align_val_t) noexcept { release(p); }
