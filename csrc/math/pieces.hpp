// Functions by a polynomial in each of several pieces of their range, whose coefficients are looked up in registers.
//
// What falls no faster than e^-2t has eight or sixteen pieces of equal length from t = 0 on: nothing is divided, and no
// exponential is computed. Twice as many pieces need two or three coefficients fewer, but AVX2 looks sixteen numbers up
// in three operations instead of one. Beyond the pieces' end, and for all that falls faster, see tails.hpp.
#pragma once
#include "compensated.hpp"

namespace softfloor {
namespace {

// What falls is computed 2^raised times as large: results may be subnormal, and are rounded at the end alone.
constexpr float raise = __builtin_ldexpf(1, coefficients::raised);
struct RaisedSum {
    Floats high, low;
};
// Of which the high part has the sign of the whole.
struct SignedSum {
    Floats high, low;
    SOFTFLOOR_INLINE operator RaisedSum() const { return {high, low}; }
};

// The value at x, in the piece of that number. Its large part, value + h slope, has its rounding error carried: either
// |h slope| <= |value|, or the point lies next to a zero, where the value is 0 and only its rest is not. Where the
// square's term is large, it is carried, too; or, for twice the operations, it is added to a slope as large as itself,
// so that no rounding error of its own remains.
template <size_t pieces, int count, class Index>
SOFTFLOOR_INLINE RaisedSum value_of(const coefficients::Expansions<pieces, count>& in, Index piece, Floats x) {
    using enum coefficients::Carried;
    Floats h = x - looked_up(in.points, piece), square = h * h;
    Floats value = looked_up(in.values, piece), slope = looked_up(in.slopes, piece), bent = slope;
    if (in.carried == bent_slope) bent = fma(h, looked_up(in.beyond[0], piece), slope);
    Floats s = fma(h, bent, value), lost = fma(h, bent, value - s);
    if (in.has_zero) lost += looked_up(in.rests, piece);
    if (in.carried == bent_slope) {
        Floats lost_by_slope = fma(h, looked_up(in.beyond[0], piece), slope - bent);
        return {s, fma(h, fma(square, looked_up_polynomial<1>(in.beyond, piece, h, square), lost_by_slope), lost)};
    }
    Floats beyond = looked_up_polynomial(in.beyond, piece, h, square);
    if (in.carried == line) return {s, fma(square, beyond, lost)};
    Floats sum = fma(square, beyond, s);
    return {sum, lost + fma(square, beyond, s - sum)};
}
// t from 0 to the end. The pieces' middles are multiples of their length, and the first one is half as long.
template <class Index = Bits, size_t pieces, int count>
SOFTFLOOR_INLINE SignedSum value_of(const coefficients::Pieces<pieces, count>& in, Floats t) {
    Index piece = {Bits(fma(t, lanes_of(in.per_unit), lanes_of(0x1.8p23f)))};
    auto [high, low] = value_of(in.expansions, piece, t);
    return {high, low};
}

// Where the first half of sixteen pieces ends, or a little before: what lies nearer can be looked up InFirstHalf.
// Operands are asked run by run whether all do; size(i, count) has their sizes, as integers.
template <int count> constexpr float first_half_of(const coefficients::Pieces<16, count>& in) {
    return 7.49f / in.per_unit;
}
constexpr size_t run_of_look_ups = 64;
SOFTFLOOR_INLINE Bits largest_of_run(size_t begin, size_t end, auto size) {
    Bits sizes = {};
    for (; begin + float_lanes <= end; begin += float_lanes) sizes = larger(sizes, size(begin, float_lanes));
    return begin < end ? larger(sizes, size(begin, end - begin)) : sizes;
}

// 1 - a for positive x, and a for others.
SOFTFLOOR_INLINE SignedSum one_less_above_zero(Floats x, SignedSum a, float unit = raise) {
    Floats one = lanes_of(unit), high = one - a.high, low = ((one - high) - a.high) - a.low;
    Bits is_below = Bits(x) < 0;
    return {select(is_below, a.high, high), select(is_below, a.low, low)};
}

// What in_lanes(x) of an operation returns whose values are as fast without tables.
template <class Slope> struct SlopeInLanes {
    Slope slope;
};

SOFTFLOOR_INLINE RaisedSum as_pair(RaisedSum a) { return a; }
template <class T> SOFTFLOOR_INLINE Floats rounded(Floats x) { return x; }
template <class T> SOFTFLOOR_INLINE Floats rounded(RaisedSum a) { return (a.high + a.low) * (1 / raise); }
template <class T> SOFTFLOOR_INLINE Floats rounded(SignedSum a) { return rounded<T>(RaisedSum(a)); }
// A zero has the sign of the factors.
template <class T> SOFTFLOOR_INLINE Floats rounded_product(RaisedSum a, Floats x) {
    Floats product = fma(a.high, x, a.low * x) * (1 / raise);
    return with_sign(product, Floats(Bits(a.high + a.low) ^ Bits(x)));
}
template <class T> SOFTFLOOR_INLINE Floats rounded_product(SignedSum a, Floats x) {
    return with_sign(fma(a.high, x, a.low * x) * (1 / raise), Floats(Bits(a.high) ^ Bits(x)));
}
template <class T> SOFTFLOOR_INLINE Floats rounded_product(SignedSum a, Sum<Floats> x) {
    Floats product = fma(a.high, x.high, fma(a.high, x.low, a.low * x.high)) * (1 / raise);
    return with_sign(product, Floats(Bits(a.high) ^ Bits(x.high)));
}
// At the number next to a zero all is in the low part: normalised, so that x.low counts for it, too.
template <class T> SOFTFLOOR_INLINE Floats rounded_product(RaisedSum a, Sum<Floats> x) {
    Floats high = a.high + a.low, low = a.low - (high - a.high);
    Floats product = fma(high, x.high, fma(high, x.low, low * x.high)) * (1 / raise);
    return with_sign(product, Floats(Bits(high) ^ Bits(x.high)));
}

}  // namespace
}  // namespace softfloor
