// A pool of worker threads that split one loop at a time. Work is divided by index, never by
// timing, so that results do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <memory>

namespace tessera {

class Threads {
 public:
  /// `count` threads in all, the caller included; 0 asks for one per core that this process may use.
  explicit Threads(int count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const { return count_; }

  /// The number of cores this process may use: affinity and cgroup quota, at least 1.
  static int available();

  /// Calls body(begin, end, worker) over disjoint ranges that cover [0, items); worker is in
  /// [0, count()) and no two ranges run at once with the same worker. Ranges start at multiples of
  /// `grain`. Allocates nothing. If another caller holds the pool, the loop runs on this thread alone.
  template <class Body>
  void parallel(int64_t items, int64_t grain, const Body& body) {
    run(items, grain, &body, [](const void* object, int64_t begin, int64_t end, int worker) {
      (*static_cast<const Body*>(object))(begin, end, worker);
    });
  }

 private:
  using Call = void (*)(const void*, int64_t, int64_t, int);
  void run(int64_t items, int64_t grain, const void* object, Call call);

  struct Pool;
  int count_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace tessera
