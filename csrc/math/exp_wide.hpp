// e^-t for the terms of float64 rows: a double and its rounding error, which sums of terms count on, in a third of the
// operations on pairs (exp.hpp).
#pragma once
#include "compensated.hpp"

namespace softfloor {
namespace {

// 2^stored_power e^-t for t = t.hi + t.lo >= 0, error below 2^-57 of it: where e^-t is subnormal, it still has all its
// digits. 0 beyond that. An infinite t may have NaN as its low part.
constexpr double stored_power = 512, last_stored = 1063;
SOFTFLOOR_INLINE Pair stored_exponential_of_minus(Pair t) {
    using C = coefficients::In<double>;
    bool vanishes = t.hi > last_stored;
    double high = vanishes ? 0.0 : -t.hi, low = vanishes ? 0.0 : -t.lo;
    constexpr double shift = round_shift + 1023.0 + stored_power;
    double shifted = fma(high, C::log2_e, shift), k = shifted - shift;
    double factor = vanishes ? 0.0 : shifted_to_exponent(shifted);
    // k ln2_short.high is exact (11 + 42 bits), and so is the difference.
    double rounded = fma(-k, C::ln2_short.high, high), lost = fma(-k, C::ln2_short.low, low), first = rounded + lost;
    double rest = rest_of_exponential(C::exponential, first, lost - (first - rounded));
    double whole = fma(factor, first, factor);
    return fast_two_sum(whole, fma(factor, rest, fma(factor, first, factor - whole)));
}
SOFTFLOOR_INLINE double stored_exponential_of_minus(double t) {
    return exponential_of_minus(t).value * power_of_two(stored_power);
}

}  // namespace
}  // namespace softfloor
