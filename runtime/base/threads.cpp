#include "runtime/base/threads.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tessera {
namespace {

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// Cores granted by cgroup v2's cpu.max ("max 100000" or "150000 100000"), rounded up; 0 if unlimited.
int cgroup_cores() {
  std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "re");
  if (!file) return 0;
  long quota = 0, period = 0;
  const int got = std::fscanf(file, "%ld %ld", &quota, &period);
  std::fclose(file);
  return got == 2 && quota > 0 && period > 0 ? static_cast<int>((quota + period - 1) / period) : 0;
}

}  // namespace

struct Threads::Pool {
  // One loop: workers pick ranges of `chunk` items from `next` until none is left.
  struct Job {
    const void* object = nullptr;
    Call call = nullptr;
    int64_t items = 0, chunk = 1;
  };

  std::mutex busy;  // held by the caller whose loop is running
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> round{0};
  std::atomic<int> working{0};
  std::atomic<int64_t> next{0};
  Job job;
  std::atomic<bool> stop{false};
  std::atomic<int> asleep{0};
  std::vector<std::thread> workers;

  void work(int worker) {
    const Job current = job;
    for (;;) {
      const int64_t begin = next.fetch_add(current.chunk, std::memory_order_relaxed);
      if (begin >= current.items) break;
      current.call(current.object, begin, std::min(current.items, begin + current.chunk), worker);
    }
  }

  void loop(int worker) {
    uint64_t seen = 0;
    for (;;) {
      // Spin for some tens of microseconds: the next step of a plan usually follows at once.
      for (int spin = 0; spin < 4000 && round.load(std::memory_order_acquire) == seen; ++spin) relax();
      if (round.load(std::memory_order_acquire) == seen) {
        std::unique_lock lock(mutex);
        asleep.fetch_add(1);
        wake.wait(lock, [&] { return round.load(std::memory_order_acquire) != seen; });
        asleep.fetch_sub(1);
      }
      seen = round.load(std::memory_order_acquire);
      if (stop.load()) return;
      work(worker);
      working.fetch_sub(1, std::memory_order_release);
    }
  }

  void start_round() {
    working.store(static_cast<int>(workers.size()), std::memory_order_relaxed);
    round.fetch_add(1, std::memory_order_seq_cst);
    if (asleep.load(std::memory_order_seq_cst) > 0) {
      std::lock_guard lock(mutex);
      wake.notify_all();
    }
  }
};

int Threads::available() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  if (const int quota = cgroup_cores()) cores = std::min(cores, quota);
  return std::max(1, cores);
}

Threads::Threads(int count) : count_(count > 0 ? count : available()), pool_(std::make_unique<Pool>()) {
  for (int i = 1; i < count_; ++i) pool_->workers.emplace_back([this, i] { pool_->loop(i); });
}

Threads::~Threads() {
  pool_->stop.store(true);
  {
    std::lock_guard lock(pool_->mutex);
    pool_->round.fetch_add(1);
    pool_->wake.notify_all();
  }
  for (std::thread& worker : pool_->workers) worker.join();
}

void Threads::run(int64_t items, int64_t grain, const void* object, Call call) {
  if (items <= 0) return;
  grain = std::max<int64_t>(1, grain);
  Pool& pool = *pool_;
  if (pool.workers.empty() || items <= grain || !pool.busy.try_lock()) {
    call(object, 0, items, 0);
    return;
  }
  const std::lock_guard release(pool.busy, std::adopt_lock);
  // About four ranges per worker, so that a core that is taken away for a while costs little.
  const int64_t grains = (items + grain - 1) / grain;
  const int64_t per_range = std::max<int64_t>(1, grains / (4 * count_));
  pool.job = {object, call, items, per_range * grain};
  pool.next.store(0, std::memory_order_relaxed);
  pool.start_round();
  pool.work(0);
  // A worker may have lost its core to another process: after a while, leave it ours.
  for (int spin = 0; pool.working.load(std::memory_order_acquire) > 0; ++spin) {
    if (spin < 20000)
      relax();
    else
      std::this_thread::yield();
  }
}

}  // namespace tessera
