// How a census measures: each bomb is run in a process of its own, with little memory allowed and a caller who soon has
// had enough. What it takes beyond the limit, and how long it goes on when it is asked to stop, are measured.
//
// TESSERA_CENSUS=MIB allows that much memory, lets each go on for longer, and prints the report.
#pragma once

#include <malloc.h>

#include <fstream>
#include <thread>

#include "tests/subjects.h"

namespace tessera::test::census {

constexpr int64_t mebibyte = int64_t{1} << 20;

inline int64_t allowed() {
  static const char* given = std::getenv("TESSERA_CENSUS");
  return (given ? std::stoll(given) : 16) * mebibyte;
}
inline bool is_report() { return std::getenv("TESSERA_CENSUS") != nullptr; }
// What a process takes besides: code that is touched for the first time, stacks, what allocators hold back.
constexpr int64_t besides = 64 * mebibyte;

enum class End : int { answer, memory, stopped, other, died };

struct Measured {
  End end = End::died;
  int64_t rise = 0;                ///< bytes of the process beyond what it had before
  double seconds = 0, answer = 0;  ///< of its processors' time: in all, and after it was asked to stop
  char text[200] = {};
};

inline int64_t status_kib(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name)) return std::stoll(line.substr(name.size() + 1));
  return 0;
}

inline double processor_seconds() {
  timespec now;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

using Runs = std::function<void(const SessionOptions&, const std::atomic<bool>&)>;

// In a process of its own.
inline void measure_here(const Runs& runs, Measured& measured) {
  static std::atomic<bool> cancel{false};
  static std::atomic<double> asked{0};
  SessionOptions options;
  options.threads = 1;
  options.device = "cpu";
  options.memory_limit = allowed();
  options.cancel = &cancel;
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
  const int64_t before = status_kib("VmRSS:");
  const double began = processor_seconds();
  std::thread([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(is_report() ? 1500 : 100));
    asked = processor_seconds();
    cancel = true;
  }).detach();
  try {
    runs(options, cancel);
    measured.end = End::answer;
  } catch (const Error& error) {
    std::snprintf(measured.text, sizeof measured.text, "%s", error.what());
    const auto kind = error.kind();
    measured.end = kind == Error::Kind::memory      ? End::memory
                   : kind == Error::Kind::cancelled ? End::stopped
                                                    : End::other;
  } catch (const std::bad_alloc&) {
    measured.end = End::memory;
  }
  const double now = processor_seconds();
  measured.seconds = now - began;
  measured.answer = cancel ? now - asked : 0;
  measured.rise = (status_kib("VmHWM:") - before) << 10;
}

inline Measured measure(const Runs& runs) {
  void* shared = mmap(nullptr, sizeof(Measured), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* measured = new (shared) Measured;
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    measure_here(runs, *measured);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const Measured result = *measured;
  munmap(shared, sizeof(Measured));
  return result;
}

struct Totals {
  int bombs = 0, over = 0, slow = 0;
  double longest = 0;
  ~Totals() {
    if (bombs)
      std::printf(
          "%d bombs: %d beyond the limit of %lld + %lld MiB, %d do not answer within a second (longest: %.2f s)\n",
          bombs, over, static_cast<long long>(allowed() >> 20), static_cast<long long>(besides >> 20), slow, longest);
  }
};

inline void judge(const std::string& name, const Measured& m, Totals& totals, bool may_fail = false) {
  ++totals.bombs;
  const bool over = m.rise > allowed() + besides, slow = m.answer > 1 || m.end == End::died;
  totals.over += over;
  totals.slow += slow;
  totals.longest = std::max(totals.longest, m.answer);
  constexpr const char* ends[] = {"answer", "memory", "stopped", "other", "died"};
  const std::string line = cat(name, ": ", ends[static_cast<int>(m.end)], ", ", m.rise >> 20, " MiB, ", m.seconds,
                               " s, answers in ", m.answer, " s; ", Text(m.text).substr(0, Text(m.text).find('\n')));
  if (is_report()) std::printf("%s%s%s\n", over ? "OVER " : "", slow ? "SLOW " : "", line.c_str());
  if (is_report()) return;
  EXPECT_FALSE(over || slow) << line;
  EXPECT_TRUE(may_fail || m.end != End::other) << line << ": this tests nothing";
}

/// In the language of tests/cases/example_cases.cpp.
List<Text> bombs();

inline void run_bomb(const Subject& subject, const SessionOptions& options, const std::atomic<bool>& cancel) {
  const std::string file = file_of(subject);
  const Session session(List<std::byte>(reinterpret_cast<const std::byte*>(file.data()), file.size()), options);
  session.run(inputs_of(subject), {nullptr, &cancel});
}

}  // namespace tessera::test::census
