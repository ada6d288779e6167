// gelu(x) = x Phi(x) and its tanh approximation, both with the tail as a factor: x Q(|x|) below zero, x - x Q(x) above.
#pragma once
#include "../math/normal.hpp"
#include "../math/plain.hpp"
#include "../math/tails.hpp"
#include "../math/zero.hpp"
#include "sigmoid.hpp"

namespace softfloor {
namespace {

// max(x, 0) less a tail, and the step at 0 less a tail that has the sign of x.
SOFTFLOOR_INLINE auto jet_of_tails(Floats x, RaisedSum tail, RaisedSum slope_tail) {
    return CompensatedJet{less_tail(at_least(x, 0.0f) * raise, tail), less_tail(step_at_zero(x), slope_tail)};
}
// Where the tables end, tails have rounded to zero; but not their products with large numbers.
constexpr float tails_limit = 0x1p20f;

// In both, size is |x|, kept finite where arithmetic needs it, and t is |x| capped where the tail has vanished.

// With t = |x| and Q(t) = G R / 2 (math/normal.hpp):
//   gelu(x)  = -t Q(t) for x < 0,  t - t Q(t) otherwise;
//   gelu'(x) = Phi(x) + x phi(x) = G (R/2 - t/sqrt(2 pi)) for x < 0, one minus the same otherwise, with one zero.
struct Gelu {
    // Beyond t = 56, G < 2^-2262: tail and slope are zero in every format, and so is what two numbers times them give
    // if G is 2^-900 of what it is there.
    static constexpr double vanished = 56.0;

    template <class N> SOFTFLOOR_INLINE static Jet<N> at(N x) {
        bool negative = head(x) < 0;
        N size = error_free(absolute(x)), t = at_most(size, vanished);
        auto g = gaussian(at_least_tiny(t));
        g.mantissa = times_power_of_two(g.mantissa, head(size) > vanished ? 0x1p-900 : 1.0);
        N half_ratio = times_power_of_two(tail_ratio(at_least_tiny(t)), 0.5);

        N below = t * half_ratio;
        Scaled<N> value = select(negative, Scaled<N>{below * g.mantissa, g.power}, Scaled<N>{size - below * g.value});
        value.mantissa = keep_infinity(with_sign(value.mantissa, x), select(negative, N(0.0), x));

        N bend = half_ratio - t * constant<N>(coefficients::In<double>::inverse_sqrt_two_pi);
        Scaled<N> slope = select(negative, Scaled<N>{bend * g.mantissa, g.power}, Scaled<N>{N(1.0) - bend * g.value});
        return {value, around(coefficients::gelu_zero, x, slope)};
    }

    // max(x, 0) - (t/2) G(t) / D(t), with D = 1/R (math/normal.hpp) as
    //   D(t) = 1 + a t + t N(t)/M(t),  a = 17/16, where the last term is at most 0.1 D, so that its rounding errors
    //   count for little.
    template <class Real> static constexpr Real compensated_limit = sizeof(Real) == 4 ? 11 : 8;
    template <class Real> SOFTFLOOR_INLINE static auto compensated(Real x) {
        using C = coefficients::In<Real>;
        constexpr Real one = 1, zero = 0, a = coefficients::tail_slope;
        Real t = absolute(x), half = Real(0.5) * t, exponent = -half * t;
        auto g = exponential(Sum<Real>{exponent, fma(-half, t, -exponent)});
        Real correction = polynomial(C::tail_numerator, t) / polynomial(C::tail_denominator, t);
        Real linear = fma(a, t, one);
        Sum<Real> d = {linear, fma(a, t, one - linear) + t * correction};
        auto tail = divide(times(g, half), d);
        Sum<Real> linear_slope = times(C::inverse_sqrt_two_pi, t);
        Sum<Real> slope_tail = times(g, divide(Real(0.5), d).pair() - linear_slope);
        Sum<Real> sum = select(x < zero, slope_tail, subtract_from(one, slope_tail));
        ProductAndSum<Real> slope = {sum.high, one, sum.low};
        return CompensatedJet{subtract_from(x < zero ? zero : x, tail.pair()), around(C::gelu_zero, x, slope)};
    }
    // The same for float32, with t Q and the slope's tail from tables. Up to 13 they have digits to be multiplied by.
    static constexpr float lanes_limit = tails_limit, lanes_limit_of_products = 13;
    static constexpr bool has_long_waits = true;  // some 110 cycles from an argument to its results
    SOFTFLOOR_INLINE static auto in_lanes(Floats x) {
        using namespace coefficients;
        Floats t = at_most(absolute(x), gelu_tail.cap), half = t * 0.5f, exponent = half * t;
        auto g = exponential_of_minus(exponent, fma(half, t, -exponent));
        return jet_of_tails(x, times(g, gelu_tail, t), times(with_sign(g, x), gelu_slope_tail, t));
    }
    // With one division, by D M. The square of a float16 or bfloat16 is exact.
    template <class T> SOFTFLOOR_INLINE static auto plain(float x) {
        using C = coefficients::In<float>;
        float t = absolute(x), half = 0.5f * t, g = plain_exponential(-half * t).value();
        float m = polynomial(C::tail_denominator, t), n = polynomial(C::tail_numerator, t);
        float ratio = m / fma(t, fma(float(coefficients::tail_slope), m, n), m);
        float bend = fma(-t, C::inverse_sqrt_two_pi.high, 0.5f * ratio);
        float slope = x < 0 ? g * bend : fma(-g, bend, 1.0f);
        slope = nudged<T>(x == -0x1.e14p-12f, slope, 2);
        slope = nudged<T>(x == -0x1.65cp+0f || x == -0x1.018p+2f, slope, -1);
        return PlainJet{(x < 0 ? 0.0f : x) - half * g * ratio, plain_around(C::gelu_zero, x, slope)};
    }
};

// gelu_tanh(x) = x (1 + tanh(u))/2 = x sigmoid(v) with v = 2 u = x (c1 + c3 x^2), c1 = sqrt(8/pi), c3 = 0.044715 c1.
// With e = e^-|v|, r = 1/(1 + e) and w = |x| dv/dx = |v| + 2 c3 |x|^3:
//   gelu_tanh'(x) = e (1 + e - w) r^2 for x < 0,  (1 + e + w e) r^2 otherwise, with one zero.
struct GeluTanh {
    // Beyond |x| = 27.5, |v| > 1527: e < 2^-2203, and 2^-900 of that, as for gelu.
    static constexpr double vanished = 27.5;

