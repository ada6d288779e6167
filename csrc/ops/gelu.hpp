// gelu(x) = x Phi(x) and its tanh approximation, both with the tail as a factor: x Q(|x|) below zero, x - x Q(x) above.
#pragma once
#include "../math/normal.hpp"
#include "../math/single.hpp"
#include "../math/zero.hpp"
#include "sigmoid.hpp"

namespace softfloor {
namespace {

// In both, size is |x|, kept finite where arithmetic needs it, and t is |x| capped where the tail has vanished.

// With t = |x| and Q(t) = G R / 2 (math/normal.hpp):
//   gelu(x)  = -t Q(t) for x < 0,  t - t Q(t) otherwise;
//   gelu'(x) = Phi(x) + x phi(x) = G (R/2 - t/sqrt(2 pi)) for x < 0, one minus the same otherwise, with one zero.
struct Gelu {
    // At t = 40, G < 2^-1154: tail and slope are zero in every format.
    static constexpr double vanished = 40.0;

    template <class N> SOFTFLOOR_INLINE static Jet<N> at(N x) {
        bool negative = head(x) < 0;
        N size = error_free(absolute(x)), t = at_most(size, vanished);
        auto g = gaussian(at_least_tiny(t));
        N half_ratio = times_power_of_two(tail_ratio(at_least_tiny(t)), 0.5);

        N below = t * half_ratio;
        Scaled<N> value = select(negative, Scaled<N>{below * g.mantissa, g.power}, Scaled<N>{size - below * g.value});
        value.mantissa = keep_infinity(with_sign(value.mantissa, x), select(negative, N(0.0), x));

        N bend = half_ratio - t * constant<N>(coefficients::inverse_sqrt_two_pi);
        Scaled<N> slope = select(negative, Scaled<N>{bend * g.mantissa, g.power}, Scaled<N>{N(1.0) - bend * g.value});
        return {value, around(coefficients::gelu_zero, x, slope)};
    }

    // max(x, 0) - (t/2) G(t) / D(t), with D = 1/R (math/normal.hpp) as
    //   D(t) = 1 + a t + t N(t)/M(t),  a = 17/16, where the last term is at most 0.1 D, so that its rounding errors
    //   count for little.
    static constexpr float single_limit = 11.0f;
    SOFTFLOOR_INLINE static auto single(float x) {
        float t = __builtin_fabsf(x), half = 0.5f * t, exponent = -half * t;
        FloatExponential g = exponential(FloatPair{exponent, __builtin_fmaf(-half, t, -exponent)});
        float correction =
            polynomial(coefficients::tail_single_numerator, t) / polynomial(coefficients::tail_single_denominator, t);
        constexpr float a = coefficients::tail_single_slope;
        float linear = __builtin_fmaf(a, t, 1.0f);
        FloatPair d = {linear, __builtin_fmaf(a, t, 1.0f - linear) + t * correction};
        FloatQuotient tail = divide(times(g, half), d);
        FloatPair linear_slope = times(coefficients::inverse_sqrt_two_pi_single, t);
        FloatPair slope_tail = times(g, divide(0.5f, d).pair() - linear_slope);
        FloatPair slope = select(x < 0, slope_tail, subtract_from(1.0f, slope_tail));
        return SingleJet{subtract_from(x < 0 ? 0.0f : x, tail.pair()),
                         around(coefficients::gelu_zero_single, x, slope)};
    }
};

// gelu_tanh(x) = x (1 + tanh(u))/2 = x sigmoid(v) with v = 2 u = x (c1 + c3 x^2), c1 = sqrt(8/pi), c3 = 0.044715 c1.
// With e = e^-|v|, r = 1/(1 + e) and w = |x| dv/dx = |v| + 2 c3 |x|^3:
//   gelu_tanh'(x) = e (1 + e - w) r^2 for x < 0,  (1 + e + w e) r^2 otherwise, with one zero.
struct GeluTanh {
    // At |x| = 24, |v| > 1000: e < 2^-1440.
    static constexpr double vanished = 24.0;

    template <class N> SOFTFLOOR_INLINE static Jet<N> at(N x) {
        bool negative = head(x) < 0;
        N size = error_free(absolute(x)), t = at_most(size, vanished);
        N linear = t * constant<N>(coefficients::gelu_tanh_linear);
        N cubic = t * (square(t) * constant<N>(coefficients::gelu_tanh_cubic));
        N v = linear + cubic;
        auto [e, r] = logistic(v);

        Scaled<N> value = select(negative, Scaled<N>{t * (e.mantissa * r), e.power}, Scaled<N>{size * r});
        value.mantissa = keep_infinity(with_sign(value.mantissa, x), select(negative, N(0.0), x));

        N w = v + times_power_of_two(cubic, 2.0), square_of_r = square(r), one_plus_e = N(1.0) + e.value;
        Scaled<N> slope = select(negative, Scaled<N>{e.mantissa * ((one_plus_e - w) * square_of_r), e.power},
                                 Scaled<N>{(one_plus_e + w * e.value) * square_of_r});
        return {value, around(coefficients::gelu_tanh_zero, x, slope)};
    }

    // The same with s = sigmoid(v), u = e^-v s: x s and s (1 + x v'(x) u), with v and x v'(x) as pairs.
    static constexpr float single_limit = 9.0f;
    SOFTFLOOR_INLINE static auto single(float x) {
        float square = x * x;
        FloatPair cubic = coefficients::gelu_tanh_single_cubic * FloatPair{square, __builtin_fmaf(x, x, -square)};
        FloatPair v = times(coefficients::gelu_tanh_single_linear + cubic, x);
        FloatExponential e = exponential(-v);
        FloatPair d = one_plus(e);
        FloatQuotient s = divide(1.0f, d);
        FloatPair w = v + times(cubic, x + x), slope = s.pair() * plus_one(one_minus(s) * w);
        return SingleJet{divide(x, d), around(coefficients::gelu_tanh_zero_single, x, slope)};
    }
};

}  // namespace
}  // namespace softfloor
