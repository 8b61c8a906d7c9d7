#include "runtime/session/deadline.h"

#include <algorithm>
#include <chrono>

namespace tessera {

Deadline::Deadline(const std::atomic<bool>* cancel, int64_t milliseconds)
    : cancel_(cancel), milliseconds_(milliseconds) {
  if (!milliseconds) return;
  try {
    thread_ = std::thread([this] { watch(); });
  } catch (const std::exception&) {
    fail(Error::Kind::memory, "no thread can be started that watches the time");
  }
}

Deadline::~Deadline() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Deadline::watch() {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds often{10};  // the caller's flag is asked
  const auto end = Clock::now() + std::chrono::milliseconds(milliseconds_);
  std::unique_lock lock(mutex_);
  while (!ended_) {
    const auto now = Clock::now();
    over_ = now >= end;
    if (over_ || (cancel_ && cancel_->load(std::memory_order_relaxed))) {
      stop_ = true;
      return;
    }
    wake_.wait_until(lock, cancel_ ? std::min(end, now + often) : end);
  }
}

void Deadline::check() const {
  if (over_) throw OverLimit(cat("it took longer than the ", milliseconds_, " ms that it may"));
}

}  // namespace tessera
