// Compiled once per instruction set (SOFTFLOOR_ISA names it): instantiates every operation and exports one table.
// Nothing here may leave the unit but that table; no STL, no libm.
#include "../kernels.hpp"
#include "../math/narrow.hpp"
// Generated from the catalogue by tools/operations.py: includes ops/*.hpp, lists ACTIVATION(...), GATE(...), ROWS(...).
#include "operations.hpp"

namespace softfloor {
namespace {

// ---------------------------------------------- evaluate<Op>(x, parameters...) in the format that suits Op and T
template <class Op> constexpr bool is_exact = requires { Op::exact; };

template <class Op, class T, class... Parameters> SOFTFLOOR_INLINE auto evaluate(T x, Parameters... parameters) {
    if constexpr (!is_exact<Op>) return Op::at(Format<T>::load(x), Format<T>::load(parameters)...);
    else if constexpr (sizeof(T) == 8) return Op::at(x);
    else return Op::at(widen(x));
}

SOFTFLOOR_INLINE double apply(float x) { return x; }
SOFTFLOOR_INLINE double apply(double x) { return x; }
template <class T, class Result> SOFTFLOOR_INLINE T rounded(Result result) { return Format<T>::store(apply(result)); }

// The other factor of a product that is rounded once, in the format that evaluate<Op> returned.
template <class Op, class T> SOFTFLOOR_INLINE auto factor(T x) {
    if constexpr (!is_exact<Op>) return Format<T>::load(x);
    else if constexpr (sizeof(T) == 8) return x;
    else return widen(x);
}
SOFTFLOOR_INLINE Scaled<double> operator*(Scaled<double> a, double b) { return {a.mantissa * b, a.power}; }
// The error terms of a product of infinities or zeros are NaN or lose the sign; the product itself is right.
SOFTFLOOR_INLINE Scaled<Pair> operator*(Scaled<Pair> a, Pair b) {
    double plain = a.mantissa.hi * b.hi, size = __builtin_fabs(plain);
    bool ordinary = (size > 0) & (size <= largest<Pair>);
    return {select(ordinary, a.mantissa * b, Pair(plain)), a.power};
}

// ---------------------------------------------- variants: what is computed from the operands at one index
template <class T> struct Outputs {
    T first, second;
};

template <class Op, int parameters> struct Value {
    static constexpr int inputs = 1 + parameters, outputs = 1;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) {
        return {rounded<T>(evaluate<Op>(x, p...).value), {}};
    }
};
template <class Op, int parameters> struct Derivative {
    static constexpr int inputs = 1 + parameters, outputs = 1;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) {
        return {rounded<T>(evaluate<Op>(x, p...).slope), {}};
    }
};
template <class Op, int parameters> struct ValueAndDerivative {
    static constexpr int inputs = 1 + parameters, outputs = 2;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) {
        auto jet = evaluate<Op>(x, p...);
        return {rounded<T>(jet.value), rounded<T>(jet.slope)};
    }
};
template <class Op, int parameters> struct Vjp {
    static constexpr int inputs = 2 + parameters, outputs = 1;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, T cotangent, auto... p) {
        return {rounded<T>(evaluate<Op>(x, p...).slope * factor<Op>(cotangent)), {}};
    }
};
template <class Op, int parameters> struct ParameterDerivative {
    static constexpr int inputs = 1 + parameters, outputs = 1;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) {
        return {rounded<T>(evaluate<Op>(x, p...).parameter_slope), {}};
    }
};
template <class Op, int parameters> struct Gated {
    static constexpr int inputs = 2 + parameters, outputs = 1;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T gate, T up, auto... p) {
        return {rounded<T>(evaluate<Op>(gate, p...).value * factor<Op>(up)), {}};
    }
};
template <class Op, int parameters> struct GatedVjp {
    static constexpr int inputs = 3 + parameters, outputs = 2;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T gate, T up, T cotangent, auto... p) {
        auto jet = evaluate<Op>(gate, p...);
        auto c = factor<Op>(cotangent);
        return {rounded<T>(jet.slope * (factor<Op>(up) * c)), rounded<T>(jet.value * c)};
    }
};

// ---------------------------------------------- the one loop
template <class Variant, class T> void run(const void* const* in, void* const* out, size_t n) {
    constexpr int inputs = Variant::inputs;
    const T* a = static_cast<const T*>(in[0]);
    const T* b = inputs > 1 ? static_cast<const T*>(in[1]) : nullptr;
    const T* c = inputs > 2 ? static_cast<const T*>(in[2]) : nullptr;
    const T* d = inputs > 3 ? static_cast<const T*>(in[3]) : nullptr;
    T* first = static_cast<T*>(out[0]);
    T* second = Variant::outputs > 1 ? static_cast<T*>(out[1]) : nullptr;
    // An output may be an input, element by element: each index is read before it is written.
#pragma GCC ivdep
    for (size_t i = 0; i < n; ++i) {
        Outputs<T> result;
        if constexpr (inputs == 1) result = Variant::at(a[i]);
        else if constexpr (inputs == 2) result = Variant::at(a[i], b[i]);
        else if constexpr (inputs == 3) result = Variant::at(a[i], b[i], c[i]);
        else result = Variant::at(a[i], b[i], c[i], d[i]);
        first[i] = result.first;
        if constexpr (Variant::outputs > 1) second[i] = result.second;
    }
}

