// bfloat16 and float16 results in plain float arithmetic: 8 and 11 bits leave 16 and 13 of a float's 24 to rounding
// errors on the way. Enough for all but a few of 65,536 inputs, and that it is enough for every one is for the tests to
// say, which try them all. For the few there are two means: the sign of what the last rounding lost, and a nudge.
//
// An operation that offers plain<T>(x) promises correctly rounded values and slopes where its compensated(x) is used,
// for every x of T, Bfloat16 or SpreadFloat16. As a factor, the value is within plain_error units of the last place of
// its float, 3 if the operation names none (found on all inputs).
#pragma once
#include "compensated.hpp"

namespace softfloor {
namespace {

// Each a float, or a Sum<float> whose low part has the sign of what its high part lost.
template <class Value, class Slope> struct PlainJet {
    Value value;
    Slope slope;
};

// To nearest in T. Where the high part lies in the middle between two float16, the sign of the low one decides: an even
// last bit gives way to the odd one on its side, an odd one stays. A zero, which a factor of zero makes, has no side.
template <class T> SOFTFLOOR_INLINE T narrow_plain(float x) { return narrow<T>(x); }
template <class T> SOFTFLOOR_INLINE T narrow_plain(Sum<float> x) {
    if constexpr (__is_same(T, Bfloat16)) return narrow<T>(x.high);
    uint32_t bits = float_to_bits(x.high), toward_zero = x.high == 0 ? 0u : (float_to_bits(x.low) ^ bits) >> 31;
    return narrow<T>(bits_to_float((bits - toward_zero) | 1u));
}
// Whether a float rounds to T as any number within some units of its last place does.
template <class T, uint32_t units> SOFTFLOOR_INLINE bool rounds_surely(float x) {
    uint32_t bits = float_to_bits(x);
    if constexpr (__is_same(T, Bfloat16)) return ((bits & 0xffffu) - (0x8000u - units)) > 2 * units;
    // What float16 keeps of x is what a sum keeps that is 2^13 times as large as the power of two in x, or as 2^-14.
    uint32_t exponent = bits & 0x7f800000u, least = float_to_bits(0x1p-14f);
    float power = bits_to_float(exponent > least ? exponent : least), large = 0x1.8p13f * power;
    float rest = x - ((x + large) - large);
    return absolute(rest) < power * (0x1p-11f - float(units) * 0x1p-23f);
}
SOFTFLOOR_INLINE float leading(float x) { return x; }
SOFTFLOOR_INLINE float leading(Sum<float> x) { return x.high; }

// Times a cotangent; one of 1 or -1 leaves the bits of a slope.
SOFTFLOOR_INLINE float scaled(float x, float factor) { return x * factor; }
SOFTFLOOR_INLINE Sum<float> scaled(Sum<float> x, float factor) { return {x.high * factor, x.low * factor}; }

// a b + c, with the sign of what rounding lost, for |a b| <= |c|.
SOFTFLOOR_INLINE Sum<float> fma_with_sign_of_rest(float a, float b, float c) {
    float sum = fma(a, b, c);
    return {sum, fma(a, b, c - sum)};
}

// A result that is off by less than two units in the last place of a float, but on the wrong side of the middle between
// two float16, as exhaustive comparison found.
template <class T> SOFTFLOOR_INLINE float nudged(bool condition, float x, int units) {
    if constexpr (!__is_same(T, SpreadFloat16)) return x;
    return bits_to_float(float_to_bits(x) + uint32_t(condition ? units : 0));
}

// e^y = factor (1 + growth), for |y| <= 87 and y = high + low.
struct PlainExponential {
    float factor, growth;
    SOFTFLOOR_INLINE float value() const { return fma(factor, growth, factor); }
    SOFTFLOOR_INLINE float times(float x) const { return fma(x * factor, growth, x * factor); }
    SOFTFLOOR_INLINE float one_plus() const { return fma(factor, growth, 1.0f + factor); }
    // 1 - (1 + e^y) q for the q that is 1/(1 + e^y) rounded, from sum = one_plus().
    SOFTFLOOR_INLINE float rest_of_reciprocal(float sum, float q) const {
        float lost = fma(factor, growth, (1.0f + factor) - sum);
        return fma(-q, lost, fma(-q, sum, 1.0f));
    }
    SOFTFLOOR_INLINE float minus_one() const { return fma(factor, growth, factor - 1.0f); }
};
SOFTFLOOR_INLINE PlainExponential plain_exponential(float high, float low = 0.0f) {
    using C = coefficients::In<float>;
    MultipleOfLn2<float> multiple(high);
    float r = fma(-multiple.k, C::ln2.high, high), square = r * r;
    r = fma(-multiple.k, C::ln2.low, r + low);
    return {multiple.factor, fma(square, polynomial(coefficients::exp_float, r, square), r)};
}

// A slope next to its own zero.
template <int count>
SOFTFLOOR_INLINE float plain_around(const coefficients::CompensatedZero<float, count>& zero, float x, float elsewhere) {
    float h = x - zero.nearest;
    float near = fma(h, fma(h, polynomial(zero.polynomial, h), zero.slope.high), zero.value);
    return absolute(h) < zero.radius ? near : elsewhere;
}
template <int count>
SOFTFLOOR_INLINE Sum<float> plain_around(const coefficients::CompensatedZero<float, count>& zero, float x,
                                         Sum<float> elsewhere) {
    return {plain_around(zero, x, elsewhere.high), elsewhere.low};
}

}  // namespace
}  // namespace softfloor
