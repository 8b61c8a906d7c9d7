// Element types of a variant, and the words of ops/elementwise.def that GLSL lacks.
// Storage is what lies in memory, T what is computed in.
#ifdef STORAGE_float32
#define Storage float
#endif
#ifdef STORAGE_float16
#extension GL_EXT_shader_16bit_storage : require
#define Storage float16_t
#endif
#ifdef ARITHMETIC_float32
#define T float
#endif

#define select(c, p, q) ((c) ? (p) : (q))
#define round_even(x) roundEven(x)

float power(float x, float y) {
  if (y == 0.0) return 1.0;
  if (x == 0.0) return y < 0.0 ? 1.0 / x : 0.0;
  float magnitude = pow(abs(x), y);
  if (x > 0.0) return magnitude;
  if (y != floor(y)) return uintBitsToFloat(0x7fc00000u);
  return mod(abs(y), 2.0) == 1.0 ? -magnitude : magnitude;
}
#define pow(x, y) power(x, y)

// Beyond 10 the result is 1 in float; exp(2 * x) in some drivers' tanh overflows far beyond, and exp(2 * x) - 1 cancels
// for small arguments, which take the series.
float safe_tanh(float x) {
  if (abs(x) > 10.0) return sign(x);
  float square = x * x;
  if (square < 0.04)
    return x * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0 - square * (17.0 / 315.0 - square * (62.0 / 2835.0)))));
  return tanh(x);
}
#define tanh(x) safe_tanh(x)

// Small arguments by the series, where exp(x) - 1 cancels.
float expm1(float x) {
  if (abs(x) > 0.4) return exp(x) - 1.0;
  float sum = 1.0 / 24.0 + x * (1.0 / 120.0 + x * (1.0 / 720.0 + x * (1.0 / 5040.0)));
  return x * (1.0 + x * (1.0 / 2.0 + x * (1.0 / 6.0 + x * sum)));
}

float one_plus_exp(float x) { return 1.0 + exp(x); }

// Small arguments by the series of 2/sqrt(pi) * integral of exp(-t^2); larger ones by the
// approximation 7.1.26 of Abramowitz and Stegun, whose error is below 1.5e-7.
float erf(float x) {
  float square = x * x, size = abs(x);
  if (size < 0.5) {
    float sum = 1.0 / 1320.0 - square / 9360.0;
    sum = 1.0 / 216.0 - square * sum;
    sum = 1.0 / 42.0 - square * sum;
    sum = 1.0 / 10.0 - square * sum;
    sum = 1.0 / 3.0 - square * sum;
    return 1.1283791670955126 * (x - x * square * sum);
  }
  float t = 1.0 / (1.0 + 0.3275911 * size);
  float sum = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return x < 0.0 ? sum * exp(-square) - 1.0 : 1.0 - sum * exp(-square);
}

// Small arguments by the series: near 1, log() is no more precise than 2^-21. Of larger ones the rounding error of
// 1 + x cancels in the quotient.
float log1p(float x) {
  if (abs(x) < 0.0625) {
    float sum = 1.0 / 5.0 - x * (1.0 / 6.0 - x * (1.0 / 7.0));
    sum = 1.0 / 2.0 - x * (1.0 / 3.0 - x * (1.0 / 4.0 - x * sum));
    return x * (1.0 - x * sum);
  }
  precise float sum = 1.0 + x;
  precise float kept = sum - 1.0;
  return kept == 0.0 ? x : log(sum) * (x / kept);
}

float mish(float x) { return x * tanh(max(x, 0.0) + log1p(exp(-abs(x)))); }

// --- Trigonometric functions: Vulkan promises too little of its own ---------------------------------

#define not_a_number uintBitsToFloat(0x7fc00000u)

// Bits of 2/pi behind 32 zeros.
const uint two_over_pi[8] = uint[8](0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u,
                                    0xfe5163abu);

uint bits_of_two_over_pi(uint from) {
  uint word = from / 32u, shift = from % 32u;
  return shift == 0u ? two_over_pi[word] : two_over_pi[word] << shift | two_over_pi[word + 1u] >> 32u - shift;
}

// The rest of |x| in the middle of its quarter turn, and the number of that: exact for any size, as only those bits of
// the product with 2/pi are computed that count. (Payne and Hanek)
float quarter_turns(float x, out uint quarters) {
  quarters = 0u;
  float size = abs(x);
  if (size <= 0.785398163) return size;
  uint bits = floatBitsToUint(size), fraction = (bits & 0x7fffffu) | 0x800000u, from = (bits >> 23) - 120u;
  uint high, low, next, carry;
  umulExtended(fraction, bits_of_two_over_pi(from + 64u), high, low);
  umulExtended(fraction, bits_of_two_over_pi(from + 32u), next, low);
  low = uaddCarry(low, high, carry);
  high = fraction * bits_of_two_over_pi(from) + next + carry;
  quarters = high >> 30;
  high = high << 2 | low >> 30;
  if (int(high) < 0) ++quarters;
  return (float(int(high)) * 2.3283064365386963e-10 + float(low << 2) * 5.421010862427522e-20) * 1.57079632679;
}

