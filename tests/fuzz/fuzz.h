// What a fuzzer is: LLVMFuzzerTestOneInput in a file of its own. It returns for whatever the bytes ask for, if that
// ends as it should, and calls `finding` if not. libFuzzer calls it, and tests/fuzz/replay.cpp, which needs no
// libFuzzer.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "tests/fuzz/choices.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace tessera::test {

/// Inputs to begin with: each fuzzer has its own.
std::vector<std::string> seeds();

/// Ends the process: the input that runs now has shown a fault.
[[noreturn]] inline void finding(const std::string& text) {
  std::fprintf(stderr, "FINDING: %s\n", text.c_str());
  std::abort();
}

#ifdef TESSERA_CHECKED
constexpr bool is_slow_build = true;  // with sanitizers
#else
constexpr bool is_slow_build = false;
#endif

/// Asks what runs to stop after a moment, as a caller would who is tired of it.
class Patience {
 public:
  static Patience& instance() {
    static Patience one;
    return one;
  }
  /// From now on: the flag is set when the moment is over.
  const std::atomic<bool>* begin(int milliseconds = is_slow_build ? 2000 : 300) {
    flag_ = false;
    until_ = now() + milliseconds;
    return &flag_;
  }
  void end() { until_ = never; }

 private:
  static constexpr int64_t never = int64_t{1} << 62;
  Patience() : watcher_([this](const std::stop_token& stop) { watch(stop); }) {}
  static int64_t now() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  void watch(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (now() >= until_) flag_ = true;
    }
  }
  std::atomic<bool> flag_{false};
  std::atomic<int64_t> until_{never};
  std::jthread watcher_;
};

}  // namespace tessera::test
