// The thread pool: every index once, whoever comes, sleeps, or brings threads of its own.

#include "runtime/base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/cores.h"
#include "runtime/base/machine_memory.h"

namespace tessera {
namespace {

TEST(Threads, CoverEveryIndexOnce) {
  for (const int count : {1, 2, 5}) {
    Threads threads(count);
    for (const int64_t items : {0, 1, 7, 1000}) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(items));
      std::vector<std::atomic<int>> inside(static_cast<size_t>(count));
      threads.parallel(items, 3, [&](int64_t begin, int64_t end, int worker) {
        EXPECT_EQ(inside[static_cast<size_t>(worker)].fetch_add(1), 0);
        EXPECT_EQ(begin % 3, 0);
        for (int64_t i = begin; i < end; ++i) hits[static_cast<size_t>(i)]++;
        inside[static_cast<size_t>(worker)].fetch_sub(1);
      });
      for (const auto& hit : hits) EXPECT_EQ(hit.load(), 1);
    }
  }
}

TEST(Threads, ConcurrentCallersGetTheirOwnWork) {
  Threads threads(3);
  std::vector<std::thread> callers;
  std::atomic<int64_t> total{0};
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        std::atomic<int64_t> sum{0};
        threads.parallel(100, 1, [&](int64_t begin, int64_t end, int) { sum += end - begin; });
        EXPECT_EQ(sum.load(), 100);
        total += sum;
      }
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total.load(), 4 * 200 * 100);
}

// Pauses around the times after which workers fall asleep, in runs and between them.
TEST(Threads, LoopsAfterPausesOfEveryLength) {
  Threads threads(3);
  for (int round = 0; round < 60; ++round) {
    const Threads::Busy busy(threads);
    for (int loop = 0; loop < 5; ++loop) {
      std::atomic<int64_t> sum{0};
      threads.parallel(50, 1, [&](int64_t begin, int64_t end, int) { sum += end - begin; });
      EXPECT_EQ(sum.load(), 50);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(round * round));
  }
}

TEST(Threads, ManyMoreThanCoresStillTakeTurns) {
  Threads threads(4 * available_cores() + 3);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::atomic<int>> hits(100);
    threads.parallel(100, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) hits[static_cast<size_t>(i)]++;
    });
    for (const auto& hit : hits) ASSERT_EQ(hit.load(), 1);
  }
}

// The caller of a loop has nobody to wait for but workers that have begun: here none ever does.
TEST(Threads, ForeignThreadsMayDoTheTasksInAnyOrder) {
  struct Pool {
    size_t calls = 0;
    bool backwards = false, together = false;
  } pool;
  const ForeignThreads foreign{[](void* context, size_t count, ForeignThreads::Task task, void* argument) {
                                 Pool& own = *static_cast<Pool*>(context);
                                 ++own.calls;
                                 std::vector<std::thread> threads;
                                 for (size_t i = 0; i < count; ++i) {
                                   const size_t index = own.backwards ? count - 1 - i : i;
                                   if (own.together)
                                     threads.emplace_back(task, argument, index);
                                   else
                                     task(argument, index);
                                 }
                                 for (std::thread& thread : threads) thread.join();
                               },
                               &pool};
  Threads threads(3, foreign);
  EXPECT_EQ(threads.count(), 3);
  for (const bool backwards : {false, true})
    for (const bool together : {false, true}) {
      pool = {0, backwards, together};
      std::vector<std::atomic<int>> hits(1000);
      threads.parallel(1000, 3, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) hits[static_cast<size_t>(i)]++;
      });
      for (const auto& hit : hits) ASSERT_EQ(hit.load(), 1);
      EXPECT_EQ(pool.calls, 1u);
    }
}

