// The instruction-set level that kernels use: the best this machine has, or what the environment
// variable TESSERA_ISA (the names of the levels) pins. Units in simd/ include this: it stays free of
// everything that throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tessera::cpu {

/// Each level has all of those before it. Beyond AVX-512, VNNI multiplies bytes, BF16 pairs of bfloat16 and
/// AMX tiles of either: only the families that gain have a table of their own there. A processor whose BF16
/// instructions are slower than its float32 ones does not have that level.
enum class Level { baseline, avx2, avx512, avx512vnni, avx512bf16, amx };
inline constexpr Level all_levels[] = {Level::baseline,   Level::avx2,       Level::avx512,
                                       Level::avx512vnni, Level::avx512bf16, Level::amx};

/// Chosen once per process. Throws Error::usage if TESSERA_ISA names a level that is unknown or
/// that this machine lacks.
Level level();
std::string_view name_of(Level level);
/// The best level that this machine can run.
Level best_level();
/// Changes the level from here on, for tests that run every level in one process. What kernels have
/// packed before stays in the form of the level before.
void pin_level(Level level);

/// Picks a family's table of inner loops for the current level. Declare a family with
/// TESSERA_SIMD_FAMILY(ConvSimd, conv) in ops/cpu/simd/conv.h; define it in simd/conv.cpp as
/// `namespace tessera::cpu::TESSERA_LEVEL { extern const ConvSimd conv{...}; }`.
#ifdef __x86_64__
#define TESSERA_SIMD_FAMILY(Table, family)                                                           \
  namespace baseline {                                                                               \
  extern const Table family;                                                                         \
  }                                                                                                  \
  namespace avx2 {                                                                                   \
  extern const Table family;                                                                         \
  }                                                                                                  \
  namespace avx512 {                                                                                 \
  extern const Table family;                                                                         \
  }                                                                                                  \
  inline const Table& family##_simd(Level l) {                                                       \
    return l >= Level::avx512 ? avx512::family : l == Level::avx2 ? avx2::family : baseline::family; \
  }
/// For a family that CMake compiles for the level avx512vnni as well: NAME_vnni_simd picks among all.
#define TESSERA_SIMD_FAMILY_VNNI(Table, family)                            \
  TESSERA_SIMD_FAMILY(Table, family)                                       \
  namespace avx512vnni {                                                   \
  extern const Table family;                                               \
  }                                                                        \
  inline const Table& family##_vnni_simd(Level l) {                        \
    return l >= Level::avx512vnni ? avx512vnni::family : family##_simd(l); \
  }
/// For a family that exists for the levels avx512bf16 and amx alone: null below.
#define TESSERA_SIMD_FAMILY_BF16(Table, family)                                                     \
  namespace avx512bf16 {                                                                            \
  extern const Table family;                                                                        \
  }                                                                                                 \
  namespace amx {                                                                                   \
  extern const Table family;                                                                        \
  }                                                                                                 \
  inline const Table* family##_simd(Level l) {                                                      \
    return l >= Level::amx ? &amx::family : l >= Level::avx512bf16 ? &avx512bf16::family : nullptr; \
  }
#else
#define TESSERA_SIMD_FAMILY_BF16(Table, family) \
  inline const Table* family##_simd(Level) { return nullptr; }
#define TESSERA_SIMD_FAMILY_VNNI(Table, family) \
  TESSERA_SIMD_FAMILY(Table, family)            \
  inline const Table& family##_vnni_simd(Level l) { return family##_simd(l); }
#define TESSERA_SIMD_FAMILY(Table, family) \
  namespace baseline {                     \
  extern const Table family;               \
  }                                        \
  inline const Table& family##_simd(Level) { return baseline::family; }
#endif

}  // namespace tessera::cpu
