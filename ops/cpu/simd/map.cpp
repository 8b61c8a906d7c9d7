// Spans of every function of ops/elementwise.def, made from the one table.
#include "ops/cpu/simd/map.h"

#include "ops/cpu/simd/elementwise_math.h"
#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

// The functions over vectors. Names of the table's functions must find ours, not libm's.
namespace function {
using T = V;
#define TESSERA_UNARY(id, Op, CLASS, expression)                                                                    \
  struct Op {                                                                                                       \
    static constexpr int place = id;                                                                                \
    static inline V of(const V& x, [[maybe_unused]] const V& a, [[maybe_unused]] const V& b) { return expression; } \
  };
#define TESSERA_BINARY(id, Op, CLASS, expression)                             \
  struct Op##2 {static inline V of(const V& x, const V& y){return expression; \
  }                                                                           \
  }                                                                           \
  ;
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
struct NearErf {
  static inline V of(const V& x, const V&, const V&) { return near_erf(x); }
};
}  // namespace function

template <class Function>
void unary(const float* x, float* out, int64_t n, float a, float b) {
  const V va(a), vb(b);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(out + i, Function::of(load(x + i), va, vb));
  if (const int rest = static_cast<int>(n - i)) store_part(out + i, Function::of(load_part(x + i, rest), va, vb), rest);
}

// An argument of a span: a vector, or one number.
struct Vector {
  const float* p;
  V at(int64_t i) const { return load(p + i); }
  V part(int64_t i, int n) const { return load_part(p + i, n); }
};
struct One {
  V value;
  explicit One(const float* p) : value(*p) {}
  V at(int64_t) const { return value; }
  V part(int64_t, int) const { return value; }
};
// Sixteen numbers that repeat.
struct Lane {
  const float* p;
  V at(int64_t i) const { return load(p + i % 16); }
  V part(int64_t i, int n) const { return load_part(p + i % 16, n); }
};

template <class Function, class X, class Y>
void binary(const float* px, const float* py, float* out, int64_t n) {
  if (n <= 0) return;
  const X x{px};
  const Y y{py};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(out + i, Function::of(x.at(i), y.at(i)));
  if (const int rest = static_cast<int>(n - i))
    store_part(out + i, Function::of(x.part(i, rest), y.part(i, rest)), rest);
}

void add_scaled(const float* y, bool one, float scale, float* out, int64_t n) {
  const V factor(scale), single = V(one ? *y : 0.0f);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(out + i, fmadd(factor, one ? single : load(y + i), load(out + i)));
  if (const int rest = static_cast<int>(n - i))
    store_part(out + i, fmadd(factor, one ? single : load_part(y + i, rest), load_part(out + i, rest)), rest);
}

void select_span(const uint8_t* c, const float* x, const float* y, const int steps[3], float* out, int64_t n) {
  if (steps[0] == 0) {
    const float* from = *c ? x : y;
    const int step = *c ? steps[1] : steps[2];
    for (int64_t i = 0; i < n; ++i) out[i] = from[i * step];
    return;
  }
  if (steps[1] && steps[2]) {
    for (int64_t i = 0; i < n; ++i) out[i] = c[i] ? x[i] : y[i];
  } else if (steps[1]) {
    const float other = *y;
    for (int64_t i = 0; i < n; ++i) out[i] = c[i] ? x[i] : other;
  } else if (steps[2]) {
    const float other = *x;
    for (int64_t i = 0; i < n; ++i) out[i] = c[i] ? other : y[i];
  } else {
    const float yes = *x, no = *y;
    for (int64_t i = 0; i < n; ++i) out[i] = c[i] ? yes : no;
  }
}

constexpr MapSimd table() {
  MapSimd t{};
#define TESSERA_UNARY(id, Op, CLASS, expression) t.unary[id] = unary<function::Op>;
#define TESSERA_BINARY(id, Op, CLASS, expression)                                                      \
  t.binary[id - MapSimd::unary_functions][int(Along::both)] = binary<function::Op##2, Vector, Vector>; \
  t.binary[id - MapSimd::unary_functions][int(Along::y_one)] = binary<function::Op##2, Vector, One>;   \
  t.binary[id - MapSimd::unary_functions][int(Along::x_one)] = binary<function::Op##2, One, Vector>;   \
  t.binary[id - MapSimd::unary_functions][int(Along::y_lane)] = binary<function::Op##2, Vector, Lane>; \
  t.binary[id - MapSimd::unary_functions][int(Along::x_lane)] = binary<function::Op##2, Lane, Vector>;
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
  t.unary[function::Erf::place] = unary<function::NearErf>;
  t.add_scaled = add_scaled;
  t.select = select_span;
  return t;
}

}  // namespace

const MapSimd map = table();

}  // namespace tessera::cpu::TESSERA_LEVEL
