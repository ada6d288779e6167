// What kernels compute from the operands at one index. The loops around it are in loops.hpp.
#pragma once
#include "../math/plain.hpp"
#include "gated.hpp"

namespace softfloor {
namespace {

// ---------------------------------------------- evaluate<Op>(x, parameters...) in the format that suits Op and T
template <class Op, class T, class... Parameters> SOFTFLOOR_INLINE auto evaluate(T x, Parameters... parameters) {
    if constexpr (!is_exact<Op>) return Op::at(Format<T>::load(x), Format<T>::load(parameters)...);
    else if constexpr (sizeof(T) == 8) return Op::at(x);
    else return Op::at(widen(x));
}

SOFTFLOOR_INLINE float apply(float x) { return x; }
SOFTFLOOR_INLINE double apply(double x) { return x; }
template <class T, class Result> SOFTFLOOR_INLINE T rounded(Result result) { return Format<T>::store(apply(result)); }

// The other factor of a product that is rounded once, in the format that evaluate<Op> returned.
template <class Op, class T> SOFTFLOOR_INLINE auto factor(T x) {
    if constexpr (!is_exact<Op>) return Format<T>::load(x);
    else if constexpr (sizeof(T) == 8) return x;
    else return widen(x);
}
SOFTFLOOR_INLINE Scaled<double> operator*(Scaled<double> a, double b) { return {a.mantissa * b, a.power}; }
SOFTFLOOR_INLINE Scaled<Pair> operator*(Scaled<Pair> a, Pair b) { return {product(a.mantissa, b), a.power}; }

// ---------------------------------------------- arithmetic in the format itself, where Op offers it
// (math/compensated.hpp)
template <class Op>
concept HasCompensated = requires { Op::template compensated_limit<float>; };

template <class Op, class Real> SOFTFLOOR_INLINE bool limit_covers(Real x) {
    return absolute(x) <= Op::template compensated_limit<Real>;
}
// Both conditions as one comparison: the vectoriser does not take them apart.
template <class Op, class Real> SOFTFLOOR_INLINE bool limit_covers(Real x, Real parameter) {
    return limit_covers<Op>(parameter == Real(Op::compensated_parameter) ? x : Real(infinity));
}

// Powers of two between which the other factors of a product leave room for its error terms.
template <class Real> struct Room;
template <> struct Room<float> {
    static constexpr float smallest = 0x1p-90f, largest_of_two = 0x1p60f, largest = 0x1p100f;
};
template <> struct Room<double> {
    static constexpr double smallest = 0x1p-900, largest_of_two = 0x1p480, largest = 0x1p960;
};
template <class Real> SOFTFLOOR_INLINE bool factor_is_moderate(Real factor) {
    return absolute(factor) <= Room<Real>::largest;  // NaN and inf are not
}
// Zero, or far enough from the smallest normal number for its error terms to be normal, too.
template <class Real> SOFTFLOOR_INLINE bool factor_is_not_tiny(Real factor) {
    Real size = absolute(factor);
    return (size == 0 ? Real(1) : size) >= Room<Real>::smallest;
}

// ---------------------------------------------- variants: what is computed from the operands at one index
template <class T> struct Outputs {
    T first, second;
};
// Value and slope; a variant that needs one of them leaves the other to the compiler.
template <class Op, class T> SOFTFLOOR_INLINE Outputs<T> results(T x, auto... p) {
    if constexpr (is_exact<Op>) {
        auto result = Op::result(x);
        return {result.value, result.slope};
    } else {
        auto jet = evaluate<Op>(x, p...);
        return {rounded<T>(jet.value), rounded<T>(jet.slope)};
    }
}
// The same in the format itself, where Op's compensated arithmetic covers x.
template <class Op, class T>
concept IsPlain =
    (__is_same(T, Bfloat16) || __is_same(T, SpreadFloat16)) && requires(float x) { Op::template plain<T>(x); };
template <class Op, class T, class Real> SOFTFLOOR_INLINE Outputs<T> covered_results(Real x) {
    if constexpr (IsPlain<Op, T>) {
        auto jet = Op::template plain<T>(x);
        return {narrow_plain<T>(jet.value), narrow_plain<T>(jet.slope)};
    } else {
        auto jet = Op::compensated(x);
        return {rounded<T>(jet.value), rounded<T>(jet.slope)};
    }
}

template <class Op, int parameters> struct Value {
    static constexpr int inputs = 1 + parameters, outputs = 1;
    static constexpr bool has_parameters = parameters > 0;
    static constexpr bool on_bits = is_exact<Op>;
    static constexpr bool has_compensated = HasCompensated<Op>;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) {
        return {results<Op>(x, p...).first, {}};
    }
    template <class Real> SOFTFLOOR_INLINE static bool covers(Real x, auto... p) { return limit_covers<Op>(x, p...); }
    template <class T, class Real> SOFTFLOOR_INLINE static Outputs<T> at_covered(Real x, auto...) {
        return {covered_results<Op, T>(x).first, {}};
    }
};
template <class Op, int parameters> struct Derivative {
    static constexpr int inputs = 1 + parameters, outputs = 1;
    static constexpr bool has_parameters = parameters > 0;
    static constexpr bool on_bits = is_exact<Op>;
    static constexpr bool has_compensated = HasCompensated<Op>;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) {
        return {results<Op>(x, p...).second, {}};
    }
    template <class Real> SOFTFLOOR_INLINE static bool covers(Real x, auto... p) { return limit_covers<Op>(x, p...); }
    template <class T, class Real> SOFTFLOOR_INLINE static Outputs<T> at_covered(Real x, auto...) {
        return {covered_results<Op, T>(x).second, {}};
    }
};
template <class Op, int parameters> struct ValueAndDerivative {
    static constexpr int inputs = 1 + parameters, outputs = 2;
    static constexpr bool has_parameters = parameters > 0;
    static constexpr bool on_bits = is_exact<Op>;
    static constexpr bool has_compensated = HasCompensated<Op>;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) { return results<Op>(x, p...); }
    template <class Real> SOFTFLOOR_INLINE static bool covers(Real x, auto... p) { return limit_covers<Op>(x, p...); }
    template <class T, class Real> SOFTFLOOR_INLINE static Outputs<T> at_covered(Real x, auto...) {
        return covered_results<Op, T>(x);
    }
};
template <class Op, int parameters> struct Vjp {
    static constexpr int inputs = 2 + parameters, outputs = 1;
    static constexpr bool has_parameters = parameters > 0;
    static constexpr bool on_bits = is_exact<Op>;
    static constexpr bool has_compensated = HasCompensated<Op>;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, T cotangent, auto... p) {
        if constexpr (is_exact<Op>) return {Op::vjp(x, cotangent), {}};
        else return {rounded<T>(evaluate<Op>(x, p...).slope * factor<Op>(cotangent)), {}};
    }
    template <class Real> SOFTFLOOR_INLINE static bool covers(Real x, Real cotangent, auto... p) {
        return limit_covers<Op>(factor_is_moderate(cotangent) ? x : Real(infinity), p...);
    }
    template <class T, class Real> SOFTFLOOR_INLINE static Outputs<T> at_covered(Real x, Real cotangent, auto...) {
        if constexpr (IsPlain<Op, T>) return {narrow_plain<T>(scaled(Op::template plain<T>(x).slope, cotangent)), {}};
        else return {rounded_product<T>(Op::compensated(x).slope, cotangent), {}};
    }
};
template <class Op, int parameters> struct ParameterDerivative {
    static constexpr int inputs = 1 + parameters, outputs = 1;
    static constexpr bool has_parameters = parameters > 0;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) {
        return {rounded<T>(evaluate<Op>(x, p...).parameter_slope), {}};
    }
};
template <class Op, int parameters> struct Gated {
    static constexpr int inputs = 2 + parameters, outputs = 1;
    static constexpr bool has_parameters = parameters > 0;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T gate, T up, auto... p) {
        return {rounded<T>(evaluate<Op>(gate, p...).value * factor<Op>(up)), {}};
    }
    static constexpr bool has_compensated = HasCompensated<Op>;
    template <class Real> SOFTFLOOR_INLINE static bool covers(Real gate, Real up, auto... p) {
        // The low part of a tiny value is lost, which an up beyond 1 would show.
        Real largest_up = factor_is_not_tiny(gate) ? Room<Real>::largest : Real(1);
        return limit_covers<Op>(absolute(up) <= largest_up ? gate : Real(infinity), p...);
    }
    template <class T, class Real> SOFTFLOOR_INLINE static Outputs<T> at_covered(Real gate, Real up, auto...) {
        return {rounded_product<T>(as_pair(Op::compensated(gate).value), up), {}};
    }
};
template <class Op, int parameters> struct GatedVjp {
    static constexpr int inputs = 3 + parameters, outputs = 2;
    static constexpr bool has_parameters = parameters > 0;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T gate, T up, T cotangent, auto... p) {
        auto jet = evaluate<Op>(gate, p...);
        auto c = factor<Op>(cotangent);
        return {rounded<T>(jet.slope * (factor<Op>(up) * c)), rounded<T>(jet.value * c)};
    }
    static constexpr bool has_compensated = HasCompensated<Op>;
    template <class Real> SOFTFLOOR_INLINE static bool covers(Real gate, Real up, Real cotangent, auto... p) {
        Real size = absolute(up), other_size = absolute(cotangent);
        Real largest_factor = factor_is_not_tiny(gate) ? Room<Real>::largest_of_two : Real(1);
        bool moderate = (size > other_size ? size : other_size) <= largest_factor;
        Real unless_product_is_tiny = factor_is_not_tiny(up * cotangent) ? gate : Real(infinity);
        return limit_covers<Op>(moderate ? unless_product_is_tiny : Real(infinity), p...);
    }
    template <class T, class Real>
    SOFTFLOOR_INLINE static Outputs<T> at_covered(Real gate, Real up, Real cotangent, auto...) {
        auto jet = Op::compensated(gate);
        return {rounded_product<T>(times(jet.slope, up), cotangent), rounded_product<T>(as_pair(jet.value), cotangent)};
    }
};

// An operation with its parameter fixed, so that what depends on it alone is computed by the compiler.
template <class Op, double parameter> struct AtDefault {
    template <class N> SOFTFLOOR_INLINE static auto at(N x) { return Op::at(x, N(parameter)); }
};
template <class Op, double parameter>
    requires(Op::compensated_parameter == parameter)
struct AtDefault<Op, parameter> : Op {  // with its compensated arithmetic, which is for that parameter
    template <class N> SOFTFLOOR_INLINE static auto at(N x) { return Op::at(x, N(parameter)); }
};
// Bit by bit: comparing numbers would raise a floating-point flag for a signalling NaN.
template <class T, double... defaults> bool is_default(const void* value, int parameter) {
    constexpr double all[] = {defaults...};
    const T fixed = Format<T>::store(all[parameter]);
    return !__builtin_memcmp(value, &fixed, sizeof(T));
}

}  // namespace
}  // namespace softfloor