// A tree of files as the kernel shows them.
class Cores : public testing::Test {
 protected:
  ~Cores() override { std::filesystem::remove_all(root_); }
  void file(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = root_ + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text << '\n';
  }
  const std::string root_ =
      testing::TempDir() + "cores-" + testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(Cores, NoGroupsNoLimit) { EXPECT_EQ(cgroup_cores(root_), 0); }

TEST_F(Cores, SmallestQuotaOfNestedGroups) {
  file("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate");
  file("/proc/self/cgroup", "0::/user.slice/app.scope");
  file("/sys/fs/cgroup/user.slice/app.scope/cpu.max", "max 100000");
  EXPECT_EQ(cgroup_cores(root_), 0);
  file("/sys/fs/cgroup/user.slice/cpu.max", "350000 100000");
  EXPECT_EQ(cgroup_cores(root_), 4);
  file("/sys/fs/cgroup/user.slice/app.scope/cpu.max", "20000 100000");
  EXPECT_EQ(cgroup_cores(root_), 1);
}

TEST_F(Cores, ContainerThatSeesItsOwnGroupAsTheRoot) {
  file("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw");
  file("/proc/self/cgroup", "0::/");
  file("/sys/fs/cgroup/cpu.max", "150000 100000");
  EXPECT_EQ(cgroup_cores(root_), 2);
}

TEST_F(Cores, VersionOneWithAndWithoutANamespace) {
  file("/proc/self/mountinfo",
       "33 31 0:30 /docker/abc /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
       "32 31 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct");
  file("/proc/self/cgroup", "4:cpuset:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/");
  file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1");
  file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
  EXPECT_EQ(cgroup_cores(root_), 0);
  file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000");
  EXPECT_EQ(cgroup_cores(root_), 3);
}

using MachineMemory = Cores;

TEST_F(MachineMemory, OfTheMachineWhereNoGroupLimitsIt) {
  EXPECT_GT(total_memory(root_), 0) << "without /proc";
  EXPECT_GT(available_memory(root_), 0);
  file("/proc/meminfo", "MemTotal:  8000000 kB\nMemFree: 1000 kB\nMemAvailable:  3000000 kB");
  EXPECT_EQ(total_memory(root_), int64_t{8000000} * 1024);
  EXPECT_EQ(available_memory(root_), int64_t{3000000} * 1024);
}

TEST_F(MachineMemory, OfTheSmallestGroup) {
  file("/proc/meminfo", "MemTotal:  8000000 kB\nMemAvailable:  3000000 kB");
  file("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate");
  file("/proc/self/cgroup", "0::/user.slice/app.scope");
  file("/sys/fs/cgroup/user.slice/app.scope/memory.max", "max");
  EXPECT_EQ(total_memory(root_), int64_t{8000000} * 1024);
  file("/sys/fs/cgroup/user.slice/memory.max", "1000000000");
  file("/sys/fs/cgroup/user.slice/memory.current", "700000000");
  file("/sys/fs/cgroup/user.slice/memory.stat", "anon 300000000\ninactive_file 300000000\nactive_file 50000000");
  EXPECT_EQ(total_memory(root_), 1000000000);
  EXPECT_EQ(available_memory(root_), 650000000);
  file("/sys/fs/cgroup/user.slice/app.scope/memory.high", "200000000");
  file("/sys/fs/cgroup/user.slice/app.scope/memory.current", "300000000");
  EXPECT_EQ(total_memory(root_), 200000000);
  EXPECT_EQ(available_memory(root_), 0);
}

TEST_F(MachineMemory, VersionOne) {
  file("/proc/meminfo", "MemTotal:  8000000 kB\nMemAvailable:  3000000 kB");
  file("/proc/self/mountinfo", "32 31 0:29 /docker/abc /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory");
  file("/proc/self/cgroup", "4:cpu:/docker/abc\n3:memory:/docker/abc\n0::/");
  file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  EXPECT_EQ(total_memory(root_), int64_t{8000000} * 1024);
  file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "500000000");
  file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "400000000");
  file("/sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 100000000\ntotal_active_file 0");
  EXPECT_EQ(total_memory(root_), 500000000);
  EXPECT_EQ(available_memory(root_), 200000000);
}

}  // namespace
}  // namespace tessera