// An operation with its parameter fixed, so that what depends on it alone is computed by the compiler.
template <class Op, double parameter> struct AtDefault {
    template <class N> SOFTFLOOR_INLINE static auto at(N x) { return Op::at(x, N(parameter)); }
};
// Bit by bit: comparing numbers would raise a floating-point flag for a signalling NaN.
template <class T, double parameter> bool is_default(const void* value) {
    const T fixed = Format<T>::store(parameter);
    return !__builtin_memcmp(value, &fixed, sizeof(T));
}

#define ALL_DTYPES(...) \
    {run<__VA_ARGS__, Float16>, run<__VA_ARGS__, Bfloat16>, run<__VA_ARGS__, float>, run<__VA_ARGS__, double>}
#define ELEMENTWISE(NAME, VARIANT, PARAMETERS, ...) \
    #NAME, VARIANT, __VA_ARGS__::inputs, __VA_ARGS__::outputs, PARAMETERS, ALL_DTYPES(__VA_ARGS__)
#define IS_DEFAULT(DEFAULT)                                                                   \
    {is_default<Float16, DEFAULT>, is_default<Bfloat16, DEFAULT>, is_default<float, DEFAULT>, \
     is_default<double, DEFAULT>}

#define FUNCTION(NAME, VARIANT, STRUCT, OP) {ELEMENTWISE(NAME, VARIANT, 0, STRUCT<OP, 0>), {}, {}},
#define FUNCTION_OF_PARAMETER(NAME, VARIANT, STRUCT, OP, DEFAULT) \
    {ELEMENTWISE(NAME, VARIANT, 1, STRUCT<OP, 1>), ALL_DTYPES(STRUCT<AtDefault<OP, DEFAULT>, 0>), IS_DEFAULT(DEFAULT)},

#define ACTIVATION(NAME, OP)                                       \
    FUNCTION(NAME, "value", Value, OP)                             \
    FUNCTION(NAME, "derivative", Derivative, OP)                   \
    FUNCTION(NAME, "value_and_derivative", ValueAndDerivative, OP) \
    FUNCTION(NAME, "vjp", Vjp, OP)
#define ACTIVATION_OF_PARAMETER(NAME, OP, DEFAULT)                                       \
    FUNCTION_OF_PARAMETER(NAME, "value", Value, OP, DEFAULT)                             \
    FUNCTION_OF_PARAMETER(NAME, "derivative", Derivative, OP, DEFAULT)                   \
    FUNCTION_OF_PARAMETER(NAME, "value_and_derivative", ValueAndDerivative, OP, DEFAULT) \
    FUNCTION_OF_PARAMETER(NAME, "vjp", Vjp, OP, DEFAULT)
#define PARAMETER_DERIVATIVE(NAME, OP, PARAMETER, DEFAULT) \
    FUNCTION_OF_PARAMETER(NAME, #PARAMETER "_derivative", ParameterDerivative, OP, DEFAULT)
#define GATE(NAME, OP) FUNCTION(NAME, "value", Gated, OP) FUNCTION(NAME, "vjp", GatedVjp, OP)
#define GATE_OF_PARAMETER(NAME, OP, DEFAULT)                 \
    FUNCTION_OF_PARAMETER(NAME, "value", Gated, OP, DEFAULT) \
    FUNCTION_OF_PARAMETER(NAME, "vjp", GatedVjp, OP, DEFAULT)
constexpr ElementwiseEntry elementwise[] = {SOFTFLOOR_ELEMENTWISE};

#define ROWS(NAME, VARIANT, OP, SIGNATURE, TYPES) \
    {#NAME, VARIANT, SIGNATURE, TYPES, {OP::run<Float16>, OP::run<Bfloat16>, OP::run<float>, OP::run<double>}},
constexpr RowEntry rows[] = {SOFTFLOOR_ROWS};

}  // namespace

#define PASTE(A, B) A##B
#define TABLE(ISA) PASTE(kernels_, ISA)
#define TEXT_OF(X) #X
#define TEXT(X) TEXT_OF(X)
extern const KernelTable TABLE(SOFTFLOOR_ISA);
const KernelTable TABLE(SOFTFLOOR_ISA) = {TEXT(SOFTFLOOR_ISA), elementwise,
                                          int(sizeof elementwise / sizeof *elementwise), rows,
                                          int(sizeof rows / sizeof *rows)};

}  // namespace softfloor
