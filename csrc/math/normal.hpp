// The tail of the normal distribution, Q(t) = erfc(t / sqrt 2) / 2 for t >= 0, as
//     Q(t) = G(t) R(t) / 2,   G(t) = e^(-t^2/2),   R(t) = e^(t^2/2) erfc(t / sqrt 2)  (R(0) = 1, ~ sqrt(2/pi)/t).
// R varies slowly, so that it has a short approximation and G alone carries the exponent.
#pragma once
#include "exp.hpp"

namespace softfloor {
namespace {

template <class N> SOFTFLOOR_INLINE Exponential<N> gaussian(N t) {
    return exponential_of_minus(times_power_of_two(square(t), 0.5));
}

// One rational of degree 5/6 on [0, 14.5] (gelu of any float32 below -14.2 is zero), relative error below 2^-33. Its
// coefficients are positive, so nothing cancels, and both polynomials start with an exact 1: R(t) < 1 for every t > 0.
SOFTFLOOR_INLINE double tail_ratio(double t) {
    return polynomial(coefficients::tail_numerator, t) * reciprocal(polynomial(coefficients::tail_denominator, t));
}

template <int column> SOFTFLOOR_INLINE double tail_polynomial(int64_t row, double h) {
    if constexpr (column == coefficients::tail_table_columns - 1) return coefficients::tail_table[column][row];
    else return __builtin_fma(tail_polynomial<column + 1>(row, h), h, coefficients::tail_table[column][row]);
}

// Sixteen polynomials per octave of 1 + t, 0 <= t <= 56. The constant term is a pair; the others enter with a factor
// of at most 1/32, which also scales down their rounding error. Relative error below 2^-57.
SOFTFLOOR_INLINE Pair tail_ratio(Pair t) {
    constexpr int shift = 52 - coefficients::tail_table_bits;
    int64_t bits = double_to_bits(1.0 + t.hi);
    // The conversion keeps the index in the table whatever NaN brings.
    int64_t row = (bits >> shift) - (int64_t(1023) << coefficients::tail_table_bits);
    row = row < 0 ? 0 : row >= coefficients::tail_table_rows ? coefficients::tail_table_rows - 1 : row;
    double centre = bits_to_double(((row + (int64_t(1023) << coefficients::tail_table_bits)) << shift) |
                                   (int64_t(1) << (shift - 1)));
    double h = t.hi - (centre - 1.0);
    return fast_two_sum(coefficients::tail_table[0][row], tail_polynomial<1>(row, h));
}

}  // namespace
}  // namespace softfloor
