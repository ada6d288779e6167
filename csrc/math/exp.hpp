// e^-t and e^-t - 1 for t >= 0, the only exponentials that stable formulas need.
//
// With k = round(-t / ln 2) and r = -t - k ln 2, |r| <= ln(2)/2:   e^-t = 2^k (1 + P),  P = e^r - 1.
//   double  P = r + r^2 q(r), q of degree 5, relative error of e^-t below 2^-32: 0.004 ulp of a float32.
//   Pair    P = r + r^2/2 + r^3 q(r), q of degree 9 in plain double, the first two terms exact: below 2^-60.
#pragma once
#include "coefficients.hpp"
#include "number.hpp"

namespace softfloor {
namespace {

template <class N> struct Exponential {
    N mantissa;  // e^-t = mantissa * 2^power; in Pair the mantissa lies in [0.7, 1.42]
    Power<N> power;
    N value;      // the product; in Pair not below 2^-1000, where it only ever is added to something near 1
    N minus_one;  // e^-t - 1 with full relative accuracy down to t = 0
};

// From here on e^-t is constant: it has long vanished beside anything, and 2^k must stay representable.
template <class N> constexpr double exponential_limit = 0.0;
template <> constexpr double exponential_limit<double> = 700.0;
template <> constexpr double exponential_limit<Pair> = 1600.0;

SOFTFLOOR_INLINE Exponential<double> exponential_of_minus(double t) {
    t = at_most(t, exponential_limit<double>);
    // The low bits of shifted hold k + 1023: one sum rounds, one shift makes the power of two.
    double shifted = -t * coefficients::In<double>::log2_e + (round_shift + 1023.0);
    double k = shifted - (round_shift + 1023.0), factor = bits_to_double(double_to_bits(shifted) << 52);
    double r = __builtin_fma(-k, coefficients::In<double>::ln2.high, -t);
    double p = __builtin_fma(r * r, polynomial(coefficients::exp_double, r), r);
    double value = (1.0 + p) * factor;
    return {value, {}, value, __builtin_fma(p, factor, factor - 1.0)};
}

SOFTFLOOR_INLINE Exponential<Pair> exponential_of_minus(Pair t) {
    t = at_most(t, exponential_limit<Pair>);
    double k = round_to_integer(-t.hi * coefficients::In<double>::log2_e);
    // k * ln2_short.high is exact (11 + 42 bits) and so is the difference.
    double high = __builtin_fma(-k, coefficients::In<double>::ln2_short.high, -t.hi);
    Pair r = two_sum(high, __builtin_fma(-k, coefficients::In<double>::ln2_short.low, -t.lo));
    Pair half_square = two_product(r.hi, 0.5 * r.hi);
    double rest = __builtin_fma(half_square.hi * (r.hi + r.hi), polynomial(coefficients::exp_pair, r.hi),
                                __builtin_fma(r.lo, r.hi, r.lo));
    Pair p = fast_two_sum(r.hi, half_square.hi);
    p = fast_two_sum(p.hi, p.lo + (half_square.lo + rest));
    Pair mantissa = fast_two_sum(1.0, p.hi);
    mantissa.lo += p.lo;
    double factor = power_of_two(k < -1000.0 ? -1000.0 : k);
    Pair scaled = times_power_of_two(p, factor), whole = fast_two_sum(-1.0, factor);
    Pair minus_one = two_sum(whole.hi, scaled.hi);
    minus_one = fast_two_sum(minus_one.hi, minus_one.lo + (whole.lo + scaled.lo));
    return {mantissa, {k}, times_power_of_two(mantissa, factor), minus_one};
}

}  // namespace
}  // namespace softfloor
