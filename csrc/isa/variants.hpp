// What kernels compute from the operands at one index. The loops around it are in loops.hpp.
#pragma once
#include "../math/plain.hpp"
#include "../math/tails.hpp"
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
template <class T, class Result> SOFTFLOOR_INLINE T rounded(Result result) {
    if constexpr (__is_same(Result, Scaled<Pair>)) return stored<T>(result);
    else return Format<T>::store(apply(result));
}

// The other factor of a product that is rounded once, in the format that evaluate<Op> returned.
template <class Op, class T> SOFTFLOOR_INLINE auto factor(T x) {
    if constexpr (!is_exact<Op>) return moderate(Format<T>::load(x));
    else if constexpr (sizeof(T) == 8) return x;
    else return widen(x);
}

// ---------------------------------------------- arithmetic in the format itself, where Op offers it
// (math/compensated.hpp, math/tails.hpp). Real is a float, a double, or a vector of floats.
template <class Op>
concept HasCompensated = requires { Op::template compensated_limit<float>; };

// Whether a variant covers its operands: their measure, x or an infinity, has a size of at most a limit.
template <class Variant, class T>
concept HasLanes = __is_same(T, float) && requires { requires Variant::has_lanes; };
template <class Variant, class T, class Real> constexpr Real limit_of() {
    using Op = typename Variant::Operation;
    constexpr bool has_own = HasLanes<Variant, T> && requires { Op::lanes_limit; };
    if constexpr (has_own && requires { Variant::is_product; }) return Op::lanes_limit_of_products;
    else if constexpr (has_own) return Op::lanes_limit;
    else return Op::template compensated_limit<Real>;
}
template <class Variant, class T, class Real> SOFTFLOOR_INLINE bool covers(Real x, auto... others) {
    return absolute(Variant::measure(x, others...)) <= limit_of<Variant, T, Real>();
}
// Several conditions come to one comparison: the vectoriser does not take them apart.
template <class Real> SOFTFLOOR_INLINE Real only_if(auto condition, Real x) {
    return select(condition, x, number<Real>(Element<Real>(infinity)));
}
// Its own arithmetic is for one number of a parameter.
template <class Op, class Real> SOFTFLOOR_INLINE Real if_at_defaults(Real x) { return x; }
template <class Op, class Real> SOFTFLOOR_INLINE Real if_at_defaults(Real x, Real parameter) {
    return only_if(parameter == Element<Real>(Op::compensated_parameter), x);
}

// Between which the other factors of a product leave room for its error terms.
template <class Real> struct Room;
template <> struct Room<float> {
    static constexpr float smallest = 0x1p-90f, largest = 0x1p48f;
};
template <> struct Room<double> {
    static constexpr double smallest = 0x1p-900, largest_of_two = 0x1p480, largest = 0x1p960;
};
// x, or something beyond its limit if the factor is beyond its own; NaN and inf are. Sizes of floats are compared as
// integers, where subtracting takes the factor's limit to 16, about that of x: one maximum, and no comparison. So what
// the last argument says of that limit is the limit itself for double, and what is subtracted for float.
constexpr int32_t to_16_from(float limit) { return int32_t(float_to_bits(limit) - float_to_bits(16)); }
SOFTFLOOR_INLINE float with_bounded(float x, float factor, int32_t to_16 = to_16_from(Room<float>::largest)) {
    int32_t size = float_to_bits(absolute(x)), other = float_to_bits(absolute(factor)) - to_16;
    return bits_to_float(size > other ? size : other);
}
SOFTFLOOR_INLINE Floats with_bounded(Floats x, Floats factor, Bits to_16 = Bits{} + to_16_from(Room<float>::largest)) {
    return Floats(larger(Bits(absolute(x)), Bits(absolute(factor)) - to_16));
}
SOFTFLOOR_INLINE double with_bounded(double x, double factor, double limit = Room<double>::largest) {
    return only_if(absolute(factor) <= limit, x);
}

SOFTFLOOR_INLINE float larger_size(float a, float b) { return with_bounded(a, b, 0); }
SOFTFLOOR_INLINE Floats larger_size(Floats a, Floats b) { return with_bounded(a, b, Bits{}); }

