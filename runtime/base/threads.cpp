#include "runtime/base/threads.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <thread>
#include <vector>

#include "runtime/base/cores.h"
#include "runtime/base/float_environment.h"
#include "runtime/base/run_scope.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

// How long a worker stays awake after its last loop: in the midst of a run, and after it.
constexpr microseconds patience{2000}, after_run{50};
// A loop with more than this still to do is worth waking a thread, which takes about as long.
constexpr microseconds worth_waking{40};
// A run after one that took as long wakes them at once.
constexpr microseconds long_run{300};

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Waits until `ready`, awake, for about `limit()`, which is asked at every turn. After a moment the core
// is offered to others: pools of several sessions, or more threads than cores, share it.
template <class Ready, class Limit>
bool spin(const Ready& ready, const Limit& limit) {
  for (int i = 0; i < 100; ++i) {
    if (ready()) return true;
    relax();
  }
  for (const auto start = Clock::now(); Clock::now() - start < limit(); sched_yield())
    if (ready()) return true;
  return ready();
}

using Body = void (*)(const void*, int64_t, int64_t, int);

// Runs which may be stopped ask for it in between: a first part of a range tells how long the rest takes.
void run_range(const void* object, Body body, int64_t begin, int64_t end, int64_t grain, int worker) {
  constexpr int64_t first = 16;  // of a range: the part that is tried
  constexpr std::chrono::milliseconds often{20};
  int64_t piece = (end - begin) / (first * grain) * grain;
  if (!piece || !RunScope::may_stop()) return body(object, begin, end, worker);
  const auto start = Clock::now();
  body(object, begin, begin + piece, worker);
  begin += piece;
  if ((Clock::now() - start) * first < often) return body(object, begin, end, worker);
  for (; begin < end && !stop_requested(); begin += piece) {
    const auto since = Clock::now();
    body(object, begin, std::min(end, begin + piece), worker);
    if (Clock::now() - since > often) piece = std::max(grain, piece / 2 / grain * grain);
  }
}

// How often this process is the child of a fork, which has but the thread that forked.
std::atomic<unsigned> forks{0};

unsigned forks_so_far() {
  static const int watched = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(watched);
  return forks.load(std::memory_order_relaxed);
}

}  // namespace

struct Threads::Pool {
  // The gate is open while a loop has work to give. Workers count themselves in, so that the caller,
  // who closes the gate when nothing is left, waits for those alone who have begun.
  static constexpr uint32_t inside = 0x7ff, open = 0x800, round = 0x1000;

