// Numbers with about twice the digits of the result, so that a function is rounded once.
//
//   result          computed in
//   float16         double
//   bfloat16        double
//   float32         double
//   float64         Pair: the unevaluated sum hi + lo of two doubles, about 106 bits
//
// Inputs of ordinary size have faster texts: compensated.hpp, plain.hpp.
//
// An operation in ops/ is written once over "N", which is double or Pair. Everything here is branch-free scalar
// arithmetic in IEEE double with explicit fma, so that the compiler vectorises the loop around it and every
// instruction set returns the same bits. All of it lives in an anonymous namespace: a copy compiled for AVX-512 must
// never be the one that the linker hands to an older CPU.
#pragma once
#include <cstddef>
#include <cstdint>

#define SOFTFLOOR_INLINE [[gnu::always_inline]] inline

namespace softfloor {
namespace {

SOFTFLOOR_INLINE double bits_to_double(int64_t bits) {
    double x;
    __builtin_memcpy(&x, &bits, 8);
    return x;
}
SOFTFLOOR_INLINE int64_t double_to_bits(double x) {
    int64_t bits;
    __builtin_memcpy(&bits, &x, 8);
    return bits;
}

// Adding 1.5 * 2^52 pushes the fraction out of the significand: the sum holds round(x) in its low bits.
constexpr double round_shift = 0x1.8p52;
SOFTFLOOR_INLINE double round_to_integer(double x) { return (x + round_shift) - round_shift; }

// 2^k for an integer k in [-1022, 1023]: the low bits of k + shift + 1023 become the exponent field.
SOFTFLOOR_INLINE double power_of_two(double k) {
    return bits_to_double(double_to_bits(k + (round_shift + 1023.0)) << 52);
}

// ---------------------------------------------- Pair
struct Pair {
    double hi, lo;
    SOFTFLOOR_INLINE Pair() = default;
    SOFTFLOOR_INLINE constexpr Pair(double h, double l = 0.0) : hi(h), lo(l) {}
};

// The unevaluated sum of two numbers, for results computed in arithmetic of their own format (compensated.hpp). Less is
// asked of it than of a Pair, whose operations normalise.
template <class Real> struct Sum {
    Real high, low;
};

// Exact a + b (Knuth); the fast form needs |a| >= |b| or a = 0 (Dekker).
SOFTFLOOR_INLINE Pair two_sum(double a, double b) {
    double sum = a + b, part = sum - a;
    return {sum, (a - (sum - part)) + (b - part)};
}
SOFTFLOOR_INLINE Pair fast_two_sum(double a, double b) {
    double sum = a + b;
    return {sum, b - (sum - a)};
}
SOFTFLOOR_INLINE Pair two_product(double a, double b) {
    double product = a * b;
    return {product, __builtin_fma(a, b, -product)};
}

SOFTFLOOR_INLINE Pair operator-(Pair a) { return {-a.hi, -a.lo}; }
SOFTFLOOR_INLINE Pair operator+(Pair a, Pair b) {
    Pair sum = two_sum(a.hi, b.hi);
    return fast_two_sum(sum.hi, sum.lo + (a.lo + b.lo));
}
SOFTFLOOR_INLINE Pair operator-(Pair a, Pair b) { return a + (-b); }
SOFTFLOOR_INLINE Pair operator*(Pair a, Pair b) {
    Pair product = two_product(a.hi, b.hi);
    return fast_two_sum(product.hi, product.lo + __builtin_fma(a.hi, b.lo, a.lo * b.hi));
}

// The same, left open: not normalised, so that the low part may come to a few units in the last place of the high one.
SOFTFLOOR_INLINE double open_sum(double a, double b) { return a + b; }
SOFTFLOOR_INLINE Pair open_sum(Pair a, Pair b) {
    Pair sum = two_sum(a.hi, b.hi);
    return {sum.hi, a.lo + (sum.lo + b.lo)};
}
SOFTFLOOR_INLINE double open_product(double a, double b) { return a * b; }
SOFTFLOOR_INLINE Pair open_product(Pair a, double b) {
    Pair product = two_product(a.hi, b);
    return {product.hi, __builtin_fma(a.lo, b, product.lo)};
}
SOFTFLOOR_INLINE Pair open_product(Pair a, Pair b) {
    Pair product = two_product(a.hi, b.hi);
    return {product.hi, __builtin_fma(a.lo, b.hi, __builtin_fma(a.hi, b.lo, product.lo))};
}

// ---------------------------------------------- the verbs shared by double and Pair
SOFTFLOOR_INLINE double head(double x) { return x; }
SOFTFLOOR_INLINE double head(Pair x) { return x.hi; }

SOFTFLOOR_INLINE float select(bool condition, float yes, float no) { return condition ? yes : no; }
SOFTFLOOR_INLINE double select(bool condition, double yes, double no) { return condition ? yes : no; }
SOFTFLOOR_INLINE Pair select(bool condition, Pair yes, Pair no) {
    return {condition ? yes.hi : no.hi, condition ? yes.lo : no.lo};
}

SOFTFLOOR_INLINE float absolute(float x) { return __builtin_fabsf(x); }
SOFTFLOOR_INLINE double absolute(double x) { return __builtin_fabs(x); }
SOFTFLOOR_INLINE Pair absolute(Pair x) {
    double sign = __builtin_copysign(1.0, x.hi);
    return {__builtin_fabs(x.hi), sign * x.lo};
}

// |magnitude| with the sign of x, zeros included.
SOFTFLOOR_INLINE float with_sign(float magnitude, float x) { return __builtin_copysignf(magnitude, x); }
SOFTFLOOR_INLINE double with_sign(double magnitude, double x) { return __builtin_copysign(magnitude, x); }
SOFTFLOOR_INLINE Pair with_sign(Pair magnitude, Pair x) {
    return {__builtin_copysign(magnitude.hi, x.hi), __builtin_copysign(1.0, x.hi) * magnitude.lo};
}

// min(x, limit) that lets NaN through.
SOFTFLOOR_INLINE double at_most(double x, double limit) { return x > limit ? limit : x; }
SOFTFLOOR_INLINE Pair at_most(Pair x, double limit) { return select(x.hi > limit, Pair(limit), x); }

SOFTFLOOR_INLINE double times_power_of_two(double x, double factor) { return x * factor; }
SOFTFLOOR_INLINE Pair times_power_of_two(Pair x, double factor) { return {x.hi * factor, x.lo * factor}; }

// Products of inputs: a double holds that of two float32 exactly, a Pair that of two float64.
SOFTFLOOR_INLINE double exact_product(double a, double b) { return a * b; }
SOFTFLOOR_INLINE Pair exact_product(Pair a, Pair b) { return two_product(a.hi, b.hi); }

SOFTFLOOR_INLINE double square(double x) { return x * x; }
SOFTFLOOR_INLINE Pair square(Pair x) {
    Pair product = two_product(x.hi, x.hi);
    return fast_two_sum(product.hi, __builtin_fma(x.hi + x.hi, x.lo, product.lo));
}

SOFTFLOOR_INLINE double reciprocal(double x) { return 1.0 / x; }
SOFTFLOOR_INLINE Pair reciprocal(Pair x) {
    double estimate = 1.0 / x.hi;
    double residual = __builtin_fma(-x.hi, estimate, 1.0) - x.lo * estimate;
    return fast_two_sum(estimate, estimate * residual);
}

constexpr double infinity = __builtin_inf();

// The largest finite result, 2^128 - 2^104 for all that is computed in double.
template <class N> constexpr double largest = 0.0;
template <> constexpr double largest<double> = 0x1.fffffep127;
template <> constexpr double largest<Pair> = 0x1.fffffffffffffp1023;

// x, or the largest finite number of its sign: so that inf times a vanished tail is zero.
template <class N> SOFTFLOOR_INLINE N finite(N x) {
    return select(__builtin_fabs(head(x)) > largest<N>, N(__builtin_copysign(largest<N>, head(x))), x);
}

// Error-free transformations turn inf into NaN. Pairs are kept finite, and a function that grows like x gets its
// infinity back at the end; plain doubles do the right thing by themselves.
SOFTFLOOR_INLINE double error_free(double x) { return x; }
SOFTFLOOR_INLINE Pair error_free(Pair x) { return finite(x); }
SOFTFLOOR_INLINE double keep_infinity(double value, double) { return value; }
SOFTFLOOR_INLINE Pair keep_infinity(Pair value, Pair x) {
    return select(__builtin_fabs(x.hi) > largest<Pair>, x, value);
}

// x Phi(x) and x sigmoid(x) of a subnormal bfloat16 lie within 2^-130 of the middle between two results. Where the
// factor beside x is computed from an argument of at least 2^-40, it stays on its side of 1/2 and the result is rounded
// to the right side; a float32 moves by 2^-18 ulp at most. Pairs need no such help: their promise is not correct
// rounding.
SOFTFLOOR_INLINE double at_least_tiny(double t) { return t < 0x1p-40 ? 0x1p-40 : t; }
SOFTFLOOR_INLINE Pair at_least_tiny(Pair t) { return t; }

// a b + c with one rounding.
SOFTFLOOR_INLINE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
SOFTFLOOR_INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }

// c[0] + c[1] x + ... by Horner; unrolled by the template, because a loop inside a loop is not vectorised.
template <int count, class Real> SOFTFLOOR_INLINE Real polynomial(const Real* c, Real x) {
    if constexpr (count == 1) return c[0];
    else return fma(polynomial<count - 1>(c + 1, x), x, c[0]);
}
template <class Real, int count> SOFTFLOOR_INLINE Real polynomial(const Real (&c)[count], Real x) {
    return polynomial<count>(&c[0], x);
}

// The same in pairs of terms: half as many steps that wait for each other, and no operation more where x^2 is at hand.
template <int count, class Real> SOFTFLOOR_INLINE Real polynomial(const Real* c, Real x, Real square) {
    if constexpr (count == 1) return c[0];
    else if constexpr (count == 2) return fma(c[1], x, c[0]);
    else return fma(polynomial<count - 2>(c + 2, x, square), square, fma(c[1], x, c[0]));
}
template <class Real, int count> SOFTFLOOR_INLINE Real polynomial(const Real (&c)[count], Real x, Real square) {
    return polynomial<count>(&c[0], x, square);
}

// A constant known to more digits than a double holds, as the number format at hand sees it.
template <class N> constexpr N constant(Sum<double> value);
template <> SOFTFLOOR_INLINE constexpr double constant<double>(Sum<double> value) { return value.high; }
template <> SOFTFLOOR_INLINE constexpr Pair constant<Pair>(Sum<double> value) { return {value.high, value.low}; }

// ---------------------------------------------- Scaled
// mantissa * 2^power. float64 results reach down to 2^-1074, where no pair is accurate any more, so the power of two is
// applied once, at the very end. In double (for float32 results) nothing can underflow: there the power is always 1,
// and empty.
template <class N> struct Power;
template <> struct Power<double> {};
template <> struct Power<Pair> {
    double exponent = 0.0;
};

SOFTFLOOR_INLINE Power<double> select(bool, Power<double>, Power<double>) { return {}; }
SOFTFLOOR_INLINE Power<Pair> select(bool condition, Power<Pair> yes, Power<Pair> no) {
    return {condition ? yes.exponent : no.exponent};
}

template <class N> struct Scaled {
    N mantissa;
    Power<N> power = {};
};

template <class N> SOFTFLOOR_INLINE Scaled<N> select(bool condition, Scaled<N> yes, Scaled<N> no) {
    return {select(condition, yes.mantissa, no.mantissa), select(condition, yes.power, no.power)};
}

SOFTFLOOR_INLINE double apply(Scaled<double> x) { return x.mantissa; }
// Exponents down to -2400 in three factors. Only the last product can round: an inexact intermediate ends as zero.
SOFTFLOOR_INLINE Pair apply(Scaled<Pair> x) {
    double third = round_to_integer(x.power.exponent * (1.0 / 3.0));
    double factor = power_of_two(third), last = power_of_two(x.power.exponent - (third + third));
    return {x.mantissa.hi * factor * factor * last, x.mantissa.lo * factor * factor * last};
}

// x factor 2^power, for a factor below 2 and any x: the largest must not overflow before the power shrinks the product,
// the smallest not lose its digits before it is multiplied again.
SOFTFLOOR_INLINE Scaled<double> scaled_product(double x, double factor, Power<double> power) {
    return {x * factor, power};
}
SOFTFLOOR_INLINE Scaled<Pair> scaled_product(Pair x, Pair factor, Power<Pair> power) {
    bool large = __builtin_fabs(x.hi) > 1;
    Pair middling = times_power_of_two(x, large ? 0x1p-300 : 0x1p300);
    return {middling * factor, {power.exponent + (large ? 300.0 : -300.0)}};
}

// x^2 factor 2^power, where x^2 alone may overflow.
SOFTFLOOR_INLINE Scaled<double> square_times(double x, double factor, Power<double>) { return {x * (x * factor)}; }
SOFTFLOOR_INLINE Scaled<Pair> square_times(Pair x, Pair factor, Power<Pair> power) {
    bool large = __builtin_fabs(x.hi) > 0x1p500;
    Pair shrunk = times_power_of_two(x, large ? 0x1p-600 : 1.0);
    return {shrunk * (shrunk * factor), {large ? power.exponent + 1200.0 : power.exponent}};
}

// What an operation returns: the function and its slope from the same intermediate results. A kernel that needs only
// one of them leaves the other to the compiler, which drops it.
template <class N> struct Jet {
    Scaled<N> value, slope;
};
template <class N> struct ParametricJet {
    Scaled<N> value, slope, parameter_slope;
};

}  // namespace
}  // namespace softfloor
