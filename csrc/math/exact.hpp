// e^-t and log(1 + s) with nearly all digits of a Pair, for sums that cancel: some ten times the operations of exp.hpp.
#pragma once
#include "log1p.hpp"

namespace softfloor {
namespace {

struct ExactExponential {
    Pair value, minus_one;
};
// e^-t, t >= 0, error below 2^-90 of it: e^r - 1 for a thousandth of r in pairs, and ten times (1 + p)^2 - 1 = 2 p +
// p^2.
SOFTFLOOR_INLINE ExactExponential exact_exponential_of_minus(Pair t) {
    using C = coefficients::In<double>;
    constexpr int doublings = 10;
    t = at_most(t, 700.0);  // 2^-1010: a sum of 2^-900 or more does not show it
    double k = round_to_integer(-t.hi * C::log2_e);
    double high = __builtin_fma(-k, C::ln2_short.high, -t.hi);  // exact, as in exp.hpp
    Pair r = two_sum(high, __builtin_fma(-k, C::ln2_short.low, -t.lo));
    r = times_power_of_two(r, 1.0 / (1 << doublings));
    constexpr Pair sixth = {0x1.5555555555555p-3, 0x1.5555555555555p-57};
    Pair square = r * r, cube = square * r;
    // |r| < 2^-11: what is taken in double comes to 2^-51 of r, the next term of the series to 2^-95.
    constexpr double series[] = {1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320};
    double beyond = square.hi * cube.hi * polynomial(series, r.hi);
    Pair p = r + (square * Pair(0.5) + (cube + square * square * Pair(0.25)) * sixth + Pair(beyond));
    for (int j = 0; j < doublings; ++j) p = p * (p + Pair(2.0));
    double factor = power_of_two(k);
    Pair value = times_power_of_two(p + Pair(1.0), factor);
    return {value, times_power_of_two(p, factor) + fast_two_sum(-1.0, factor)};
}
// By Newton's step as in log1p.hpp, and the next term of its series.
SOFTFLOOR_INLINE Pair exact_log1p_of(Pair s) {
    double y = log1p_of(s.hi);
    ExactExponential e = exact_exponential_of_minus(Pair(y));
    Pair residual = e.minus_one + s * e.value;
    return Pair(y) + (residual - residual * residual * Pair(0.5));
}

}  // namespace
}  // namespace softfloor