  // Items of one worker: it begins there, where the data of its earlier loops lie, and helps others
  // when it is done.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
    std::atomic<int> core{-1};       // where its thread was last seen
    std::atomic<bool> moved{false};  // by whoever woke it; `allowed` are the cores that it had before
    cpu_set_t allowed;
  };

  explicit Pool(int count, const ForeignThreads& given)
      : born(forks_so_far()), foreign(given), shares(static_cast<size_t>(count)) {}

  /// In the child of a fork its threads are gone: loops run on their callers' threads.
  bool is_orphan() const { return born != forks.load(std::memory_order_relaxed) && !foreign.run; }

  const unsigned born;

  alignas(64) std::atomic<uint32_t> gate{0};
  std::atomic<int> runs{0};        // in progress; see Busy
  std::atomic<bool> eager{false};  // the last run was long
  std::atomic<bool> stop{false};
  alignas(64) std::atomic<uint32_t> bell{0};  // rung to wake those asleep
  std::atomic<int> asleep{0};
  std::atomic<bool> taken{false};  // by the caller whose loop is running
  ForeignThreads foreign;
  // The loop: written while the gate is closed and nobody is inside.
  const void* object = nullptr;
  Call call = nullptr;
  int64_t range = 1, grain = 1;
  const RunScope* scope = nullptr;  // of the run that the loop belongs to
  std::vector<Share> shares;        // one per thread; more if not all threads could be started
  std::vector<std::thread> workers;

  void divide(int64_t items, int64_t grain) {
    const auto count = static_cast<int64_t>(shares.size());
    const int64_t grains = (items + grain - 1) / grain;
    this->grain = grain;
    // About four ranges per worker, so that a core that is taken away for a while costs little.
    range = std::max<int64_t>(1, grains / (4 * count)) * grain;
    for (int64_t i = 0; i < count; ++i) {
      Share& share = shares[static_cast<size_t>(i)];
      share.next.store(grains * i / count * grain, std::memory_order_relaxed);
      share.end = std::min(items, grains * (i + 1) / count * grain);
    }
  }

  // Takes ranges until none is left or the run is to stop; `after` is called after each.
  template <class After>
  void work(int worker, const After& after) {
    const size_t count = shares.size();
    for (size_t i = 0; i < count; ++i) {
      Share& share = shares[(static_cast<size_t>(worker) + i) % count];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const int64_t begin = share.next.fetch_add(range, std::memory_order_relaxed);
        if (begin >= share.end) break;
        if (stop_requested()) return;
        run_range(object, call, begin, std::min(share.end, begin + range), grain, worker);
        after();
      }
    }
  }

  int64_t ranges_left() const {
    int64_t left = 0;
    for (const Share& share : shares)
      left += std::max<int64_t>(0, share.end - share.next.load(std::memory_order_relaxed));
    return left / range;
  }

  // Counts this worker in if a loop has begun that it has not seen.
  bool enter(uint32_t& seen) {
    uint32_t now = gate.load(std::memory_order_relaxed);
    while ((now & open) && now / round != seen)
      if (gate.compare_exchange_weak(now, now + 1, std::memory_order_acquire, std::memory_order_relaxed)) {
        seen = now / round;
        return true;
      }
    return false;
  }

  void leave() {
    if ((gate.fetch_sub(1, std::memory_order_release) & (inside | open)) == 1) gate.notify_one();
  }

  // Schedulers may keep a thread that waits on the core of the thread that it waits for, while others
  // idle. Whoever finds a thread before it on its core moves elsewhere, if there is somewhere else.
  void step_aside(int worker) {
    Share& own = shares[static_cast<size_t>(worker)];
    if (own.moved.exchange(false, std::memory_order_acquire)) sched_setaffinity(0, sizeof own.allowed, &own.allowed);
    const int here = sched_getcpu();
    own.core.store(here, std::memory_order_relaxed);
    const auto core_of = [&](int i) { return shares[static_cast<size_t>(i)].core.load(std::memory_order_relaxed); };
    bool shared = false;
    for (int i = 0; i < worker; ++i) shared |= core_of(i) == here;
    cpu_set_t allowed;
    if (!shared || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    cpu_set_t others = allowed;
    for (int i = 0; i < worker; ++i)
      if (const int core = core_of(i); core >= 0 && core < CPU_SETSIZE) CPU_CLR(static_cast<size_t>(core), &others);
    if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
    own.core.store(sched_getcpu(), std::memory_order_relaxed);
    sched_setaffinity(0, sizeof allowed, &allowed);
  }

  // Schedulers may also queue a thread that is woken behind the one that woke it: not if it may not.
  void keep_off(int core) {
    for (size_t i = 0; i < workers.size() && core >= 0 && core < CPU_SETSIZE; ++i) {
      Share& share = shares[i + 1];
      const pthread_t thread = workers[i].native_handle();
      if (share.moved.load(std::memory_order_acquire)) continue;
      if (pthread_getaffinity_np(thread, sizeof share.allowed, &share.allowed) != 0) continue;
      cpu_set_t others = share.allowed;
      CPU_CLR(static_cast<size_t>(core), &others);
      if (CPU_COUNT(&others) > 0 && pthread_setaffinity_np(thread, sizeof others, &others) == 0)
        share.moved.store(true, std::memory_order_release);
    }
  }

  // A worker's part of one loop.
  void help(int worker) {
    const RunScope helping(scope);
    work(worker, [] {});
  }

  void loop(int worker) {
    const FloatEnvironment environment;
    uint32_t seen = 0;
    const auto ready = [&] { return enter(seen) || stop.load(std::memory_order_relaxed); };
    const auto limit = [&] {
      step_aside(worker);
      return runs.load(std::memory_order_relaxed) ? patience : after_run;
    };
    for (;;) {
      if (!spin(ready, limit)) {
        asleep.fetch_add(1);
        for (;;) {
          const uint32_t rung = bell.load();
          if (ready()) break;
          bell.wait(rung);
          step_aside(worker);
        }
        asleep.fetch_sub(1);
      }
      if (stop.load(std::memory_order_relaxed)) return;
      help(worker);
      leave();
    }
  }

  // For who has taken the pool.
  void wake() {
    keep_off(sched_getcpu());
    ring();
  }

  void ring() {
    bell.fetch_add(1);
    bell.notify_all();
  }

  // The loop that was divided, on this thread and all workers that come in time.
  void run_own() {
    shares[0].core.store(sched_getcpu(), std::memory_order_relaxed);
    const uint32_t began = (gate.load(std::memory_order_relaxed) / round + 1) * round | open;
    gate.store(began);
    // How long the first range takes tells whether the rest is worth waking anybody.
    bool decided = asleep.load() == 0;
    if (!decided && eager.load(std::memory_order_relaxed)) decided = true, wake();
    const auto start = decided ? Clock::time_point{} : Clock::now();
    work(0, [&] {
      if (decided) return;
      decided = true;
      if ((Clock::now() - start) * ranges_left() > worth_waking) wake();
    });
    gate.fetch_sub(open, std::memory_order_relaxed);
    const auto done = [&] { return (gate.load(std::memory_order_acquire) & inside) == 0; };
    if (spin(done, [] { return patience; })) return;
    for (uint32_t now = gate.load(std::memory_order_acquire); now & inside; now = gate.load(std::memory_order_acquire))
      gate.wait(now);
  }

  void run_foreign() {
    foreign.run(
        foreign.context, shares.size(),
        [](void* pool, size_t index) {
          const FloatEnvironment environment;
          static_cast<Pool*>(pool)->help(static_cast<int>(index));
        },
        this);
  }
};

