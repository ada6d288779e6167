// sigmoid, tanh and silu, all from e = e^-|z|, which never overflows. r = 1/(1 + e) lies in [1/2, 1].
#pragma once
#include "../math/exp.hpp"
#include "../math/plain.hpp"
#include "../math/tails.hpp"
#include "../math/zero.hpp"

namespace softfloor {
namespace {

// Far from 0, at t >= 10, a slope is e^-t times a series in it of which two terms are enough: the third is below 2^-27
// of the first. From far_cap on it rounds to zero; its products with large numbers may not.
constexpr float far_limit = 0x1p20f, far_cap = 112;
SOFTFLOOR_INLINE ExponentialInLanes far_exponential(Floats t) { return exponential_of_minus<coefficients::raised>(t); }
// e^-t/(1 + e^-t)^2.
SOFTFLOOR_INLINE RaisedSum far_bell(Floats t) {
    auto e = far_exponential(at_most(t, far_cap));
    return times(e, lanes_of(1), -2.0f * unraised(e));
}

// sigmoid(x) = r for x >= 0 and e r for x < 0; sigmoid'(x) = sigmoid(x) sigmoid(-x) = e r^2 without 1 - sigmoid.
struct Sigmoid {
    template <class N> SOFTFLOOR_INLINE static Jet<N> at(N x) {
        auto e = exponential_of_minus(absolute(x));
        N r = reciprocal(N(1.0) + e.value);
        return {select(head(x) < 0, Scaled<N>{e.mantissa * r, e.power}, Scaled<N>{r}),
                {e.mantissa * square(r), e.power}};
    }

    static constexpr bool value_is_never_tiny = true;
    // 1/(1 + e^-x); the slope from |x|, so that it is even to the bit.
    template <class Real> static constexpr Real compensated_limit = moderate_exponent<Real>;
    template <class Real> SOFTFLOOR_INLINE static auto compensated(Real x) {
        auto e = exponential(-absolute(x));
        auto slope = times_square(e, divide(Real(1), one_plus_moderate(e)));
        return CompensatedJet{Reciprocal<Real>{one_plus_moderate(exponential(-x))}, slope};
    }
    // The slope of float32. Values are as fast without tables.
    static constexpr float near = coefficients::sigmoid_slope.end;
    static constexpr float nearer = first_half_of(coefficients::sigmoid_slope);
    template <class Index = Bits> SOFTFLOOR_INLINE static auto in_lanes(Floats x) {
        return SlopeInLanes{value_of<Index>(coefficients::sigmoid_slope, absolute(x))};
    }
    static constexpr float lanes_limit = far_limit, lanes_limit_of_products = far_cap;
    SOFTFLOOR_INLINE static auto far_in_lanes(Floats x) { return SlopeInLanes{far_bell(absolute(x))}; }
    template <class T> SOFTFLOOR_INLINE static auto plain(float x) {
        float size = absolute(x);
        auto e = plain_exponential(-size), growing = plain_exponential(-x);
        float r = 1.0f / e.one_plus(), slope = e.times(r * r);
        float d = growing.one_plus(), s = 1.0f / d;
        // Next to 0, values lie in the middle of two float16 but for -x^3/48. Below 0, s is one unit too small then:
        // 1/s has one bit less.
        s = nudged<T>(x < 0 && x > -0x1p-7f, s, 1);
        return PlainJet{Sum<float>{s, -x}, nudged<T>(size == 0x1.cep-4f || size == 0x1.dc8p-1f, slope, -1)};
    }
};

// tanh(x) = (1 - e)/(1 + e), tanh'(x) = sech^2(x) = 4 e/(1 + e)^2 with e = e^(-2|x|); 1 - e comes from expm1.
struct Tanh {
    template <class N> SOFTFLOOR_INLINE static Jet<N> at(N x) {
        auto e = exponential_of_minus(times_power_of_two(absolute(x), 2.0));
        N r = reciprocal(N(2.0) + e.minus_one);
        return {{with_sign(-e.minus_one * r, x)}, {times_power_of_two(e.mantissa * square(r), 4.0), e.power}};
    }

