#include "ops/cpu/level.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <atomic>
#include <cstdlib>

#include "runtime/base/base.h"

namespace tessera::cpu {
namespace {

Level choose() {
  const Level best = best_level();
  const char* pinned = std::getenv("TESSERA_ISA");
  if (!pinned || !*pinned) return best;
  for (const Level level : all_levels) {
    if (name_of(level) != pinned) continue;
    if (level > best) fail(Error::Kind::usage, "TESSERA_ISA=", pinned, ": this machine reaches only ", name_of(best));
    return level;
  }
  fail(Error::Kind::usage, "TESSERA_ISA=", pinned,
       " is not a level: use baseline, avx2, avx512, avx512vnni, avx512bf16 or amx");
}

std::atomic<Level>& current() {
  static std::atomic<Level> chosen{choose()};
  return chosen;
}

#if defined(__x86_64__)
// Whether the processor multiplies tiles, the system keeps them across its switches, and lets this process
// use them: Linux grants that on request, once for all threads to come.
bool has_amx() {
#if defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned bf16 = 1u << 22, tiles = 1u << 24, int8 = 1u << 25;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (bf16 | tiles | int8)) != (bf16 | tiles | int8)) return false;
  constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}
#endif

}  // namespace

Level best_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Level::baseline;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512cd");
  if (!avx512) return Level::avx2;
  if (!__builtin_cpu_supports("avx512vnni")) return Level::avx512;
  if (!__builtin_cpu_supports("avx512bf16")) return Level::avx512vnni;
  if (has_amx()) return Level::amx;
  // Intel's processors multiply pairs of bfloat16 at half the rate of float32.
  return __builtin_cpu_is("amd") ? Level::avx512bf16 : Level::avx512vnni;
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
    case Level::avx512bf16: return "avx512bf16";
    case Level::amx: return "amx";
  }
  return "unknown";
}

}  // namespace tessera::cpu