Threads::Threads(int count, const ForeignThreads& foreign)
    : count_(count > 0 ? count : available_cores()), pool_(std::make_unique<Pool>(count_, foreign)) {
  if (foreign.run) return;
  pool_->workers.reserve(static_cast<size_t>(count_));
  // Where the system gives no more threads, there are fewer.
  try {
    for (int i = 1; i < count_; ++i) pool_->workers.emplace_back([this, i] { pool_->loop(i); });
  } catch (const std::exception&) {
    count_ = 1 + static_cast<int>(pool_->workers.size());
  }
}

Threads::~Threads() {
  if (pool_->is_orphan()) {
    static_cast<void>(pool_.release());  // nobody is there to be joined
    return;
  }
  pool_->stop.store(true);
  // No affinity is changed: threads that have ended already have no number, and the system would take the caller's.
  pool_->ring();
  for (std::thread& worker : pool_->workers) worker.join();
}

Threads::Busy::Busy(Threads& threads) : threads_(threads), start_(Clock::now()) {
  Pool& pool = *threads.pool_;
  pool.runs.fetch_add(1, std::memory_order_relaxed);
  if (!pool.eager.load(std::memory_order_relaxed) || pool.asleep.load() == 0 || pool.is_orphan()) return;
  if (pool.taken.exchange(true, std::memory_order_acquire)) return;
  pool.wake();
  pool.taken.store(false, std::memory_order_release);
}

Threads::Busy::~Busy() {
  Pool& pool = *threads_.pool_;
  pool.runs.fetch_sub(1, std::memory_order_relaxed);
  pool.eager.store(Clock::now() - start_ > long_run, std::memory_order_relaxed);
}

void Threads::run(int64_t items, int64_t grain, const void* object, Call call) {
  if (items <= 0 || stop_requested()) return;
  grain = std::max<int64_t>(1, grain);
  Pool& pool = *pool_;
  if (count_ == 1 || items <= grain || pool.is_orphan() || pool.taken.exchange(true, std::memory_order_acquire)) {
    run_range(object, call, 0, items, grain, 0);
    return;
  }
  pool.object = object;
  pool.call = call;
  pool.scope = RunScope::current();
  pool.divide(items, grain);
  if (pool.foreign.run)
    pool.run_foreign();
  else
    pool.run_own();
  pool.taken.store(false, std::memory_order_release);
}

}  // namespace tessera
