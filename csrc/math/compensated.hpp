// Results in arithmetic of their own format, float or double, at the price of carrying rounding errors by hand: twice
// as many lanes as double for float32, and a fraction of the operations on pairs for float64.
//
// What the wider format does by itself is done here by sums whose low part is the error of the high one, or a small
// correction to it: they need not be normalised, |low| <= |high| / 8 is enough where a comment says so. An operation
// that offers compensated(x) promises an error below 1 ulp for |x| <= compensated_limit<Real>; for all other x its wide
// text runs. Both are swept over all 2^32 float32 inputs by the tests, where no text in vectors (tails.hpp) takes their
// place. What is said below of 24 bits holds of 53 alike.
#pragma once
#include "coefficients.hpp"
#include "lanes.hpp"

namespace softfloor {
namespace {

template <class Real> SOFTFLOOR_INLINE Sum<Real> operator*(Sum<Real> a, Sum<Real> b) {
    Real product = a.high * b.high;
    Real error = fma(a.high, b.high, -product);
    return {product, fma(a.low, b.high, fma(a.high, b.low, error))};
}
template <class Real> SOFTFLOOR_INLINE Sum<Real> error_free_sum(Real a, Real b) {
    Real sum = a + b, part = sum - a;
    return {sum, (a - (sum - part)) + (b - part)};
}

// Whether two floats hold the digits of a double, and products with them their own; not for NaN.
SOFTFLOOR_INLINE bool splits(double x) {
    double size = __builtin_fabs(x);
    return (size > 0x1p-96 && size < 0x1p60) || size == 0;
}
SOFTFLOOR_INLINE Sum<float> split(double x) {
    float high = float(x);
    return {high, float(x - double(high))};
}

template <class Real> SOFTFLOOR_INLINE Sum<Real> times(Sum<Real> a, Real x) {
    Real product = a.high * x;
    return {product, fma(a.low, x, fma(a.high, x, -product))};
}
// 1 + a. Fast for any size of a: 1 is a multiple of the last place of both, unless a is so large that 1 does not count.
template <class Real> SOFTFLOOR_INLINE Sum<Real> plus_one(Sum<Real> a) {
    Real sum = Real(1) + a.high;
    return {sum, (a.high - (sum - Real(1))) + a.low};
}

template <class Real> SOFTFLOOR_INLINE Sum<Real> operator-(Sum<Real> a) { return {-a.high, -a.low}; }
template <class Real> SOFTFLOOR_INLINE Sum<Real> operator+(Sum<Real> a, Sum<Real> b) {
    Sum<Real> sum = error_free_sum(a.high, b.high);
    return {sum.high, sum.low + (a.low + b.low)};
}
template <class Real> SOFTFLOOR_INLINE Sum<Real> operator-(Sum<Real> a, Sum<Real> b) { return a + -b; }

// whole - a for |a| <= |whole| or whole = 0.
template <class Real> SOFTFLOOR_INLINE Sum<Real> subtract_from(Real whole, Sum<Real> a) {
    Real high = whole - a.high;
    return {high, ((whole - high) - a.high) - a.low};
}

template <class Real> SOFTFLOOR_INLINE Sum<Real> select(bool condition, Sum<Real> yes, Sum<Real> no) {
    return {condition ? yes.high : no.high, condition ? yes.low : no.low};
}

// Rounded once; the sign of a zero is that of the high part.
template <class T, class Real> SOFTFLOOR_INLINE T rounded(Sum<Real> a) {
    if constexpr (__is_same(T, Real)) return with_sign(a.high + a.low, a.high);
    else return narrow<T>(with_sign(round_to_odd(a), a.high));
}
// a x rounded once.
template <class T, class Real> SOFTFLOOR_INLINE T rounded_product(Sum<Real> a, Real x) {
    if constexpr (__is_same(T, Real)) return with_sign(fma(a.high, x, a.low * x), a.high * x);
    else return rounded<T>(times(a, x));
}

template <class T, class Real> SOFTFLOOR_INLINE T rounded_product(Sum<Real> a, Sum<Real> x) {
    static_assert(__is_same(T, Real));
    Real rest = fma(a.high, x.low, a.low * x.high);
    return with_sign(fma(a.high, x.high, rest), a.high * x.high);
}

// What an operation returns. A kernel that needs one of them leaves the other to the compiler.
template <class Value, class Slope> struct CompensatedJet {
    Value value;
    Slope slope;
};

// e^y = factor (1 + first + rest), factor = 2^k, |first| <= ln(2)/2, rest = first^2 q(first) and what y - k ln 2 lost
// by rounding. 1 + first + rest is left open: each user adds it to something else without a rounding in between. Rest
// has an error below 2^-27.5.
template <class Real> struct OpenExponential {
    Real factor, first, rest;
};

SOFTFLOOR_INLINE float shifted_to_exponent(float x) { return bits_to_float(float_to_bits(x) << 23); }
SOFTFLOOR_INLINE double shifted_to_exponent(double x) { return bits_to_double(double_to_bits(x) << 52); }

// The multiple of ln 2 nearest to y: adding 1.5 * 2^23 rounds, and leaves k + 127 in the low bits.
template <class Real> struct MultipleOfLn2 {
    Real k, factor;
    SOFTFLOOR_INLINE explicit MultipleOfLn2(Real y) {
        constexpr Real shift = sizeof(Real) == 4 ? Real(0x1.8p23 + 127.0) : Real(round_shift + 1023.0);
        Real shifted = fma(y, coefficients::In<Real>::log2_e, shift);
        k = shifted - shift;
        factor = shifted_to_exponent(shifted);
    }
};
template <class Real, int count>
SOFTFLOOR_INLINE Real rest_of_exponential(const Real (&c)[count], Real first, Real lost) {
    Real square = first * first;
    return fma(square, polynomial(c, first, square), lost);
}

// |y| <= largest. Rounding first adds an error of 2^-26. What the constant ln 2 leaves out stays apart, times e^first:
// in float 1 is enough for that up to 24, and 1 + first up to 87; in double, where k times what is left out comes to
// 2^-49, 1 + first + first^2/2 up to 40.
template <int largest = 24, class Real> SOFTFLOOR_INLINE OpenExponential<Real> exponential(Real y) {
    using C = coefficients::In<Real>;
    MultipleOfLn2<Real> multiple(y);
    Real first = fma(-multiple.k, C::ln2.high, y);
    Real lost = -multiple.k * C::ln2.low;
    if constexpr (largest <= 24 && sizeof(Real) == 4)
        return {multiple.factor, first, rest_of_exponential(coefficients::exp_float, first, lost)};
    Real growth = sizeof(Real) == 4 ? first : fma(first * first, Real(0.5), first);
    lost = fma(lost, growth, lost);
    return {multiple.factor, first, rest_of_exponential(C::exponential, first, lost)};
}

// y.high + y.low, |y.high| <= 87 or 700, |y.low| <= 2^-16. In double the first difference is exact.
template <class Real> SOFTFLOOR_INLINE OpenExponential<Real> exponential(Sum<Real> y) {
    using C = coefficients::In<Real>;
    MultipleOfLn2<Real> multiple(y.high);
    Real rounded = fma(-multiple.k, C::ln2_short.high, y.high);
    Real lost = fma(-multiple.k, C::ln2_short.low, y.low), first = rounded + lost;
    return {multiple.factor, first, rest_of_exponential(C::exponential, first, lost - (first - rounded))};
}

// x e.
template <class Real> SOFTFLOOR_INLINE Sum<Real> times(OpenExponential<Real> e, Real x) {
    Real scaled = x * e.factor, high = fma(scaled, e.first, scaled);
    return {high, fma(scaled, e.rest, fma(scaled, e.first, scaled - high))};
}
template <class Real> SOFTFLOOR_INLINE Sum<Real> times(OpenExponential<Real> e, Sum<Real> x) {
    Sum<Real> product = times(e, x.high);
    return {product.high, fma(fma(e.factor, e.first, e.factor), x.low, product.low)};
}
// 1 + e where 2^-23 <= factor <= 2^23, so that 1 + factor is exact: for exponents up to moderate_exponent.
template <class Real> constexpr Real moderate_exponent = sizeof(Real) == 4 ? 16 : 36;
template <class Real> SOFTFLOOR_INLINE Sum<Real> one_plus_moderate(OpenExponential<Real> e) {
    Real whole = Real(1) + e.factor, high = fma(e.factor, e.first, whole);
    return {high, fma(e.factor, e.rest, fma(e.factor, e.first, whole - high))};
}
// 1 + e for any factor.
template <class Real> SOFTFLOOR_INLINE Sum<Real> one_plus(OpenExponential<Real> e) {
    Sum<Real> whole = error_free_sum(Real(1), e.factor);
    Real high = fma(e.factor, e.first, whole.high);
    return {high, fma(e.factor, e.rest, fma(e.factor, e.first, whole.high - high)) + whole.low};
}
// e - 1 for e <= 1; next to e = 1 with full relative accuracy.
template <class Real> SOFTFLOOR_INLINE Sum<Real> minus_one(OpenExponential<Real> e) {
    Real whole = e.factor - Real(1), lost = e.factor - (whole + Real(1));
    Real high = fma(e.factor, e.first, whole);
    return {high, fma(e.factor, e.rest, fma(e.factor, e.first, whole - high)) + lost};
}

// A quotient by one division: quotient - excess * reciprocal, with about 45 bits. The excess, quotient * d - x, is +0
// where x is a zero, so that the result keeps the sign of x.
template <class Real> struct Quotient {
    Real quotient, excess, reciprocal;
    SOFTFLOOR_INLINE Sum<Real> pair() const { return {quotient, -(excess * reciprocal)}; }
};
template <class Real> SOFTFLOOR_INLINE Quotient<Real> divide(Real x, Sum<Real> d, Real reciprocal) {
    Real quotient = x * reciprocal;
    return {quotient, fma(quotient, d.low, fma(quotient, d.high, -x)), reciprocal};
}
template <class Real> SOFTFLOOR_INLINE Quotient<Real> divide(Real x, Sum<Real> d) {
    return divide(x, d, Real(1) / (d.high + d.low));
}
template <class Real> SOFTFLOOR_INLINE Quotient<Real> divide(Sum<Real> x, Sum<Real> d) {
    Real reciprocal = Real(1) / (d.high + d.low), quotient = (x.high + x.low) * reciprocal;
    return {quotient, fma(quotient, d.high, -x.high) + fma(quotient, d.low, -x.low), reciprocal};
}
template <class T, class Real> SOFTFLOOR_INLINE T rounded(Quotient<Real> q) {
    // Not with -excess: GCC makes another fma of that, and loses the sign of a zero.
    if constexpr (__is_same(T, Real)) return fma(q.excess, -q.reciprocal, q.quotient);
    else return rounded<T>(q.pair());
}
template <class Real> SOFTFLOOR_INLINE Sum<Real> as_pair(Quotient<Real> q) { return q.pair(); }

// The size of an odd function, and a number with its sign.
template <class Real> struct SignedQuotient {
    Quotient<Real> size;
    Real sign;
};
template <class Real> SOFTFLOOR_INLINE Sum<Real> as_pair(SignedQuotient<Real> q) {
    Sum<Real> size = q.size.pair();
    return {with_sign(size.high, q.sign), size.low * with_sign(Real(1), q.sign)};
}
template <class T, class Real> SOFTFLOOR_INLINE T rounded(SignedQuotient<Real> q) {
    if constexpr (__is_same(T, Real)) return with_sign(rounded<T>(q.size), q.sign);
    else return rounded<T>(as_pair(q));
}

template <class T, template <class> class Number, class Real>
    requires requires(Number<Real> a) { as_pair(a); }
SOFTFLOOR_INLINE T rounded_product(Number<Real> a, Real x) {
    return rounded_product<T>(as_pair(a), x);
}

// 1/d and x/d, to be multiplied before they are divided: no digit of the factors is lost, however small one is. Times 1
// they have the bits of the quotient.
template <class Real> struct Reciprocal {
    Sum<Real> d;
};
template <class Real> struct TimesReciprocal {
    Real x;
    Sum<Real> d;
};
template <class T, class Real> SOFTFLOOR_INLINE T rounded(Reciprocal<Real> a) {
    return rounded<T>(divide(Real(1), a.d));
}
template <class T, class Real> SOFTFLOOR_INLINE T rounded(TimesReciprocal<Real> a) {
    return rounded<T>(divide(a.x, a.d));
}
template <class T, class Real> SOFTFLOOR_INLINE T rounded_product(Reciprocal<Real> a, Real x) {
    return rounded<T>(divide(x, a.d));
}
template <class T, class Real> SOFTFLOOR_INLINE T rounded_product(TimesReciprocal<Real> a, Real x) {
    Real product = a.x * x, lost = fma(a.x, x, -product), reciprocal = Real(1) / (a.d.high + a.d.low);
    Real q = product * reciprocal, excess = fma(q, a.d.low, fma(q, a.d.high, -product)) - lost;
    return rounded<T>(Quotient<Real>{q, excess, reciprocal});
}

// a b + c, not yet computed, where |c| <= |a b| / 2 or a = 0: one fma, and alone or times 1 the same bits.
template <class Real> struct ProductAndSum {
    Real a, b, c;
    SOFTFLOOR_INLINE Sum<Real> sum() const {
        Real high = fma(a, b, c), product = a * b;
        return {high, ((product - high) + c) + fma(a, b, -product)};
    }
};
template <class T, class Real> SOFTFLOOR_INLINE T rounded(ProductAndSum<Real> s) {
    if constexpr (__is_same(T, Real)) return fma(s.a, s.b, s.c);
    else return rounded<T>(s.sum());
}
template <class T, class Real> SOFTFLOOR_INLINE T rounded_product(ProductAndSum<Real> s, Real x) {
    if constexpr (__is_same(T, Real)) {
        Real product = s.b * x, rest = fma(s.a, fma(s.b, x, -product), s.c * x);
        // A zero has the sign of the slope times x, whatever that of its parts.
        return with_sign(fma(s.a, product, rest), fma(s.a, s.b, s.c) * x);
    } else return rounded_product<T>(s.sum(), x);
}
template <class T, class Real> SOFTFLOOR_INLINE T rounded_product(ProductAndSum<Real> s, Sum<Real> x) {
    return rounded_product<T>(s.sum(), x);
}

// e^y q^2 with the q of divide(1, ...). The error of q^2 is that of the product, and twice the excess.
template <class Real> SOFTFLOOR_INLINE Sum<Real> times_square(OpenExponential<Real> e, Quotient<Real> q) {
    Real square = q.quotient * q.quotient, lost = fma(q.quotient, q.quotient, -square);
    lost = fma(-(q.excess + q.excess), square, lost);
    Sum<Real> product = times(e, square);
    return {product.high, fma(fma(e.factor, e.first + e.rest, e.factor), lost, product.low)};
}

// s (1 + w (1 - s)) with the s of divide(1, ...), whose relative error is minus its excess. The differences lose
// nothing that the next ones do not find.
template <class Real> SOFTFLOOR_INLINE ProductAndSum<Real> rising_slope(Quotient<Real> s, Sum<Real> w) {
    Real q = s.quotient, one = 1;
    Real other = one - q, lost_by_other = fma(q, s.excess, (one - other) - q);
    Real product = w.high * other, lost = fma(w.high, other, -product);
    Sum<Real> sum = plus_one(Sum<Real>{product, lost});
    lost = fma(w.high, lost_by_other, fma(w.low, other, sum.low));
    return {q, sum.high, q * fma(-s.excess, sum.high, lost)};
}

// A slope next to its own zero.
template <class Real, int count>
SOFTFLOOR_INLINE ProductAndSum<Real> around(const coefficients::CompensatedZero<Real, count>& zero, Real x,
                                            ProductAndSum<Real> elsewhere) {
    Real h = x - zero.nearest;  // exact within the radius
    Real slope = zero.slope.high, rest;
    if constexpr (count <= 9) rest = fma(h, polynomial(zero.polynomial, h), zero.slope.low);
    else {
        // At the rim of a wide radius the linear term is nearly as large as the constant one: their sum as a pair.
        slope = fma(h, zero.polynomial[0], zero.slope.high);
        rest = fma(h, zero.polynomial[0], zero.slope.high - slope) + zero.slope.low;
        rest = fma(h * h, polynomial<count - 1>(zero.polynomial + 1, h), rest);
    }
    rest = fma(h, rest, zero.value);
    bool is_near = absolute(h) < zero.radius;
    return {is_near ? h : elsewhere.a, is_near ? slope : elsewhere.b, is_near ? rest : elsewhere.c};
}

}  // namespace
}  // namespace softfloor
