// Functions with a tail that falls as an exponential, f(-t) = E(t) S(t) for t >= 0 with E = e^-q(t), in vectors. S
// varies slowly: it has a polynomial in each of eight pieces, half octaves of t plus a shift, whose coefficients are
// looked up in registers. So nothing is divided, and beside E there are 13 multiplications, whatever the function.
//
// E = 2^(-k/8) e^-r with |r| <= ln(2)/16, so that e^-r - 1 and what S has beyond its value and slope at a point are
// small, and so are their rounding errors: those of the large terms are carried.
#pragma once
#include "compensated.hpp"

namespace softfloor {
namespace {

// factor (1 + rest), |rest| <= 2^-4.4.
struct ExponentialInLanes {
    Floats factor, rest;
};
// e^-(y + lacking), 0 <= y <= 87.
SOFTFLOOR_INLINE ExponentialInLanes exponential_of_minus(Floats y, auto... lacking) {
    using namespace coefficients;
    Floats shift = lanes_of(0x1.8p23f), shifted = fma(y, lanes_of(eighths_per_one), shift), k = shifted - shift;
    Bits number = Bits(shifted);
    Floats rest = fma(k, lanes_of(minus_eighth.low), (looked_up(eighth_offsets, number) + ... + lacking));
    Floats r = fma(k, lanes_of(minus_eighth.high), y) + rest;
    Floats q = fma(fma(lanes_of(exp_eighth[2]), r, lanes_of(exp_eighth[1])), r, lanes_of(exp_eighth[0]));
    return {Floats(looked_up(eighth_bits, number) - (number << 20)), fma(r * r, q, -r)};
}
SOFTFLOOR_INLINE ExponentialInLanes exponential_of_minus(Sum<Floats> y) { return exponential_of_minus(y.high, y.low); }
SOFTFLOOR_INLINE ExponentialInLanes with_sign(ExponentialInLanes e, Floats x) {
    return {with_sign(e.factor, x), e.rest};
}

// E S. The large part of S, value + h slope, has its rounding error carried: either |h slope| <= |value|, or the point
// lies next to a zero of S, where the value is 0 and only its rest is not.
template <int count>
SOFTFLOOR_INLINE Sum<Floats> times(ExponentialInLanes e, const coefficients::Tail<count>& tail, Floats t) {
    Floats place = t + tail.shift;
    if (tail.last > 0) place = at_most(place, tail.last);
    Bits piece = Bits(place) >> 22;
    Floats h = t - looked_up(tail.points, piece), square = h * h;
    Floats value = looked_up(tail.values, piece), slope = looked_up(tail.slopes, piece);
    Floats s = fma(h, slope, value), lost = fma(h, slope, value - s);
    if (tail.has_zero) lost += looked_up(tail.rests, piece);
    Floats beyond = looked_up_polynomial(tail.beyond, piece, h, square);
    if (tail.bends) {
        Floats line = s;
        s = fma(square, beyond, line);
        lost += fma(square, beyond, line - s);
    } else lost = fma(square, beyond, lost);

    Floats product = e.factor * s, low = fma(e.factor, lost, fma(e.factor, s, -product));
    return {product, fma(product + low, e.rest, low)};
}
// high - a.low has the sign of a zero right where high has it.
SOFTFLOOR_INLINE Sum<Floats> less_tail(Floats whole, Sum<Floats> a) {
    Floats high = whole - a.high;
    return {high, -(a.low - ((whole - high) - a.high))};
}

// 1 where x is +0 or more, 0 where it is -0 or less.
SOFTFLOOR_INLINE Floats step_at_zero(Floats x) { return Floats(~(Bits(x) >> 31) & Bits(lanes_of(1.0f))); }

// What in_lanes(x) of an operation returns whose values are as fast without tables.
struct SlopeInLanes {
    Sum<Floats> slope;
};
template <class T> SOFTFLOOR_INLINE Floats rounded(Floats x) { return x; }
template <class T> SOFTFLOOR_INLINE Floats rounded(Sum<Floats> a) { return a.high + a.low; }
template <class T> SOFTFLOOR_INLINE Floats rounded_product(Sum<Floats> a, Floats x) {
    return with_sign(fma(a.high, x, a.low * x), Floats(Bits(a.high + a.low) ^ Bits(x)));
}

}  // namespace
}  // namespace softfloor
