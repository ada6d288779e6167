// What kernels compute from the operands at one index, and the loops around it.
#pragma once
#include "../math/single.hpp"
#include "gated.hpp"

namespace softfloor {
namespace {

// ---------------------------------------------- evaluate<Op>(x, parameters...) in the format that suits Op and T
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
SOFTFLOOR_INLINE Scaled<Pair> operator*(Scaled<Pair> a, Pair b) { return {product(a.mantissa, b), a.power}; }

// ---------------------------------------------- float32 arithmetic, where Op offers it (math/single.hpp)
template <class Op>
concept HasSingle = requires { Op::single_limit; };

template <class Op> SOFTFLOOR_INLINE bool single_covers(float x) { return __builtin_fabsf(x) <= Op::single_limit; }
// Both conditions as one comparison: the vectoriser does not take them apart.
template <class Op> SOFTFLOOR_INLINE bool single_covers(float x, float parameter) {
    return __builtin_fabsf(parameter == float(Op::single_parameter) ? x : 2 * Op::single_limit) <= Op::single_limit;
}

// The other factor of a product leaves room for the error terms; NaN and inf do not.
SOFTFLOOR_INLINE bool factor_is_moderate(float factor) { return __builtin_fabsf(factor) <= 0x1p100f; }

// Zero, or far enough from the smallest normal number for its error terms to be normal, too.
SOFTFLOOR_INLINE bool factor_is_not_tiny(float factor) {
    float size = __builtin_fabsf(factor);
    return (size == 0 ? 1.0f : size) >= 0x1p-90f;
}

// ---------------------------------------------- variants: what is computed from the operands at one index
template <class T> struct Outputs {
    T first, second;
};

template <class Op, int parameters> struct Value {
    static constexpr int inputs = 1 + parameters, outputs = 1;
    static constexpr bool has_single = HasSingle<Op>;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) {
        return {rounded<T>(evaluate<Op>(x, p...).value), {}};
    }
    SOFTFLOOR_INLINE static bool covers(float x, auto... p) { return single_covers<Op>(x, p...); }
    SOFTFLOOR_INLINE static Outputs<float> at_covered(float x, auto...) { return {rounded(Op::single(x).value), {}}; }
};
template <class Op, int parameters> struct Derivative {
    static constexpr int inputs = 1 + parameters, outputs = 1;
    static constexpr bool has_single = HasSingle<Op>;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) {
        return {rounded<T>(evaluate<Op>(x, p...).slope), {}};
    }
    SOFTFLOOR_INLINE static bool covers(float x, auto... p) { return single_covers<Op>(x, p...); }
    SOFTFLOOR_INLINE static Outputs<float> at_covered(float x, auto...) { return {rounded(Op::single(x).slope), {}}; }
};
template <class Op, int parameters> struct ValueAndDerivative {
    static constexpr int inputs = 1 + parameters, outputs = 2;
    static constexpr bool has_single = HasSingle<Op>;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, auto... p) {
        auto jet = evaluate<Op>(x, p...);
        return {rounded<T>(jet.value), rounded<T>(jet.slope)};
    }
    SOFTFLOOR_INLINE static bool covers(float x, auto... p) { return single_covers<Op>(x, p...); }
    SOFTFLOOR_INLINE static Outputs<float> at_covered(float x, auto...) {
        SingleJet jet = Op::single(x);
        return {rounded(jet.value), rounded(jet.slope)};
    }
};
template <class Op, int parameters> struct Vjp {
    static constexpr int inputs = 2 + parameters, outputs = 1;
    static constexpr bool has_single = HasSingle<Op>;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T x, T cotangent, auto... p) {
        return {rounded<T>(evaluate<Op>(x, p...).slope * factor<Op>(cotangent)), {}};
    }
    SOFTFLOOR_INLINE static bool covers(float x, float cotangent, auto... p) {
        return single_covers<Op>(factor_is_moderate(cotangent) ? x : 2 * Op::single_limit, p...);
    }
    SOFTFLOOR_INLINE static Outputs<float> at_covered(float x, float cotangent, auto...) {
        return {rounded_product(Op::single(x).slope, cotangent), {}};
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
    static constexpr bool has_single = HasSingle<Op>;
    SOFTFLOOR_INLINE static bool covers(float gate, float up, auto... p) {
        // The low part of a tiny value is lost, which an up beyond 1 would show.
        float largest_up = factor_is_not_tiny(gate) ? 0x1p100f : 1.0f;
        return single_covers<Op>(__builtin_fabsf(up) <= largest_up ? gate : 2 * Op::single_limit, p...);
    }
    SOFTFLOOR_INLINE static Outputs<float> at_covered(float gate, float up, auto...) {
        return {rounded_product(Op::single(gate).value, up), {}};
    }
};
template <class Op, int parameters> struct GatedVjp {
    static constexpr int inputs = 3 + parameters, outputs = 2;
    template <class T> SOFTFLOOR_INLINE static Outputs<T> at(T gate, T up, T cotangent, auto... p) {
        auto jet = evaluate<Op>(gate, p...);
        auto c = factor<Op>(cotangent);
        return {rounded<T>(jet.slope * (factor<Op>(up) * c)), rounded<T>(jet.value * c)};
    }
    static constexpr bool has_single = HasSingle<Op>;
    SOFTFLOOR_INLINE static bool covers(float gate, float up, float cotangent, auto... p) {
        float size = __builtin_fabsf(up), other_size = __builtin_fabsf(cotangent);
        float largest_factor = factor_is_not_tiny(gate) ? 0x1p60f : 1.0f;
        bool moderate = (size > other_size ? size : other_size) <= largest_factor;
        float unless_product_is_tiny = factor_is_not_tiny(up * cotangent) ? gate : 2 * Op::single_limit;
        return single_covers<Op>(moderate ? unless_product_is_tiny : 2 * Op::single_limit, p...);
    }
    SOFTFLOOR_INLINE static Outputs<float> at_covered(float gate, float up, float cotangent, auto...) {
        SingleJet jet = Op::single(gate);
        return {rounded_product(times(jet.slope, up), cotangent), rounded_product(jet.value, cotangent)};
    }
};

