// log(1 + s) for s >= 0, once per row of a softmax: log(1 + s) = k ln 2 + 2 atanh(u), with 1 + s = 2^k m,
// m in [sqrt(1/2), sqrt 2) and u = (m - 1)/(m + 1), |u| < 0.172. Nine terms of atanh: relative error below 2^-47.
#pragma once
#include "exp.hpp"

namespace softfloor {
namespace {

SOFTFLOOR_INLINE double log1p_of(double s) {
    double whole = 1.0 + s;
    // Unsigned, and made a double by its bits: AVX2 has no other shift or conversion of 64-bit integers in vectors.
    uint64_t bits = uint64_t(double_to_bits(whole)), k = (bits - uint64_t(double_to_bits(0x1.6a09e667f3bcdp-1))) >> 52;
    double m = bits_to_double(int64_t(bits - (k << 52)));
    double power = bits_to_double(int64_t(k) | double_to_bits(0x1p52)) - 0x1p52;
    // While k = 0, 1 + s need not be rounded: m - 1 is s itself.
    double u = (k == 0 ? s : m - 1.0) / (k == 0 ? 2.0 + s : m + 1.0);
    constexpr double atanh_series[] = {1.0, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17};
    double log_of_m = 2.0 * u * polynomial(atanh_series, u * u);
    double result = __builtin_fma(power, coefficients::In<double>::ln2.high, log_of_m);
    return whole <= largest<Pair> ? result : whole;  // inf and NaN pass
}

// One Newton step on e^-y (1 + s) = 1 squares the error of the double result.
SOFTFLOOR_INLINE Pair log1p_of(Pair s) {
    double y = log1p_of(s.hi);
    auto e = exponential_of_minus(Pair(y));
    Pair residual = e.minus_one + s * e.value;
    return select(s.hi > largest<Pair>, Pair(y), Pair(y) + residual);
}

}  // namespace
}  // namespace softfloor
