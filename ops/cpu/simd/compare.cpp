#include "ops/cpu/simd/compare.h"

#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

template <class T, Relation relation>
uint8_t holds(T x, T y) {
  switch (relation) {
    case Relation::equal: return x == y;
    case Relation::less: return x < y;
    case Relation::less_or_equal: return x <= y;
    case Relation::greater: return x > y;
    case Relation::greater_or_equal: return x >= y;
  }
}

template <class T, Relation relation>
void compare_span(const void* px, const void* py, bool one, void* out, int64_t n) {
  const T* __restrict x = static_cast<const T*>(px);
  const T* __restrict y = static_cast<const T*>(py);
  auto* __restrict to = static_cast<uint8_t*>(out);
  if (one) {
    const T value = n > 0 ? *y : T();
    for (int64_t i = 0; i < n; ++i) to[i] = holds<T, relation>(x[i], value);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = holds<T, relation>(x[i], y[i]);
  }
}

template <class Bits>
void within(const Bits* __restrict x, Bits mask, Bits first, Bits rest, uint8_t* __restrict out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<Bits>((x[i] & mask) - first) <= rest;
}

template <class T>
constexpr void fill(CompareSimd::Compare (&row)[relations]) {
  row[int(Relation::equal)] = compare_span<T, Relation::equal>;
  row[int(Relation::less)] = compare_span<T, Relation::less>;
  row[int(Relation::less_or_equal)] = compare_span<T, Relation::less_or_equal>;
  row[int(Relation::greater)] = compare_span<T, Relation::greater>;
  row[int(Relation::greater_or_equal)] = compare_span<T, Relation::greater_or_equal>;
}

constexpr CompareSimd table() {
  CompareSimd t{};
  fill<float>(t.compare[int(Compared::float32)]);
  fill<int32_t>(t.compare[int(Compared::int32)]);
  fill<int64_t>(t.compare[int(Compared::int64)]);
  t.within16 = within<uint16_t>;
  t.within32 = within<uint32_t>;
  return t;
}

}  // namespace

const CompareSimd compare = table();

}  // namespace tessera::cpu::TESSERA_LEVEL
