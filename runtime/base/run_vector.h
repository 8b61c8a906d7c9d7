// Vectors and strings whose memory counts in that of the run that makes them grow.
#pragma once

#include <cstddef>
#include <new>
#include <string>
#include <vector>

namespace tessera {

/// Memory for `bytes` that is charged to this thread's run until it is released. Throws Error::memory, std::bad_alloc,
/// and what check_cancelled throws: loops that allocate answer to it.
void* allocate_charged(size_t bytes);
void release_charged(void* memory) noexcept;

template <class T>
struct RunAllocator {
  using value_type = T;
  static_assert(alignof(T) <= 16);
  RunAllocator() = default;
  template <class U>
  RunAllocator(const RunAllocator<U>&) noexcept {}
  T* allocate(size_t count) {
    if (count > (size_t{1} << 60) / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(allocate_charged(count * sizeof(T)));
  }
  void deallocate(T* memory, size_t) noexcept { release_charged(memory); }
  friend bool operator==(const RunAllocator&, const RunAllocator&) { return true; }
};

/// For what grows with a run's data: the memory of references, which its limit holds.
template <class T>
using RunVector = std::vector<T, RunAllocator<T>>;
/// An element of a tensor of strings.
using String = std::basic_string<char, std::char_traits<char>, RunAllocator<char>>;

}  // namespace tessera
