// What a run lends to all that it calls on its threads: the caller's wish to stop, and the memory it may take.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace tessera {

/// While one lives, work on this thread belongs to a run. The innermost counts.
class RunScope {
 public:
  /// `cancel` may be null; `memory_limit` in bytes, 0: none.
  RunScope(const std::atomic<bool>* cancel, int64_t memory_limit);
  ~RunScope();
  RunScope(const RunScope&) = delete;
  RunScope& operator=(const RunScope&) = delete;

  /// The flag of this thread's run, to be lent to other threads; null if there is none.
  static const std::atomic<bool>* cancel_flag() noexcept;

 private:
  friend class Charge;
  friend class HeldCharge;
  void take(int64_t bytes) const;

  RunScope* outer_;
  const std::atomic<bool>* cancel_;
  int64_t limit_, held_ = 0;
  std::shared_ptr<std::atomic<int64_t>> used_;  // by what may outlive the run; made when it is needed
};

/// As allocate_zeroed, which counts in the memory of this thread's run, for what outlives runs and counts in none.
std::shared_ptr<std::byte> allocate_lasting(size_t bytes);

/// Whether this thread's run is to stop. Loops of kernels ask it for every row, plane or band, and return at
/// once: what they leave unwritten nobody sees, because the run ends before the next step.
bool stop_requested() noexcept;
/// Throws Error::cancelled if this thread's run is to stop. Loops of references call it for every row or plane.
void check_cancelled();

/// Bytes of the limit of this thread's run, given back when it goes, which may be after the run and on another
/// thread. Throws Error::memory where that many are not left.
class Charge {
 public:
  Charge() = default;
  explicit Charge(int64_t bytes);
  Charge(Charge&& other) noexcept : used_(std::move(other.used_)), bytes_(other.bytes_) {}
  Charge& operator=(Charge&&) = delete;
  ~Charge() {
    if (used_) used_->fetch_sub(bytes_, std::memory_order_relaxed);
  }

 private:
  std::shared_ptr<std::atomic<int64_t>> used_;
  int64_t bytes_ = 0;
};

/// The same for what ends before the run does, on its thread: allocates nothing.
class HeldCharge {
 public:
  explicit HeldCharge(int64_t bytes);
  HeldCharge(const HeldCharge&) = delete;
  HeldCharge& operator=(const HeldCharge&) = delete;
  ~HeldCharge() {
    if (scope_) scope_->held_ -= bytes_;
  }

 private:
  RunScope* scope_;
  int64_t bytes_;
};

}  // namespace tessera