// Zero, or far enough from the smallest normal number for its error terms to be normal, too.
SOFTFLOOR_INLINE bool is_not_tiny(double x) {
    double size = absolute(x);
    return (size == 0 ? 1 : size) >= Room<double>::smallest;
}
constexpr uint32_t beyond_tiny = float_to_bits(Room<float>::smallest) - 1u;  // -1 makes zero the largest
// The low part of a tiny value is lost, which a factor beyond 1 would show: the limit of a factor of the value at x.
SOFTFLOOR_INLINE int32_t room_beside(float x) {
    return to_16_from(float_to_bits(absolute(x)) - 1u >= beyond_tiny ? Room<float>::largest : 1.0f);
}
SOFTFLOOR_INLINE double room_beside(double x) { return is_not_tiny(x) ? Room<double>::largest_of_two : 1; }

// x, or something beyond its limit if the value at the gate x may not be multiplied by the factor.
template <class Op, class Real> SOFTFLOOR_INLINE Real with_room(Real x, Real factor) {
    constexpr bool is_raised =
        sizeof(Element<Real>) == 4 && requires(Floats gate) { as_pair(Op::in_lanes(gate).value); };
    if constexpr (requires { requires Op::value_is_times_x; }) return with_bounded(x, x * factor);
    else if constexpr (is_raised || requires { requires Op::value_is_never_tiny; }) return with_bounded(x, factor);
    else return with_bounded(x, factor, room_beside(x));
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
template <class Op, class T, class Real> SOFTFLOOR_INLINE auto covered_jet(Real x) {
    if constexpr (__is_same(Real, Floats)) return Op::in_lanes(x);
    else if constexpr (IsPlain<Op, T>) return Op::template plain<T>(x);
    else return Op::compensated(x);
}
template <class Op, class T> SOFTFLOOR_INLINE auto rounded_covered(auto x) {
    if constexpr (IsPlain<Op, T>) return narrow_plain<T>(x);
    else return rounded<T>(x);
}
template <class Op> constexpr uint32_t plain_error = 3;
template <class Op>
    requires(Op::plain_error > 0)
constexpr uint32_t plain_error<Op> = Op::plain_error;
// A result times the other factors of a product.
template <class Op, class T> SOFTFLOOR_INLINE auto covered_product(auto x, auto factor) {
    if constexpr (IsPlain<Op, T>) return narrow_plain<T>(scaled(x, factor));
    else return rounded_product<T>(x, factor);
}
template <class Result> SOFTFLOOR_INLINE Outputs<Result> single(Result first) { return {first, Result{}}; }

template <class Op, int parameters> struct Value {
    using Operation = Op;
    static constexpr bool has_lanes = requires(Floats x) { Op::in_lanes(x).value; };
    static constexpr bool covers_all_in_lanes = requires { requires Op::every_value_in_lanes; };
    static constexpr bool has_long_waits = requires { requires Op::has_long_waits; };
    static constexpr int inputs = 1 + parameters, outputs = 1;
    static constexpr bool has_parameters = parameters > 0;
    static constexpr bool on_bits = is_exact<Op>;
    static constexpr bool has_compensated = HasCompensated<Op>;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) {
        return {results<Op>(x, p...).first, {}};
    }
    template <class Real> SOFTFLOOR_INLINE static Real measure(Real x, auto... p) {
        return if_at_defaults<Op>(x, p...);
    }
    template <class T, class Real> SOFTFLOOR_INLINE static auto at_covered(Real x, auto...) {
        return single(rounded_covered<Op, T>(covered_jet<Op, T>(x).value));
    }
};
template <class Op, int parameters> struct Derivative {
    using Operation = Op;
    static constexpr bool has_slope = true;
    static constexpr bool has_lanes = requires(Floats x) { Op::in_lanes(x).slope; };
    static constexpr bool has_long_waits = requires { requires Op::has_long_waits; };
    static constexpr int inputs = 1 + parameters, outputs = 1;
    static constexpr bool has_parameters = parameters > 0;
    static constexpr bool on_bits = is_exact<Op>;
    static constexpr bool has_compensated = HasCompensated<Op>;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) {
        return {results<Op>(x, p...).second, {}};
    }
    template <class Real> SOFTFLOOR_INLINE static Real measure(Real x, auto... p) {
        return if_at_defaults<Op>(x, p...);
    }
    template <class T, class Real> SOFTFLOOR_INLINE static auto at_covered(Real x, auto...) {
        return single(rounded_covered<Op, T>(covered_jet<Op, T>(x).slope));
    }
};
template <class Op, int parameters> struct ValueAndDerivative {
    using Operation = Op;
    static constexpr bool has_slope = true;
    using First = Value<Op, parameters>;
    using Second = Derivative<Op, parameters>;
    static constexpr bool has_lanes = First::has_lanes && Second::has_lanes;
    static constexpr int inputs = 1 + parameters, outputs = 2;
    static constexpr bool has_parameters = parameters > 0;
    static constexpr bool on_bits = is_exact<Op>;
    static constexpr bool has_compensated = HasCompensated<Op>;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) { return results<Op>(x, p...); }
    template <class Real> SOFTFLOOR_INLINE static Real measure(Real x, auto... p) {
        return if_at_defaults<Op>(x, p...);
    }
    template <class T, class Real> SOFTFLOOR_INLINE static auto at_covered(Real x, auto...) {
        auto jet = covered_jet<Op, T>(x);
        return Outputs{rounded_covered<Op, T>(jet.value), rounded_covered<Op, T>(jet.slope)};
    }
};
template <class Op, int parameters> struct Vjp {
    using Operation = Op;
    static constexpr bool has_slope = true;
    static constexpr bool is_product = true;
    static constexpr bool has_lanes = requires(Floats x) { Op::in_lanes(x).slope; };
    static constexpr int inputs = 2 + parameters, outputs = 1;
    static constexpr bool has_parameters = parameters > 0;
    static constexpr bool on_bits = is_exact<Op>;
    static constexpr bool has_compensated = HasCompensated<Op>;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, T cotangent, auto... p) {
        if constexpr (is_exact<Op>) return {Op::vjp(x, cotangent), {}};
        else return {rounded<T>(evaluate<Op>(x, p...).slope * factor<Op>(cotangent)), {}};
    }
    template <class Real> SOFTFLOOR_INLINE static Real measure(Real x, Real cotangent, auto... p) {
        return if_at_defaults<Op>(with_bounded(x, cotangent), p...);
    }
    template <class T, class Real> SOFTFLOOR_INLINE static auto at_covered(Real x, Real cotangent, auto...) {
        return single(covered_product<Op, T>(covered_jet<Op, T>(x).slope, cotangent));
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
    using Operation = Op;
    static constexpr bool is_product = true;
    static constexpr bool has_lanes = requires(Floats x) { as_pair(Op::in_lanes(x).value); };
    static constexpr int inputs = 2 + parameters, outputs = 1;
    static constexpr bool has_parameters = parameters > 0;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T gate, T up, auto... p) {
        return {rounded<T>(evaluate<Op>(gate, p...).value * factor<Op>(up)), {}};
    }
    static constexpr bool has_compensated = HasCompensated<Op>;
    template <class Real> SOFTFLOOR_INLINE static Real measure(Real gate, Real up, auto... p) {
        return if_at_defaults<Op>(with_room<Op>(gate, up), p...);
    }
    template <class T, class Real> SOFTFLOOR_INLINE static auto at_covered(Real gate, Real up, auto...) {
        return single(covered_product<Op, T>(covered_jet<Op, T>(gate).value, up));
    }
    // Whether that is the product rounded once. Next to the middle of two results the wider text decides.
    template <class T>
        requires IsPlain<Op, T>
    SOFTFLOOR_INLINE static bool is_sure(float gate, float up) {
        // An error of the value counts twice where the product's last place is half as large beside it.
        return rounds_surely<T, 2 * plain_error<Op> + 1>(leading(Op::template plain<T>(gate).value) * up);
    }
};
// What of the vjp of a gated unit belongs to the gate, and what to up.
template <class Op, int parameters> struct GateOfVjp {
    using Operation = Op;
    static constexpr bool has_slope = true;
    static constexpr bool is_product = true;
    static constexpr bool has_lanes = Derivative<Op, 0>::has_lanes;
    static constexpr int inputs = 3 + parameters, outputs = 1;
    template <class Real> SOFTFLOOR_INLINE static Real measure(Real gate, Real up, Real cotangent, auto... p) {
        Real factor = up * cotangent, size = with_bounded(with_room<Op>(gate, cotangent), factor);
        if constexpr (sizeof(Element<Real>) == 8) size = only_if(is_not_tiny(factor), size);  // slopes are not raised
        return if_at_defaults<Op>(size, p...);
    }
    template <class T, class Real>
    SOFTFLOOR_INLINE static auto at_covered(Real gate, Real up, Real cotangent, auto...) {
        Real factor = up * cotangent;  // of half precisions exact
        auto slope = covered_jet<Op, T>(gate).slope;
        if constexpr (IsPlain<Op, T>) return single(covered_product<Op, T>(slope, factor));
        else {
            Sum<Real> factors = {factor, fma(up, cotangent, -factor)};  // the slope may be too small for either alone
            return single(covered_product<Op, T>(slope, factors));
        }
    }
};
template <class Op, int parameters> struct UpOfVjp {
    using Operation = Op;
    static constexpr bool is_product = true;
    static constexpr bool has_lanes = Gated<Op, 0>::has_lanes;
    static constexpr int inputs = 3 + parameters, outputs = 1;
    template <class Real> SOFTFLOOR_INLINE static Real measure(Real gate, auto... others) {
        return GateOfVjp<Op, parameters>::measure(gate, others...);
    }
    template <class T, class Real> SOFTFLOOR_INLINE static auto at_covered(Real gate, Real, Real cotangent, auto...) {
        return single(covered_product<Op, T>(covered_jet<Op, T>(gate).value, cotangent));
    }
};
// The value, and what of the vjp belongs to up, which is the value times another factor. Where it covers its operands,
// so do the value and the whole vjp.
template <class Op, int parameters> struct ValueAndUpOfVjp {
    using Operation = Op;
    static constexpr bool is_product = true;
    static constexpr bool has_lanes = Gated<Op, 0>::has_lanes;
    static constexpr int inputs = 3 + parameters, outputs = 2;
    template <class Real> SOFTFLOOR_INLINE static Real measure(Real gate, Real up, Real cotangent) {
        // At most 2^20 each: what bounds a factor, 2^48, bounds their products with each other and with the gate, too.
        Real factor = 0x1p28f * larger_size(up, cotangent);
        if constexpr (requires { requires Op::value_is_times_x; }) return with_bounded(gate, factor);
        else return with_room<Op>(gate, factor);
    }
    template <class T, class Real>
    SOFTFLOOR_INLINE static auto at_covered(Real gate, Real up, Real cotangent, auto...) {
        auto value = covered_jet<Op, T>(gate).value;
        return Outputs{rounded_product<T>(value, up), rounded_product<T>(value, cotangent)};
    }
};
template <class Op, int parameters> struct GatedVjp {
    using Operation = Op;
    static constexpr bool has_slope = true;
    static constexpr bool is_product = true;
    using First = GateOfVjp<Op, parameters>;
    using Second = UpOfVjp<Op, parameters>;
    static constexpr bool has_lanes = First::has_lanes && Second::has_lanes;
    static constexpr int inputs = 3 + parameters, outputs = 2;
    static constexpr bool has_parameters = parameters > 0;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T gate, T up, T cotangent, auto... p) {
        auto jet = evaluate<Op>(gate, p...);
        auto c = factor<Op>(cotangent), other = factor<Op>(up);
        // A slope of 0 comes first: beside it the product of the others may overflow.
        if constexpr (is_exact<Op>) return {rounded<T>((jet.slope * other) * c), rounded<T>(jet.value * c)};
        else return {rounded<T>(jet.slope * (other * c)), rounded<T>(jet.value * c)};
    }
    static constexpr bool has_compensated = HasCompensated<Op>;
    template <class Real> SOFTFLOOR_INLINE static Real measure(Real gate, auto... others) {
        return First::measure(gate, others...);
    }
    template <class T> SOFTFLOOR_INLINE static auto at_covered(auto... v) {
        return Outputs{First::template at_covered<T>(v...).first, Second::template at_covered<T>(v...).first};
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
