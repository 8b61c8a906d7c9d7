// A pool of worker threads that split one loop at a time. Work is divided by index, never by
// timing, so that results do not depend on the number of threads.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace tessera {

/// Threads that someone else owns: `run(context, count, task, argument)` calls task(argument, i) once
/// for each i < count, on any threads, and returns when all calls have.
struct ForeignThreads {
  using Task = void (*)(void* argument, size_t index);
  void (*run)(void* context, size_t count, Task task, void* argument) = nullptr;
  void* context = nullptr;
};

class Threads {
 public:
  /// `count` threads in all, the caller included; 0 asks for one per core that this process may use.
  /// With `foreign` threads, none are started here.
  explicit Threads(int count, const ForeignThreads& foreign = {});
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const { return count_; }

  /// Calls body(begin, end, worker) over disjoint ranges that cover [0, items); worker is in
  /// [0, count()) and no two ranges run at once with the same worker. Ranges start at multiples of
  /// `grain`, the items that are not worth a thread of their own. Allocates nothing. If another caller
  /// holds the pool, the loop runs on this thread alone.
  template <class Body>
  void parallel(int64_t items, int64_t grain, const Body& body) {
    run(items, grain, &body, [](const void* object, int64_t begin, int64_t end, int worker) {
      (*static_cast<const Body*>(object))(begin, end, worker);
    });
  }

  /// While one lives, loops are expected: workers stay awake between them for longer.
  class Busy {
   public:
    explicit Busy(Threads& threads);
    ~Busy();
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    Threads& threads_;
    std::chrono::steady_clock::time_point start_;
  };

 private:
  using Call = void (*)(const void*, int64_t, int64_t, int);
  void run(int64_t items, int64_t grain, const void* object, Call call);

  struct Pool;
  int count_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace tessera