// ---------------------------------------------- the one loop
// body(i, a[i], b[i], ...) for the inputs a, b, ... of a variant. An output may be an input, element by element: each
// index is read before it is written.
template <class Variant, class T, class Body>
SOFTFLOOR_INLINE void each_input(const void* const* in, size_t begin, size_t end, Body body) {
    constexpr int inputs = Variant::inputs;
    const T* a = static_cast<const T*>(in[0]);
    const T* b = inputs > 1 ? static_cast<const T*>(in[1]) : nullptr;
    const T* c = inputs > 2 ? static_cast<const T*>(in[2]) : nullptr;
    const T* d = inputs > 3 ? static_cast<const T*>(in[3]) : nullptr;
#pragma GCC ivdep
    for (size_t i = begin; i < end; ++i) {
        if constexpr (inputs == 1) body(i, a[i]);
        else if constexpr (inputs == 2) body(i, a[i], b[i]);
        else if constexpr (inputs == 3) body(i, a[i], b[i], c[i]);
        else body(i, a[i], b[i], c[i], d[i]);
    }
}

template <class Variant, class T, class At>
SOFTFLOOR_INLINE void loop(const void* const* in, void* const* out, size_t begin, size_t end, At at) {
    T* first = static_cast<T*>(out[0]);
    T* second = Variant::outputs > 1 ? static_cast<T*>(out[1]) : nullptr;
    each_input<Variant, T>(in, begin, end, [=](size_t i, auto... v) __attribute__((always_inline)) {
        Outputs<T> result = at(v...);
        first[i] = result.first;
        if constexpr (Variant::outputs > 1) second[i] = result.second;
    });
}

// float32 arithmetic where it covers all of a block, which is the rule; elsewhere its results are taken one by one, so
// that the bits of a result depend on its own input alone.
template <class Variant> SOFTFLOOR_INLINE void run_single(const void* const* in, void* const* out, size_t n) {
    constexpr size_t block = 512;
    for (size_t begin = 0; begin < n; begin += block) {
        size_t end = n - begin < block ? n : begin + block;
        uint32_t covered = 0;
        each_input<Variant, float>(in, begin, end, [&](size_t, auto... v) __attribute__((always_inline)) {
            covered += Variant::covers(v...);
        });
        if (covered == end - begin)
            loop<Variant, float>(in, out, begin, end,
                                 [](auto... v) __attribute__((always_inline)) { return Variant::at_covered(v...); });
        else if (covered == 0)
            loop<Variant, float>(in, out, begin, end,
                                 [](auto... v) __attribute__((always_inline)) { return Variant::at(v...); });
        else
            loop<Variant, float>(in, out, begin, end, [](auto... v) __attribute__((always_inline)) {
                Outputs<float> anywhere = Variant::at(v...), inside = Variant::at_covered(v...);
                bool covers = Variant::covers(v...);
                return Outputs<float>{covers ? inside.first : anywhere.first, covers ? inside.second : anywhere.second};
            });
    }
}

template <class Variant, class T> void run(const void* const* in, void* const* out, size_t n) {
    if constexpr (__is_same(T, float) && requires { requires Variant::has_single; }) run_single<Variant>(in, out, n);
    else loop<Variant, T>(in, out, 0, n, [](auto... v) __attribute__((always_inline)) { return Variant::at(v...); });
}

// An operation with its parameter fixed, so that what depends on it alone is computed by the compiler.
template <class Op, double parameter> struct AtDefault {
    template <class N> SOFTFLOOR_INLINE static auto at(N x) { return Op::at(x, N(parameter)); }
};
template <class Op, double parameter>
    requires(Op::single_parameter == parameter)
struct AtDefault<Op, parameter> {
    template <class N> SOFTFLOOR_INLINE static auto at(N x) { return Op::at(x, N(parameter)); }
    static constexpr float single_limit = Op::single_limit;
    SOFTFLOOR_INLINE static auto single(float x) { return Op::single(x); }
};
// Bit by bit: comparing numbers would raise a floating-point flag for a signalling NaN.
template <class T, double... defaults> bool is_default(const void* value, int parameter) {
    constexpr double all[] = {defaults...};
    const T fixed = Format<T>::store(all[parameter]);
    return !__builtin_memcmp(value, &fixed, sizeof(T));
}

}  // namespace
}  // namespace softfloor
