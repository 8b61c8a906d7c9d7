// What the 16 codes of MatMulBnb4 stand for, by quant_type.
#pragma once

namespace tessera::ops {

/// Of a 4-bit float (a sign, two bits of exponent and one of mantissa), in units of its largest; and the quantiles of
/// the normal distribution.
inline constexpr double bnb4_numbers[2][16] = {
    {0, 0.0052083333, 0.66666667, 1, 0.33333333, 0.5, 0.16666667, 0.25, 0, -0.0052083333, -0.66666667, -1, -0.33333333,
     -0.5, -0.16666667, -0.25},
    {-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
     -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
     0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1}};

}  // namespace tessera::ops
