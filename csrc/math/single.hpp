// float32 results in float32 arithmetic: twice as many lanes as double, at the price of carrying rounding errors by
// hand.
//
// What double does by itself is done here by sums of two floats whose low part is the error of the high one, or a small
// correction to it: they need not be normalised, |low| <= |high| / 8 is enough where a comment says so. An operation
// that offers single(x) promises an error below 1 ulp for |x| <= single_limit; for all other x its double text runs.
// Both are swept over all 2^32 inputs by the tests.
#pragma once
#include "coefficients.hpp"
#include "narrow.hpp"

namespace softfloor {
namespace {

SOFTFLOOR_INLINE FloatPair operator*(FloatPair a, FloatPair b) {
    float product = a.high * b.high;
    float error = __builtin_fmaf(a.high, b.high, -product);
    return {product, __builtin_fmaf(a.low, b.high, __builtin_fmaf(a.high, b.low, error))};
}
SOFTFLOOR_INLINE FloatPair two_sum(float a, float b) {
    float sum = a + b, part = sum - a;
    return {sum, (a - (sum - part)) + (b - part)};
}

// Whether two floats hold the digits of a double, and products with them their own; not for NaN.
SOFTFLOOR_INLINE bool splits(double x) {
    double size = __builtin_fabs(x);
    return (size > 0x1p-96 && size < 0x1p60) || size == 0;
}
SOFTFLOOR_INLINE FloatPair split(double x) {
    float high = float(x);
    return {high, float(x - double(high))};
}

SOFTFLOOR_INLINE FloatPair times(FloatPair a, float x) {
    float product = a.high * x;
    return {product, __builtin_fmaf(a.low, x, __builtin_fmaf(a.high, x, -product))};
}
// 1 + a. Fast for any size of a: 1 is a multiple of the last place of both, unless a is so large that 1 does not count.
SOFTFLOOR_INLINE FloatPair plus_one(FloatPair a) {
    float sum = 1.0f + a.high;
    return {sum, (a.high - (sum - 1.0f)) + a.low};
}

SOFTFLOOR_INLINE FloatPair operator-(FloatPair a) { return {-a.high, -a.low}; }
SOFTFLOOR_INLINE FloatPair operator+(FloatPair a, FloatPair b) {
    FloatPair sum = two_sum(a.high, b.high);
    return {sum.high, sum.low + (a.low + b.low)};
}
SOFTFLOOR_INLINE FloatPair operator-(FloatPair a, FloatPair b) { return a + -b; }

// whole - a for |a| <= |whole| or whole = 0.
SOFTFLOOR_INLINE FloatPair subtract_from(float whole, FloatPair a) {
    float high = whole - a.high;
    return {high, ((whole - high) - a.high) - a.low};
}

SOFTFLOOR_INLINE FloatPair select(bool condition, FloatPair yes, FloatPair no) {
    return {condition ? yes.high : no.high, condition ? yes.low : no.low};
}

// Rounded once; the sign of a zero is that of the high part.
template <class T> SOFTFLOOR_INLINE T rounded(FloatPair a) {
    if constexpr (sizeof(T) == 4) return __builtin_copysignf(a.high + a.low, a.high);
    else return narrow<T>(__builtin_copysignf(round_to_odd(a), a.high));
}
// a x rounded once.
template <class T> SOFTFLOOR_INLINE T rounded_product(FloatPair a, float x) {
    if constexpr (sizeof(T) == 4) return __builtin_copysignf(__builtin_fmaf(a.high, x, a.low * x), a.high * x);
    else return rounded<T>(times(a, x));
}

// What an operation returns in float32 arithmetic. A kernel that needs one of them leaves the other to the compiler.
template <class Value> struct SingleJet {
    Value value;
    FloatPair slope;
};

// e^y = factor (1 + first + rest), factor = 2^k, |first| <= ln(2)/2, rest = first^2 q(first) and what y - k ln 2 lost
// by rounding. 1 + first + rest is left open: each user adds it to something else without a rounding in between. Rest
// has an error below 2^-27.5.
struct FloatExponential {
    float factor, first, rest;
};

// The multiple of ln 2 nearest to y: adding 1.5 * 2^23 rounds, and leaves k + 127 in the low bits.
struct MultipleOfLn2 {
    float k, factor;
    SOFTFLOOR_INLINE explicit MultipleOfLn2(float y) {
        constexpr float shift = 0x1.8p23f + 127.0f;
        float shifted = __builtin_fmaf(y, coefficients::log2_e_float, shift);
        k = shifted - shift;
        factor = bits_to_float(float_to_bits(shifted) << 23);
    }
};
template <int count> SOFTFLOOR_INLINE float rest_of_exponential(const float (&c)[count], float first, float lost) {
    float square = first * first;
    return __builtin_fmaf(square, polynomial(c, first, square), lost);
}

// |y| <= largest. Rounding first adds an error of 2^-26. What the constant ln 2 leaves out stays apart, times e^first
// of which 1 is enough up to 24, and 1 + first up to 87.
template <int largest = 24> SOFTFLOOR_INLINE FloatExponential exponential(float y) {
    MultipleOfLn2 multiple(y);
    float first = __builtin_fmaf(-multiple.k, coefficients::ln2_single.high, y);
    float lost = -multiple.k * coefficients::ln2_single.low;
    if constexpr (largest <= 24)
        return {multiple.factor, first, rest_of_exponential(coefficients::exp_float, first, lost)};
    lost = __builtin_fmaf(lost, first, lost);
    return {multiple.factor, first, rest_of_exponential(coefficients::exp_single, first, lost)};
}

// y.high + y.low, |y.high| <= 87, |y.low| <= 2^-16.
SOFTFLOOR_INLINE FloatExponential exponential(FloatPair y) {
    MultipleOfLn2 multiple(y.high);
    float rounded = __builtin_fmaf(-multiple.k, coefficients::ln2_single.high, y.high);
    float lost = __builtin_fmaf(-multiple.k, coefficients::ln2_single.low, y.low), first = rounded + lost;
    return {multiple.factor, first, rest_of_exponential(coefficients::exp_single, first, lost - (first - rounded))};
}

// x e.
SOFTFLOOR_INLINE FloatPair times(FloatExponential e, float x) {
    float scaled = x * e.factor, high = __builtin_fmaf(scaled, e.first, scaled);
    return {high, __builtin_fmaf(scaled, e.rest, __builtin_fmaf(scaled, e.first, scaled - high))};
}
SOFTFLOOR_INLINE FloatPair times(FloatExponential e, FloatPair x) {
    FloatPair product = times(e, x.high);
    return {product.high, __builtin_fmaf(__builtin_fmaf(e.factor, e.first, e.factor), x.low, product.low)};
}
// 1 + e where 2^-23 <= factor <= 2^23, so that 1 + factor is exact.
SOFTFLOOR_INLINE FloatPair one_plus_moderate(FloatExponential e) {
    float whole = 1.0f + e.factor, high = __builtin_fmaf(e.factor, e.first, whole);
    return {high, __builtin_fmaf(e.factor, e.rest, __builtin_fmaf(e.factor, e.first, whole - high))};
}
// 1 + e for any factor.
SOFTFLOOR_INLINE FloatPair one_plus(FloatExponential e) {
    FloatPair whole = two_sum(1.0f, e.factor);
    float high = __builtin_fmaf(e.factor, e.first, whole.high);
    return {high, __builtin_fmaf(e.factor, e.rest, __builtin_fmaf(e.factor, e.first, whole.high - high)) + whole.low};
}
// e - 1 for e <= 1; next to e = 1 with full relative accuracy.
SOFTFLOOR_INLINE FloatPair minus_one(FloatExponential e) {
    float whole = e.factor - 1.0f, lost = e.factor - (whole + 1.0f);
    float high = __builtin_fmaf(e.factor, e.first, whole);
    return {high, __builtin_fmaf(e.factor, e.rest, __builtin_fmaf(e.factor, e.first, whole - high)) + lost};
}

// A quotient by one division: quotient - excess * reciprocal, with about 45 bits. The excess, quotient * d - x, is +0
// where x is a zero, so that the result keeps the sign of x.
struct FloatQuotient {
    float quotient, excess, reciprocal;
    SOFTFLOOR_INLINE FloatPair pair() const { return {quotient, -(excess * reciprocal)}; }
};
SOFTFLOOR_INLINE FloatQuotient divide(float x, FloatPair d, float reciprocal) {
    float quotient = x * reciprocal;
    return {quotient, __builtin_fmaf(quotient, d.low, __builtin_fmaf(quotient, d.high, -x)), reciprocal};
}
SOFTFLOOR_INLINE FloatQuotient divide(float x, FloatPair d) { return divide(x, d, 1.0f / (d.high + d.low)); }
SOFTFLOOR_INLINE FloatQuotient divide(FloatPair x, FloatPair d) {
    float reciprocal = 1.0f / (d.high + d.low), quotient = (x.high + x.low) * reciprocal;
    return {quotient, __builtin_fmaf(quotient, d.high, -x.high) + __builtin_fmaf(quotient, d.low, -x.low), reciprocal};
}
// 1 - q for 0 <= q <= 1. The first difference loses nothing that the second does not find.
SOFTFLOOR_INLINE FloatPair one_minus(FloatQuotient q) {
    float high = 1.0f - q.quotient;
    return {high, ((1.0f - high) - q.quotient) + q.excess * q.reciprocal};
}
template <class T> SOFTFLOOR_INLINE T rounded(FloatQuotient q) {
    // Not with -excess: GCC makes another fma of that, and loses the sign of a zero.
    if constexpr (sizeof(T) == 4) return __builtin_fmaf(q.excess, -q.reciprocal, q.quotient);
    else return rounded<T>(q.pair());
}
SOFTFLOOR_INLINE FloatPair as_pair(FloatPair a) { return a; }
SOFTFLOOR_INLINE FloatPair as_pair(FloatQuotient q) { return q.pair(); }

// The size of an odd function, and a number with its sign.
struct SignedQuotient {
    FloatQuotient size;
    float sign;
};
SOFTFLOOR_INLINE FloatPair as_pair(SignedQuotient q) {
    FloatPair size = q.size.pair();
    return {__builtin_copysignf(size.high, q.sign), size.low * __builtin_copysignf(1.0f, q.sign)};
}
template <class T> SOFTFLOOR_INLINE T rounded(SignedQuotient q) {
    if constexpr (sizeof(T) == 4) return __builtin_copysignf(rounded<T>(q.size), q.sign);
    else return rounded<T>(as_pair(q));
}

// e^y q with the q of divide(1.0f, ...); normalised, because slopes go on to subtract it from something near it.
SOFTFLOOR_INLINE FloatPair times(FloatExponential e, FloatQuotient q) {
    FloatPair product = times(e, q.quotient);
    float low = __builtin_fmaf(-product.high, q.excess, product.low), high = product.high + low;
    return {high, low - (high - product.high)};
}

// A slope next to its own zero (zero.hpp), with the zero in three floats: the distance is right to the last bit even
// where x is the float32 next to the zero.
template <int count>
SOFTFLOOR_INLINE FloatPair around(const coefficients::SingleZero<count>& zero, float x, FloatPair elsewhere) {
    float far = x - zero.position[0], distance = far - zero.position[1];
    float lost = ((far - distance) - zero.position[1]) - zero.position[2];
    FloatPair near;
    if constexpr (count <= 3) {
        // Within a small radius all but the constant term is small.
        float rest = __builtin_fmaf(distance, polynomial(zero.polynomial, distance), zero.linear_term);
        rest = __builtin_fmaf(distance, rest, zero.constant_term.low);
        near = times(FloatPair{zero.constant_term.high, rest}, distance);
        near.low = __builtin_fmaf(lost, zero.constant_term.high, near.low);
    } else {
        // The quotient as a pair: constant and linear term, then all that is small.
        float high = __builtin_fmaf(distance, zero.linear_term, zero.constant_term.high);
        float low = __builtin_fmaf(distance, zero.linear_term, zero.constant_term.high - high);
        low += __builtin_fmaf(distance * distance, polynomial(zero.polynomial, distance), zero.constant_term.low);
        near = times(FloatPair{high, low}, distance);
        near.low = __builtin_fmaf(lost, high, near.low);
    }
    return select(__builtin_fabsf(distance) < zero.radius, near, elsewhere);
}

}  // namespace
}  // namespace softfloor
