// The tessera command with faults: TESSERA_FAIL_ALLOCATION=N lets its N-th allocation fail, N+ all from there on;
// TESSERA_FAIL_THREAD likewise its threads. With TESSERA_COUNT=1 it says at the end how many there were.

#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "tests/allocations.h"

namespace {

std::atomic<int64_t> threads{0};

struct Faults {
  int64_t begin = std::numeric_limits<int64_t>::max(), end = begin;
  explicit Faults(const char* variable) {
    const char* text = std::getenv(variable);
    if (!text) return;
    char* rest = nullptr;
    begin = std::strtoll(text, &rest, 10);
    if (*rest != '+') end = begin + 1;
  }
};

const Faults failing_threads("TESSERA_FAIL_THREAD");

}  // namespace

int command_main(int count, char** words);  // tools/main.cpp's main

extern "C" [[gnu::visibility("default")]] int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                                                             void* (*body)(void*), void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  const int64_t number = ++threads;
  if (number >= failing_threads.begin && number < failing_threads.end) return EAGAIN;
  return create(thread, attributes, body, argument);
}

int main(int count, char** words) {
  const Faults faults("TESSERA_FAIL_ALLOCATION");
  const int64_t before = tessera::test::allocations;
  tessera::test::FailingAllocations failing(faults.begin, faults.end);
  const int code = command_main(count, words);
  failing.stop();
  if (std::getenv("TESSERA_COUNT"))
    std::fprintf(stderr, "%lld allocations, %lld threads\n",
                 static_cast<long long>(tessera::test::allocations - before), static_cast<long long>(threads));
  return code;
}