    // n/(2 - n) with n = 1 - e. The excess of a quotient q is q (2 - n) - n = (2 q - n) - q n, and the first difference
    // is exact, because n/(2 q) = 1/(1 + q) lies in [1/2, 1].
    template <class Real> static constexpr Real compensated_limit = sizeof(Real) == 4 ? 40 : 20;
    template <class Real> SOFTFLOOR_INLINE static auto compensated(Real x) {
        constexpr Real one = 1, two = 2, four = 4;
        auto e = exponential<80>(-two * absolute(x));
        Sum<Real> n = -minus_one(e);
        Real reciprocal = one / ((two - n.high) - n.low), q = (n.high + n.low) * reciprocal;
        Real excess = fma(-q, n.high, (q + q) - n.high);
        excess = fma(-n.low, one + q, excess);
        e.factor *= four;
        auto slope = times_square(e, divide(one, subtract_from(two, n), reciprocal));
        return CompensatedJet{SignedQuotient<Real>{{q, excess, reciprocal}, x}, slope};
    }
    // Values of any float32, by a polynomial for each octave of |x|: h from a point of the octave, the value there,
    // which is all but a float, plus h times the slope to it. Below 1/4 the point is 0, and |x| takes the place of the
    // value. Monotone, too: from 2 on, the points lie near the octaves' upper ends, so that h and with it what rounding
    // takes shrink with the slope. Largest error 0.780 ulp, at 0x1.7d74dep+2.
    static constexpr bool every_value_in_lanes = true;
    SOFTFLOOR_INLINE static Floats value_in_lanes(Floats x) {
        using namespace coefficients;
        Floats size = at_most(absolute(x), tanh_end);
        Bits octave = Bits(at_least(size, tanh_octave_0)) >> 23;
        Floats h = size - looked_up(tanh_points, octave);
        Floats value = size < 2 * tanh_octave_0 ? size : looked_up(tanh_values, octave);
        value = fma(h, looked_up_polynomial(tanh_slopes, octave, h, h * h), value);
        return canonical(with_sign(value, x));
    }
    static constexpr float near = coefficients::tanh_slope.end;
    static constexpr float nearer = first_half_of(coefficients::tanh_slope);
    template <class Index = Bits> SOFTFLOOR_INLINE static auto in_lanes(Floats x) {
        return CompensatedJet{value_in_lanes(x), value_of<Index>(coefficients::tanh_slope, absolute(x))};
    }
    static constexpr float lanes_limit = far_limit, lanes_limit_of_products = far_cap / 2;
    SOFTFLOOR_INLINE static auto far_in_lanes(Floats x) {
        RaisedSum quarter = far_bell(2.0f * absolute(x));
        return CompensatedJet{value_in_lanes(x), RaisedSum{4.0f * quarter.high, 4.0f * quarter.low}};
    }
    template <class T> SOFTFLOOR_INLINE static auto plain(float x) {
        float size = absolute(x);
        auto e = plain_exponential(-2.0f * size);
        float n = -e.minus_one(), r = 1.0f / (2.0f - n), slope = 4.0f * e.times(r * r);
        return PlainJet{with_sign(n * r, x), nudged<T>(size == 0x1.cep-5f || size == 0x1.dc8p-2f, slope, -1)};
    }
};

// What x sigmoid(z) and its slope have in common, for |z| = t.
template <class N> struct Logistic {
    Exponential<N> e;
    N r;
};
template <class N> SOFTFLOOR_INLINE Logistic<N> logistic(N t) {
    auto e = exponential_of_minus(at_least_tiny(t));
    return {e, reciprocal(N(1.0) + e.value)};
}

// silu(x) = x sigmoid(z), z = beta x.
//   silu'(x) = sigmoid(z) (1 + z sigmoid(-z)) = e (1 + e - t) r^2 for z < 0, (1 + e + t e) r^2 otherwise,
//   which has one zero, where 1 + e^z + z = 0;   d silu/d beta = x^2 sigmoid(z) sigmoid(-z) = x^2 e r^2.
struct Silu {
    template <class N> SOFTFLOOR_INLINE static ParametricJet<N> at(N x, N beta) {
        // With both bounded, inf * 0 is 0: sigmoid(0 x) is 1/2 for every x, and 0 sigmoid(z) is 0 for every beta. Any
        // other product with an infinity goes where sigmoid has reached its limit.
        N bounded = finite(x), z = exact_product(finite(beta), bounded);
        double size_of_x = __builtin_fabs(head(x)), size_of_beta = __builtin_fabs(head(beta));
        double larger = size_of_x > size_of_beta ? size_of_x : size_of_beta;
        N unbounded = select(head(z) == 0, z, with_sign(N(2.0 * exponential_limit<N>), z));
        z = select(larger > largest<N>, unbounded, z);
        bool negative = head(z) < 0;
        N t = absolute(z);
        auto [e, r] = logistic(t);
        Power<N> one;
        // Where the exponential is capped the value is zero, also as a factor of a product: x must not bring it back.
        N factor = select(head(t) > exponential_limit<N>, with_sign(N(1.0), x), bounded);
        Scaled<N> value =
            select(negative, scaled_product(factor, e.mantissa * r, e.power), scaled_product(error_free(x), r, one));
        value.mantissa = with_sign(absolute(value.mantissa), x);
        value = select(negative, value, Scaled<N>{keep_infinity(value.mantissa, x), value.power});

        N limited = at_most(t, exponential_limit<N>), square_of_r = square(r), one_plus_e = N(1.0) + e.value;
        Scaled<N> slope = select(negative, Scaled<N>{e.mantissa * ((one_plus_e - limited) * square_of_r), e.power},
                                 Scaled<N>{(one_plus_e + limited * e.value) * square_of_r});
        return {
            value, around(coefficients::silu_zero, z, slope),
            square_times(bounded, select(head(t) > exponential_limit<N>, N(0.0), e.mantissa * square_of_r), e.power)};
    }

