// Threads that work on one thing, and end together when one of them cannot go on.
#pragma once

#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "runtime/base/base.h"

namespace tessera::upscale {

class Crew {
 public:
  /// `stop` makes all work return soon; it is called from any thread, and does not throw.
  explicit Crew(std::function<void()> stop) : stop_(std::move(stop)) {}

  /// Runs `work` on `count` threads, fewer where the system gives no more, and at least one; then `leave`, also
  /// for those that could not be started. What `work` throws stops all, as does a stage without a thread.
  template <class Work, class Leave>
  void start(int count, const Work& work, const Leave& leave) {
    for (int i = 0; i < count; ++i) try {
        threads_.emplace_back([this, work, leave] {
          try {
            work();
          } catch (...) {
            break_off();
          }
          leave();
        });
      } catch (...) {
        if (i == 0) break_off();
        for (; i < count; ++i) leave();
      }
  }

  /// Waits for all; throws the first error that stopped them.
  void join() {
    threads_.clear();
    if (!error_) return;
    try {
      std::rethrow_exception(error_);
    } catch (const std::system_error& error) {
      fail(Error::Kind::memory, "cannot start a thread: ", error.what());
    }
  }

 private:
  void break_off() noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
    stop_();
  }

  std::function<void()> stop_;
  std::mutex mutex_;
  std::exception_ptr error_;
  std::vector<std::jthread> threads_;
};

}  // namespace tessera::upscale
