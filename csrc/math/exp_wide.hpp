// e^-t for the terms of float64 rows: a double and its rounding error, which sums of terms count on, in a third of the
// operations on pairs (exp.hpp).
#pragma once
#include "compensated.hpp"

namespace softfloor {
namespace {

// 2^stored_power e^-t for t = t.hi + t.lo >= 0, error below 2^-57 of it: where e^-t is subnormal, it still has all its
// digits. 0 beyond that, and where it is told so. An infinite t may have NaN as its low part.
constexpr double stored_power = 512, last_stored = 1063;
SOFTFLOOR_INLINE Pair stored_exponential_of_minus(Pair t, bool vanishes = false) {
    using C = coefficients::In<double>;
    constexpr double shift = round_shift + 1023.0 + stored_power;
    double shifted = fma(-t.hi, C::log2_e, shift), k = shifted - shift, factor = shifted_to_exponent(shifted);
    // k ln2_short.high is exact (11 + 42 bits), and so is the difference.
    double rounded = fma(-k, C::ln2_short.high, -t.hi), lost = fma(-k, C::ln2_short.low, -t.lo), first = rounded + lost;
    double rest = rest_of_exponential(C::exponential, first, lost - (first - rounded));
    double whole = fma(factor, first, factor);
    Pair e = fast_two_sum(whole, fma(factor, rest, fma(factor, first, factor - whole)));
    return select(vanishes | (t.hi > last_stored), Pair(0.0), e);
}
SOFTFLOOR_INLINE double stored_exponential_of_minus(double t, bool vanishes = false) {
    return vanishes ? 0.0 : exponential_of_minus(t).value * power_of_two(stored_power);
}

// What such terms are multiplied by: a factor, which takes 2^-stored_power with it, or a small one, which would lose
// digits so; their product takes it then.
template <class N> struct FactorOfStored {
    N each;
    double of_product;
};
template <class N> SOFTFLOOR_INLINE FactorOfStored<N> factor_of_stored(N factor) {
    bool is_small = __builtin_fabs(head(factor)) < 0x1p-400;
    const double down = power_of_two(-stored_power);
    return {times_power_of_two(factor, is_small ? 1.0 : down), is_small ? down : 1.0};
}

}  // namespace
}  // namespace softfloor
