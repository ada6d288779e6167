// bfloat16 results in plain float arithmetic: 8 bits leave 16 of a float's 24 to rounding errors on the way. Enough for
// all but a few of 65,536 inputs, and that it is enough for every one is for the tests to say, which try them all.
//
// An operation that offers plain(x) promises correctly rounded values and slopes where its compensated(x) is used, for
// every bfloat16 x.
#pragma once
#include "compensated.hpp"

namespace softfloor {
namespace {

struct PlainJet {
    float value, slope;
};

// e^y = factor (1 + growth), for |y| <= 87 and y = high + low.
struct PlainExponential {
    float factor, growth;
    SOFTFLOOR_INLINE float value() const { return fma(factor, growth, factor); }
    SOFTFLOOR_INLINE float one_plus() const { return fma(factor, growth, 1.0f + factor); }
    SOFTFLOOR_INLINE float lost_by_one_plus(float sum) const { return fma(factor, growth, (1.0f + factor) - sum); }
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
SOFTFLOOR_INLINE float around(const coefficients::CompensatedZero<float, count>& zero, float x, float elsewhere) {
    float distance = (x - zero.position[0]) - zero.position[1];
    float quotient = fma(distance, polynomial(zero.polynomial, distance), zero.linear_term);
    quotient = fma(distance, quotient, zero.constant_term.high);
    return absolute(distance) < zero.radius ? distance * quotient : elsewhere;
}

}  // namespace
}  // namespace softfloor
