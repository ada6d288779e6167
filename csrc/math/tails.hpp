// Functions with a tail that falls as an exponential, f(-t) = E(t) S(t) for t >= 0 with E = e^-q(t), in vectors. S
// varies slowly: it has a polynomial in each of eight pieces, half octaves of t plus a shift, whose coefficients are
// looked up in registers. So nothing is divided, and beside E there are 13 or 14 multiplications, whatever the
// function.
//
// E = 2^(-k/8) e^-r with |r| <= ln(2)/16, so that e^-r - 1 and what S has beyond its value and slope at a point are
// small, and so are their rounding errors: those of the large terms are carried.
#pragma once
#include "pieces.hpp"

namespace softfloor {
namespace {

// factor (1 + rest), |rest| <= 2^-4.4.
struct ExponentialInLanes {
    Floats factor, rest;
};
// 2^power e^-(y + lacking) from 2^-126 on, y >= 0.
template <int power = coefficients::raised - coefficients::raised_factor>
SOFTFLOOR_INLINE ExponentialInLanes exponential_of_minus(Floats y, auto... lacking) {
    using namespace coefficients;
    Floats shift = lanes_of(0x1.8p23f - 8 * power), shifted = fma(y, lanes_of(eighths_per_one), shift);
    Floats k = shifted - shift;
    Bits number = Bits(shifted);
    Floats rest = fma(k, lanes_of(minus_eighth.low), (looked_up(eighth_offsets, number) + ... + lacking));
    Floats r = fma(k, lanes_of(minus_eighth.high), y) + rest;
    Floats q = fma(fma(lanes_of(exp_eighth[2]), r, lanes_of(exp_eighth[1])), r, lanes_of(exp_eighth[0]));
    return {Floats(looked_up(eighth_bits, number) - (number << 20)), fma(r * r, q, -r)};
}
SOFTFLOOR_INLINE Floats unraised(ExponentialInLanes e) { return fma(e.factor, e.rest, e.factor) * (1 / raise); }
SOFTFLOOR_INLINE ExponentialInLanes with_sign(ExponentialInLanes e, Floats x) {
    return {with_sign(e.factor, x), e.rest};
}

// E (high + low), |low| <= 2^-12 |high|.
SOFTFLOOR_INLINE RaisedSum times(ExponentialInLanes e, Floats high, Floats low) {
    Floats product = e.factor * high, lost = fma(e.factor, low, fma(e.factor, high, -product));
    return {product, fma(product + lost, e.rest, lost)};
}
// E S, with the rounding error of S's large part carried.
template <int count>
SOFTFLOOR_INLINE RaisedSum times(ExponentialInLanes e, const coefficients::Tail<count>& tail, Floats t) {
    Floats place = t + tail.shift;
    if (tail.last > 0) place = at_most(place, tail.last);
    auto [s, lost] = value_of(tail.factor, Bits(place) >> 22, t);
    return times(e, s, lost);
}
// whole - a. The low part is made so that a sum which is zero has the sign of the high one.
SOFTFLOOR_INLINE RaisedSum less_tail(Floats whole, RaisedSum a) {
    Floats high = whole - a.high;
    return {high, -(a.low - ((whole - high) - a.high))};
}
// raise where x is +0 or more, 0 where it is -0 or less.
SOFTFLOOR_INLINE Floats step_at_zero(Floats x) { return Floats(~(Bits(x) >> 31) & Bits(lanes_of(raise))); }

}  // namespace
}  // namespace softfloor