    template <class N> SOFTFLOOR_INLINE static Jet<N> at(N x) {
        bool negative = head(x) < 0;
        N size = error_free(absolute(x)), t = at_most(size, vanished);
        N linear = t * constant<N>(coefficients::In<double>::gelu_tanh_linear);
        N cubic = t * (square(t) * constant<N>(coefficients::In<double>::gelu_tanh_cubic));
        N v = linear + cubic;
        auto [e, r] = logistic(v);
        e.mantissa = times_power_of_two(e.mantissa, head(size) > vanished ? 0x1p-900 : 1.0);

        Scaled<N> value = select(negative, Scaled<N>{t * (e.mantissa * r), e.power}, Scaled<N>{size * r});
        value.mantissa = keep_infinity(with_sign(value.mantissa, x), select(negative, N(0.0), x));

        N w = v + times_power_of_two(cubic, 2.0), square_of_r = square(r), one_plus_e = N(1.0) + e.value;
        Scaled<N> slope = select(negative, Scaled<N>{e.mantissa * ((one_plus_e - w) * square_of_r), e.power},
                                 Scaled<N>{(one_plus_e + w * e.value) * square_of_r});
        return {value, around(coefficients::gelu_tanh_zero, x, slope)};
    }

    // x (linear + cubic x^2) as a pair. The linear coefficient's high part is short: what the factor exceeds it by is
    // exact, and so an fma finds the factor's rounding error.
    template <class Real>
    SOFTFLOOR_INLINE static Sum<Real> odd_cubic(Real x, Sum<Element<Real>> linear, Sum<Element<Real>> cubic) {
        auto constant = [](Element<Real> c) __attribute__((always_inline)) { return number<Real>(c); };
        Real square = x * x, factor = fma(constant(cubic.high), square, constant(linear.high)), product = x * factor;
        Real lost = fma(constant(cubic.high), square, constant(linear.high) - factor);
        Real rest = fma(constant(cubic.low), square, constant(linear.low));
        rest = fma(constant(cubic.high), fma(x, x, -square), rest) + lost;
        return {product, fma(x, rest, fma(x, factor, -product))};
    }

    // The same with s = sigmoid(v), u = e^-v s: x s and s (1 + x v'(x) u), with v and x v'(x) as pairs. In double, e^-v
    // is 2^-870 at 20, so that its error terms are normal.
    template <class Real> static constexpr Real compensated_limit = sizeof(Real) == 4 ? 9 : 20;
    template <class Real> SOFTFLOOR_INLINE static auto compensated(Real x) {
        using C = coefficients::In<Real>;
        Sum<Real> d = one_plus(exponential(-odd_cubic(x, C::gelu_tanh_linear, C::gelu_tanh_cubic)));
        auto s = divide(Real(1), d);
        auto slope = rising_slope(s, odd_cubic(x, C::gelu_tanh_linear, C::gelu_tanh_three_cubic));
        return CompensatedJet{divide(x, d), around(C::gelu_tanh_zero, x, slope)};
    }
    // float32, with t / (1 + e^-v) and the slope's tail from tables.
    static constexpr float lanes_limit = tails_limit, lanes_limit_of_products = 11;
    static constexpr bool has_long_waits = true;
    SOFTFLOOR_INLINE static auto in_lanes(Floats x) {
        using namespace coefficients;
        Floats t = at_most(absolute(x), gelu_tanh_tail.cap);
        auto v = odd_cubic(t, In<float>::gelu_tanh_linear, In<float>::gelu_tanh_cubic);
        auto e = exponential_of_minus(v.high, v.low);
        return jet_of_tails(x, times(e, gelu_tanh_tail, t), times(with_sign(e, x), gelu_tanh_slope_tail, t));
    }
    static constexpr uint32_t plain_error = 73;  // at -8.55469
    template <class T> SOFTFLOOR_INLINE static auto plain(float x) {
        using C = coefficients::In<float>;
        constexpr float linear = C::gelu_tanh_linear.high + C::gelu_tanh_linear.low;
        float cubic = C::gelu_tanh_cubic.high * (x * x), factor = linear + cubic, v = x * factor;
        auto e = plain_exponential(-v, fma(-x, factor, v));
        float d = e.one_plus(), s = 1.0f / d, w = fma(x + x, cubic, v);
        float rest = __is_same(T, SpreadFloat16) ? e.rest_of_reciprocal(d, s) : 0.0f;
        auto slope = fma_with_sign_of_rest(s, fma(w, 1.0f - s, rest), s);
        return PlainJet{nudged<T>(x == 0x1.5fp-10f, x * s, -1), plain_around(C::gelu_tanh_zero, x, slope)};
    }
};

}  // namespace
}  // namespace softfloor
