#include "runtime/base/run_scope.h"

#include <time.h>

#include "runtime/base/base.h"

namespace tessera {
namespace {

constinit thread_local RunScope* innermost = nullptr;

// A clock that costs a few instructions, and goes on every few milliseconds.
int64_t nanoseconds_now() noexcept {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

RunScope::RunScope(const Limits& limits, const Keeping* keeping)
    : outer_(innermost), run_(this), limits_(limits), keeping_(keeping) {
  constexpr int64_t longest = int64_t{1} << 42;  // a century, which is no overflow
  if (limits.milliseconds) deadline_ = nanoseconds_now() + std::min(limits.milliseconds, longest) * 1'000'000;
  innermost = this;
}

RunScope::RunScope(const RunScope* helped) : outer_(innermost), run_(helped ? helped->run_ : this) {
  if (helped) lasting_ = helped->lasting_;
  innermost = this;
}

RunScope::~RunScope() {
  innermost = outer_;
  if (Account* account = account_.load(std::memory_order_relaxed)) account->leave();
}

const RunScope* RunScope::current() noexcept { return innermost; }

bool RunScope::may_stop() noexcept {
  return innermost && (innermost->run_->limits_.cancel || innermost->run_->limits_.milliseconds);
}

bool RunScope::is_cancelled() const noexcept {
  return limits_.cancel && limits_.cancel->load(std::memory_order_relaxed);
}

bool RunScope::is_over_time() const noexcept { return limits_.milliseconds && nanoseconds_now() >= deadline_; }

int64_t RunScope::used() const {
  const Account* account = account_.load(std::memory_order_acquire);
  return held_.load(std::memory_order_relaxed) + (account ? account->used() : 0) + (keeping_ ? keeping_->counted() : 0);
}

// Of the first scope of a run, when `bytes` are counted already.
void RunScope::make_room(int64_t bytes) const {
  int64_t all = used();
  if (all <= limits_.memory) return;
  // What is kept goes, if that is enough.
  if (keeping_ && all - keeping_->counted() <= limits_.memory) {
    keeping_->drop_idle();
    if (used() > limits_.memory) keeping_->forget();
    all = used();
    if (all <= limits_.memory) return;
  }
  fail(Error::Kind::memory, "the run holds ", (all - bytes) >> 20, " MiB and needs ", (bytes >> 20) + 1,
       " MiB more, but the limit is ", limits_.memory >> 20,
       " MiB: use a smaller input or smaller tiles, or allow more");
}

Account& RunScope::own_account() const {
  Account* account = account_.load(std::memory_order_acquire);
  if (account) return *account;
  Account* made = Account::open();
  if (account_.compare_exchange_strong(account, made, std::memory_order_acq_rel)) return *made;
  made->leave();
  return *account;
}

bool stop_requested() noexcept {
  return innermost && (innermost->run_->is_cancelled() || innermost->run_->is_over_time());
}

void check_cancelled() {
  if (!stop_requested()) return;
  const RunScope& run = *innermost->run_;
  if (run.is_cancelled()) fail(Error::Kind::cancelled, "the run was cancelled");
  fail(Error::Kind::deadline, "it took longer than the ", run.limits_.milliseconds, " ms that it may");
}

Account* take_memory(int64_t bytes) {
  if (!innermost || !innermost->run_->limits_.memory) return nullptr;
  const RunScope& run = *innermost->run_;
  Account& account = innermost->lasting_ && run.keeping_ ? run.keeping_->account() : run.own_account();
  account.add(bytes);
  try {
    run.make_room(bytes);
  } catch (...) {
    account.give_back(bytes);
    throw;
  }
  return &account;
}

HeldCharge::HeldCharge(int64_t bytes)
    : run_(innermost && innermost->run_->limits_.memory ? innermost->run_ : nullptr), bytes_(bytes) {
  if (!run_) return;
  run_->held_.fetch_add(bytes, std::memory_order_relaxed);
  try {
    run_->make_room(bytes);
  } catch (...) {
    run_->held_.fetch_sub(bytes, std::memory_order_relaxed);
    throw;
  }
}

LastingScope::LastingScope() : scope_(innermost) {
  if (scope_) before_ = std::exchange(scope_->lasting_, true);
}

LastingScope::~LastingScope() {
  if (scope_) scope_->lasting_ = before_;
}

}  // namespace tessera
