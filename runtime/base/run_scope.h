// What a run lends to all that it calls on its threads: its caller's wish to stop, its time, and the memory it may
// take.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace tessera {

/// Bytes that are in use, counted by those who use them. Lasts until all are given back and its owner has left it.
class Account {
 public:
  static Account* open() { return new Account; }
  void leave() noexcept { give_back(owner); }
  void add(int64_t bytes) noexcept { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void give_back(int64_t bytes) noexcept {
    if (used_.fetch_sub(bytes, std::memory_order_acq_rel) == bytes) delete this;
  }
  int64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

 private:
  static constexpr int64_t owner = 1;  // a byte in use, which is next to nothing
  std::atomic<int64_t> used_{owner};
};

/// Memory that outlives runs, because a session keeps it: what of it counts in each run.
class Keeping {
 public:
  Keeping() : account_(Account::open()) {}
  virtual ~Keeping() { account_->leave(); }
  Keeping(const Keeping&) = delete;
  Keeping& operator=(const Keeping&) = delete;

  Account& account() const { return *account_; }
  /// What lies idle, and what was made of constants beyond `free`.
  int64_t counted() const { return std::max<int64_t>(0, account_->used() - free) + idle(); }
  virtual int64_t idle() const = 0;
  virtual void drop_idle() const = 0;
  /// Gives back what can be made again.
  virtual void forget() const = 0;

  int64_t free = 0;  ///< bytes that the model's own weights justify

 private:
  Account* account_;
};

/// What a caller allows.
struct Limits {
  const std::atomic<bool>* cancel = nullptr;  ///< set when all is to stop; may be null
  int64_t memory = 0;                         ///< bytes; 0: any
  int64_t milliseconds = 0;                   ///< 0: any
};

/// While one lives, work on this thread belongs to a run. The innermost counts.
class RunScope {
 public:
  /// Of a run, or of loading. `keeping` may be null.
  explicit RunScope(const Limits& limits, const Keeping* keeping = nullptr);
  /// Of a thread that helps the run of `helped`; null: of nobody's.
  explicit RunScope(const RunScope* helped);
  ~RunScope();
  RunScope(const RunScope&) = delete;
  RunScope& operator=(const RunScope&) = delete;

  /// This thread's, to be lent to other threads; null if there is none.
  static const RunScope* current() noexcept;
  /// Whether anybody may wish this thread's run to stop.
  static bool may_stop() noexcept;

 private:
  friend bool stop_requested() noexcept;
  friend void check_cancelled();
  friend Account* take_memory(int64_t bytes);
  friend class HeldCharge;
  friend class LastingScope;
  bool is_cancelled() const noexcept;
  bool is_over_time() const noexcept;
  int64_t used() const;
  void make_room(int64_t bytes) const;
  Account& own_account() const;

  RunScope* outer_;
  const RunScope* run_;  ///< the first one of the run: itself, or the one that it helps
  bool lasting_ = false;
  // Of the first one:
  Limits limits_;
  const Keeping* keeping_ = nullptr;
  int64_t deadline_ = 0;                            ///< in nanoseconds of the system's clock
  mutable std::atomic<int64_t> held_{0};            ///< by what ends before the run does
  mutable std::atomic<Account*> account_{nullptr};  ///< of all else; made when it is needed
};

/// While one lives, what this thread's run takes counts in what the session keeps: plans, and what they know.
class LastingScope {
 public:
  LastingScope();
  ~LastingScope();
  LastingScope(const LastingScope&) = delete;
  LastingScope& operator=(const LastingScope&) = delete;

 private:
  RunScope* scope_;
  bool before_ = false;
};

/// As allocate_zeroed, which counts in the memory of this thread's run, for what outlives runs and counts in none.
std::shared_ptr<std::byte> allocate_lasting(size_t bytes);

/// Whether this thread's run is to stop. Loops of kernels ask it for every row, plane or band, and return at
/// once: what they leave unwritten nobody sees, because the run ends before the next step.
bool stop_requested() noexcept;
/// Throws Error::cancelled or Error::deadline if this thread's run is to stop. Loops of references call it for every
/// row or plane.
void check_cancelled();

/// Counts bytes in the memory of this thread's run, and says who is to get them back; null where nobody counts.
/// Throws Error::memory where that many are not left.
Account* take_memory(int64_t bytes);

/// Bytes of the limit of this thread's run, given back when it goes, which may be after the run and on another
/// thread. Throws Error::memory where that many are not left.
class Charge {
 public:
  Charge() = default;
  explicit Charge(int64_t bytes) : account_(take_memory(bytes)), bytes_(bytes) {}
  Charge(Charge&& other) noexcept : account_(std::exchange(other.account_, nullptr)), bytes_(other.bytes_) {}
  Charge& operator=(Charge&&) = delete;
  ~Charge() {
    if (account_) account_->give_back(bytes_);
  }

 private:
  Account* account_ = nullptr;
  int64_t bytes_ = 0;
};

/// The same for what ends before the run does, on one of its threads: allocates nothing.
class HeldCharge {
 public:
  explicit HeldCharge(int64_t bytes);
  HeldCharge(const HeldCharge&) = delete;
  HeldCharge& operator=(const HeldCharge&) = delete;
  ~HeldCharge() {
    if (run_) run_->held_.fetch_sub(bytes_, std::memory_order_relaxed);
  }

 private:
  const RunScope* run_;
  int64_t bytes_;
};

}  // namespace tessera
