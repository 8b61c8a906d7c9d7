// The compiler's own vectors: expressions of ops/elementwise.def mean the same for them as for single integers, which
// wrap (ops/elementwise_math.h).
#include "ops/cpu/simd/numbers.h"

#include <cstring>
#include <type_traits>

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

template <class E, int bytes = vector_bytes>
struct Numbers {
  typedef E Vector __attribute__((vector_size(bytes)));
  typedef std::make_unsigned_t<E> Bits __attribute__((vector_size(bytes)));
  Vector v;

  Numbers(Vector vector) : v(vector) {}
  explicit Numbers(int number) : v(Vector{} + static_cast<E>(number)) {}

  friend Numbers operator+(Numbers x, Numbers y) { return Vector(Bits(x.v) + Bits(y.v)); }
  friend Numbers operator-(Numbers x, Numbers y) { return Vector(Bits(x.v) - Bits(y.v)); }
  friend Numbers operator*(Numbers x, Numbers y) { return Vector(Bits(x.v) * Bits(y.v)); }
  friend Numbers operator-(Numbers x) { return Numbers(0) - x; }
  friend auto operator<(Numbers x, Numbers y) { return x.v < y.v; }
  friend auto operator>(Numbers x, Numbers y) { return x.v > y.v; }
  friend auto operator==(Numbers x, Numbers y) { return x.v == y.v; }
  template <class Mask>
  friend Numbers select(Mask mask, Numbers yes, Numbers no) {
    return mask ? yes.v : no.v;
  }
  friend Numbers abs(Numbers x) { return select(x < Numbers(0), -x, x); }
  friend Numbers sign(Numbers x) {
    return select(x > Numbers(0), Numbers(1), select(x < Numbers(0), Numbers(-1), Numbers(0)));
  }
};

#include "ops/elementwise_functions.h"

// Elements need not be aligned to their vectors.
template <class V>
V load(const std::byte* p) {
  V v;
  memcpy(&v, p, sizeof v);
  return v;
}

// Of one number, or of two.
template <class Function, class T>
inline T value_of(T x, T y) {
  if constexpr (requires { Function::of(x, y, y); })
    return Function::of(x, T(0), T(0));
  else
    return Function::of(x, y);
}

template <class Function, class E>
void groups(const std::byte* x, int64_t x_step, const std::byte* y, int64_t y_step, std::byte* out, int64_t count) {
  using T = Numbers<E>;
  using V = typename T::Vector;
  for (int64_t i = 0; i < count; ++i, x += x_step, y += y_step, out += NumbersSimd::group)
    for (int at = 0; at < NumbersSimd::group; at += vector_bytes) {
      const V result = value_of<Function>(T(load<V>(x + at)), T(load<V>(y + at))).v;
      memcpy(out + at, &result, sizeof result);
    }
}

// exp(x) = 2^k exp(r): a power of two by its bits, in two factors that are both normal, and a series for |r| < 0.35.
typedef double Doubles __attribute__((vector_size(vector_bytes)));
typedef int64_t Longs __attribute__((vector_size(vector_bytes)));

inline Doubles power_of_two(Longs k) { return Doubles((k + 1023) << 52); }

inline Doubles exponential(Doubles x) {
  // Beyond these the result is 0 or infinite; a NaN stays.
  const Doubles bounded = x < -760.0 ? Doubles{} - 760.0 : x > 760.0 ? Doubles{} + 760.0 : x;
  constexpr double magic = 6755399441055744.0;  // adding 1.5 * 2^52 leaves a whole number in the last bits
  const Doubles sum = bounded * 1.4426950408889634 + magic;
  const Longs k = Longs(sum) - Longs(Doubles{} + magic);
  const Doubles whole = sum - magic;
  const Doubles r = (bounded - whole * 0.693147180369123816490) - whole * 1.90821492927058770002e-10;
  constexpr double inverse_factorials[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                                           1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
                                           1.0 / 120,        1.0 / 24,        1.0 / 6,        0.5};
  Doubles series = Doubles{} + inverse_factorials[0];
  for (int i = 1; i < 12; ++i) series = series * r + inverse_factorials[i];
  series = (series * r) * r + r + 1.0;
  const Longs half = k >> 1;
  return series * power_of_two(half) * power_of_two(k - half);
}

void exponentials(const std::byte* x, int64_t x_step, const std::byte*, int64_t, std::byte* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i, x += x_step, out += NumbersSimd::group)
    for (int at = 0; at < NumbersSimd::group; at += vector_bytes) {
      const Doubles result = exponential(load<Doubles>(x + at));
      memcpy(out + at, &result, sizeof result);
    }
}

// Of 32 bits by float64, where quotients are exact enough: as references have them, 0 of nothing and modulo 2^32.
void quotients(const std::byte* x, int64_t x_step, const std::byte* y, int64_t y_step, std::byte* out, int64_t count) {
  typedef int32_t Half __attribute__((vector_size(vector_bytes / 2)));
  for (int64_t i = 0; i < count; ++i, x += x_step, y += y_step, out += NumbersSimd::group)
    for (int at = 0; at < NumbersSimd::group; at += vector_bytes / 2) {
      const Half a = load<Half>(x + at), b = load<Half>(y + at);
      const Half usual = (b == 0) | (b == -1) ? Half{} + 1 : b;
      const Half quotient =
          __builtin_convertvector(__builtin_convertvector(a, Doubles) / __builtin_convertvector(usual, Doubles), Half);
      const Half result = b == 0 ? Half{} : b == -1 ? (-Numbers<int32_t, vector_bytes / 2>(a)).v : quotient;
      memcpy(out + at, &result, sizeof result);
    }
}

template <class E>
constexpr void fill(NumbersSimd::Groups (&row)[number_functions]) {
  row[int(NumberFunction::min)] = groups<MinFunction, E>;
  row[int(NumberFunction::max)] = groups<MaxFunction, E>;
  if constexpr (std::is_signed_v<E>) {
    row[int(NumberFunction::relu)] = groups<ReluFunction, E>;
    row[int(NumberFunction::abs)] = groups<AbsFunction, E>;
    row[int(NumberFunction::neg)] = groups<NegFunction, E>;
    row[int(NumberFunction::sign)] = groups<SignFunction, E>;
  }
  if constexpr (sizeof(E) >= 4) {
    row[int(NumberFunction::add)] = groups<AddFunction, E>;
    row[int(NumberFunction::sub)] = groups<SubFunction, E>;
    row[int(NumberFunction::mul)] = groups<MulFunction, E>;
  }
}

constexpr NumbersSimd table() {
  NumbersSimd t{};
  fill<int32_t>(t.groups[int(Element::int32)]);
  t.groups[int(Element::int32)][int(NumberFunction::div)] = quotients;
  fill<int64_t>(t.groups[int(Element::int64)]);
  fill<int8_t>(t.groups[int(Element::int8)]);
  fill<uint8_t>(t.groups[int(Element::uint8)]);
  t.groups[int(Element::float64)][int(NumberFunction::exp)] = exponentials;
  return t;
}

}  // namespace

const NumbersSimd numbers = table();

}  // namespace tessera::cpu::TESSERA_LEVEL