    // For beta = 1: x s, s = 1/(1 + e^-x), and s (1 + x u) with u = 1 - s = e^-x s.
    template <class Real> static constexpr Real compensated_limit = moderate_exponent<Real>;
    static constexpr double compensated_parameter = 1.0;
    static constexpr bool value_is_times_x = true;
    template <class Real> SOFTFLOOR_INLINE static auto compensated(Real x) {
        Sum<Real> d = one_plus_moderate(exponential(-x));
        auto s = divide(Real(1), d);
        auto slope = rising_slope(s, Sum<Real>{x, Real(0)});
        return CompensatedJet{TimesReciprocal<Real>{x, d}, around(coefficients::In<Real>::silu_zero, x, slope)};
    }
    // The slope of float32, a tail below zero and 1 less the same tail above.
    static constexpr float near = coefficients::silu_slope.end;
    SOFTFLOOR_INLINE static auto in_lanes(Floats x) {
        return SlopeInLanes{one_less_above_zero(x, value_of(coefficients::silu_slope, absolute(x)))};
    }
    static constexpr float lanes_limit = far_limit, lanes_limit_of_products = far_cap;
    SOFTFLOOR_INLINE static auto far_in_lanes(Floats x) {
        Floats t = at_most(absolute(x), far_cap), twice = t + t;
        auto e = far_exponential(t);
        auto below = times(e, 1.0f - t, (twice - 1.0f) * unraised(e));  // e (1 + e - t)/(1 + e)^2
        return SlopeInLanes{one_less_above_zero(x, {below.high, below.low})};
    }
    template <class T> SOFTFLOOR_INLINE static auto plain(float x) {
        auto e = plain_exponential(-x);
        float d = e.one_plus(), s = 1.0f / d;
        // silu'(-3/512) is as near to the middle of two bfloat16, and slopes next to 0 of two float16, as s is to 1/d.
        auto slope = fma_with_sign_of_rest(s, fma(x, 1.0f - s, e.rest_of_reciprocal(d, s)), s);
        slope.high = nudged<T>(x == -0x1.748p+0f, slope.high, 2);
        return PlainJet{x / d, plain_around(coefficients::In<float>::silu_zero, x, slope)};
    }
};

}  // namespace
}  // namespace softfloor
