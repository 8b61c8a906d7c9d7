// Discrete Fourier transforms of any length, by splitting off prime factors.
#pragma once

#include <complex>

#include "ops/elements.h"
#include "ops/numbers.h"

namespace tessera::ops {

using Complex = std::complex<double>;

/// roots[k] = exp(-+2 pi i k / n) for all k < n; plus for the inverse.
inline RunVector<Complex> unit_roots(int64_t n, bool inverse) {
  constexpr double turn = 6.283185307179586476925286766559;
  RunVector<Complex> roots(static_cast<size_t>(n));
  for (const int64_t k : Elements(n)) {
    const double angle = turn * static_cast<double>(k) / static_cast<double>(n);
    roots[static_cast<size_t>(k)] = {std::cos(angle), inverse ? std::sin(angle) : -std::sin(angle)};
  }
  return roots;
}

/// out[0, n) = the transform of in[0], in[step], ...; `roots` are those of roots.size() = n * step.
inline void transform(const Complex* in, int64_t step, Complex* out, int64_t n, const RunVector<Complex>& roots) {
  if (n == 1) {
    *out = *in;
    return;
  }
  int64_t prime = 2;
  while (prime * prime <= n && n % prime) ++prime;
  if (n % prime) prime = n;
  const int64_t part = n / prime;
  RunVector<Complex> parts(static_cast<size_t>(n));
  for (int64_t p = 0; p < prime; ++p) transform(in + p * step, step * prime, parts.data() + p * part, part, roots);
  for (const int64_t k : Steps(n)) {
    Complex sum = 0;
    for (int64_t p = 0; p < prime; ++p)
      sum += parts[static_cast<size_t>(p * part + k % part)] * roots[static_cast<size_t>(p * k % n * step)];
    out[k] = sum;
  }
}

}  // namespace tessera::ops
