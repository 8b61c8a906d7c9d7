#include "ops/cpu/level.h"

#include <atomic>
#include <cstdlib>

#include "runtime/base/base.h"

namespace tessera::cpu {
namespace {

constexpr Level levels[] = {Level::baseline, Level::avx2, Level::avx512, Level::avx512vnni};

Level choose() {
  const Level best = best_level();
  const char* pinned = std::getenv("TESSERA_ISA");
  if (!pinned || !*pinned) return best;
  for (const Level level : levels) {
    if (name_of(level) != pinned) continue;
    if (level > best) fail(Error::Kind::usage, "TESSERA_ISA=", pinned, ": this machine reaches only ", name_of(best));
    return level;
  }
  fail(Error::Kind::usage, "TESSERA_ISA=", pinned, " is not a level: use baseline, avx2, avx512 or avx512vnni");
}

std::atomic<Level>& current() {
  static std::atomic<Level> chosen{choose()};
  return chosen;
}

}  // namespace

Level best_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Level::baseline;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512cd");
  if (!avx512) return Level::avx2;
  return __builtin_cpu_supports("avx512vnni") ? Level::avx512vnni : Level::avx512;
#else
  return Level::baseline;
#endif
}

Level level() { return current().load(std::memory_order_relaxed); }

void pin_level(Level level) { current().store(level, std::memory_order_relaxed); }

Text name_of(Level level) {
  switch (level) {
    case Level::baseline: return "baseline";
    case Level::avx2: return "avx2";
    case Level::avx512: return "avx512";
    case Level::avx512vnni: return "avx512vnni";
  }
  return "unknown";
}

}  // namespace tessera::cpu