float sine_of(float rest, uint quarters) {
  float square = rest * rest;
  float result = (quarters & 1u) == 0u
                     ? rest + rest * square *
                                  (-1.6666654611e-1 + square * (8.3321608736e-3 - square * 1.9515295891e-4))
                     : 1.0 - 0.5 * square +
                           square * square *
                               (4.166664568e-2 + square * (-1.388731625e-3 + square * 2.443315711e-5));
  return (quarters & 2u) == 0u ? result : -result;
}

bool is_finite(float x) { return (floatBitsToUint(x) & 0x7f800000u) != 0x7f800000u; }
float with_sign_of(float size, float x) {
  return uintBitsToFloat(floatBitsToUint(size) | (floatBitsToUint(x) & 0x80000000u));
}

float sine(float x) {
  if (!is_finite(x)) return not_a_number;
  uint quarters;
  float rest = quarter_turns(x, quarters), result = sine_of(rest, quarters);
  return x < 0.0 ? -result : x == 0.0 ? x : result;
}

float cosine(float x) {
  if (!is_finite(x)) return not_a_number;
  uint quarters;
  float rest = quarter_turns(x, quarters);
  return sine_of(rest, quarters + 1u);
}

float tangent(float x) {
  if (!is_finite(x)) return not_a_number;
  uint quarters;
  float rest = quarter_turns(x, quarters), result = sine_of(rest, quarters) / sine_of(rest, quarters + 1u);
  return x < 0.0 ? -result : result;
}

float arc_sine(float x) {
  float size = abs(x), square = size * size;
  if (!(size <= 1.0)) return not_a_number;
  bool far = size > 0.5;
  if (far) {
    square = 0.5 - 0.5 * size;
    size = sqrt(square);
  }
  float sum = 4.2163199048e-2 * square + 2.4181311049e-2;
  sum = ((sum * square + 4.5470025998e-2) * square + 7.4953002686e-2) * square + 1.6666752422e-1;
  float result = size + size * square * sum;
  return with_sign_of(far ? 1.57079632679 - 2.0 * result : result, x);
}

float arc_cosine(float x) {
  if (x > 0.5) return 2.0 * arc_sine(sqrt(0.5 - 0.5 * x));
  if (x < -0.5) return 3.14159265359 - 2.0 * arc_sine(sqrt(0.5 + 0.5 * x));
  return 1.57079632679 - arc_sine(x);
}

float arc_tangent(float x) {
  float size = abs(x), base = 0.0;
  if (size > 2.414213562) {
    base = 1.57079632679;
    size = -1.0 / size;
  } else if (size > 0.4142135624) {
    base = 0.785398163397;
    size = (size - 1.0) / (size + 1.0);
  }
  float square = size * size;
  float sum = (8.05374449538e-2 * square - 1.38776856032e-1) * square + 1.99777106478e-1;
  sum = (sum * square - 3.33329491539e-1) * square;
  return with_sign_of(base + (size + size * sum), x);
}

float hyperbolic_sine(float x) {
  float size = abs(x);
  if (size < 1.0) {
    float square = x * x;
    return x + x * square * ((2.03721912945e-4 * square + 8.33028376239e-3) * square + 1.66667160211e-1);
  }
  float power_of_e = exp(size - 0.69314718056);
  return with_sign_of(power_of_e - 0.25 / power_of_e, x);
}

float hyperbolic_cosine(float x) {
  float power_of_e = exp(abs(x) - 0.69314718056);
  return power_of_e + 0.25 / power_of_e;
}

float area_sine(float x) {
  float size = abs(x);
  float result = size > 1e10 ? log(size) + 0.69314718056 : log1p(size + size * size / (1.0 + sqrt(size * size + 1.0)));
  return with_sign_of(result, x);
}

float area_cosine(float x) {
  float beyond = x - 1.0;
  if (!(beyond >= 0.0)) return not_a_number;
  return x > 1e10 ? log(x) + 0.69314718056 : log1p(beyond + sqrt(2.0 * beyond + beyond * beyond));
}

float area_tangent(float x) {
  float size = abs(x);
  if (!(size <= 1.0)) return not_a_number;
  return with_sign_of(size == 1.0 ? uintBitsToFloat(0x7f800000u) : 0.5 * log1p(2.0 * size / (1.0 - size)), x);
}

#define sin(x) sine(x)
#define cos(x) cosine(x)
#define tan(x) tangent(x)
#define asin(x) arc_sine(x)
#define acos(x) arc_cosine(x)
#define atan(x) arc_tangent(x)
#define sinh(x) hyperbolic_sine(x)
#define cosh(x) hyperbolic_cosine(x)
#define asinh(x) area_sine(x)
#define acosh(x) area_cosine(x)
#define atanh(x) area_tangent(x)
