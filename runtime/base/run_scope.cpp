#include "runtime/base/run_scope.h"

#include "runtime/base/base.h"

namespace tessera {
namespace {

constinit thread_local RunScope* current = nullptr;

}  // namespace

RunScope::RunScope(const std::atomic<bool>* cancel, int64_t memory_limit)
    : outer_(current), cancel_(cancel), limit_(memory_limit) {
  current = this;
}

RunScope::~RunScope() { current = outer_; }

const std::atomic<bool>* RunScope::cancel_flag() noexcept { return current ? current->cancel_ : nullptr; }

void RunScope::take(int64_t bytes) const {
  const int64_t used = held_ + (used_ ? used_->load(std::memory_order_relaxed) : 0);
  if (bytes <= limit_ - used) return;
  fail(Error::Kind::memory, "the run holds ", used >> 20, " MiB and needs ", (bytes >> 20) + 1,
       " MiB more, but the limit is ", limit_ >> 20, " MiB: use a smaller input or smaller tiles, or allow more");
}

bool stop_requested() noexcept {
  const std::atomic<bool>* cancel = RunScope::cancel_flag();
  return cancel && cancel->load(std::memory_order_relaxed);
}

void check_cancelled() {
  if (stop_requested()) fail(Error::Kind::cancelled, "the run was cancelled");
}

Charge::Charge(int64_t bytes) : bytes_(bytes) {
  RunScope* scope = current;
  if (!scope || !scope->limit_) return;
  scope->take(bytes);
  if (!scope->used_) scope->used_ = std::make_shared<std::atomic<int64_t>>(0);
  used_ = scope->used_;
  used_->fetch_add(bytes, std::memory_order_relaxed);
}

HeldCharge::HeldCharge(int64_t bytes) : scope_(current && current->limit_ ? current : nullptr), bytes_(bytes) {
  if (!scope_) return;
  scope_->take(bytes);
  scope_->held_ += bytes;
}

}  // namespace tessera
