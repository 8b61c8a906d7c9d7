// A time that a run, or loading, may take.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "runtime/base/over_limit.h"
#include "runtime/base/run_scope.h"

namespace tessera {

/// While one lives, its flag is set as soon as the caller's is, or the time is over. Without a time it is the caller's.
class Deadline {
 public:
  /// `cancel` may be null; 0 milliseconds: any number.
  Deadline(const std::atomic<bool>* cancel, int64_t milliseconds);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  const std::atomic<bool>* flag() const { return milliseconds_ ? &stop_ : cancel_; }
  /// Throws OverLimit if the time is over. For who caught Error::cancelled.
  void check() const;

 private:
  void watch();
  const std::atomic<bool>* cancel_;
  const int64_t milliseconds_;
  std::atomic<bool> stop_{false}, over_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  std::thread thread_;
};

/// What `body` gives: it takes memory up to the limit (bytes, 0: any), and ends at the deadline.
template <class Body>
auto within(const Deadline& deadline, int64_t memory_limit, const Body& body) {
  const RunScope scope(deadline.flag(), memory_limit);
  try {
    return body();
  } catch (const OverLimit&) {
    throw;
  } catch (const Error& error) {
    if (error.kind() == Error::Kind::cancelled) deadline.check();
    throw;
  }
}

}  // namespace tessera
