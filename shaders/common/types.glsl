// Element types of a variant, and the words of ops/elementwise.def that GLSL lacks.
// Storage is what lies in memory, T what is computed in.
#ifdef STORAGE_float32
#define Storage float
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
