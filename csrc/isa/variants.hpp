// What kernels compute from the operands at one index, and the loops around it.
#pragma once
#include "../math/plain.hpp"
#include "../math/spread.hpp"
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

constexpr size_t compensated_block = 512;
static_assert(compensated_block <= 0xffff);  // CountOf
constexpr int maximum_inputs = 4;
constexpr uint16_t smallest_covered_bfloat16 = 37 << 7;    // 2^-90
constexpr uint32_t smallest_covered_float16 = 105u << 23;  // 2^-22

template <class Variant, class T> SOFTFLOOR_INLINE bool is_covered(T x, auto... others) {
    if constexpr (__is_same(T, Bfloat16)) {
        // Half of a subnormal number lies in the middle between two results: what decides is lost in a float. Compared
        // as integers, which are as narrow as the elements; -1 makes zero the largest.
        uint16_t size = uint16_t(x) & 0x7fffu;
        return bool(uint16_t(size - 1u) >= smallest_covered_bfloat16 - 1) & Variant::covers(widen(x), widen(others)...);
    } else if constexpr (__is_same(T, SpreadFloat16)) {
        uint32_t size = uint32_t(x) & 0x7fffffffu;  // half of the smallest subnormal, too, is such a middle
        return bool(size - 1u >= smallest_covered_float16 - 1) & Variant::covers(widen(x), widen(others)...);
    } else return Variant::covers(widen(x), widen(others)...);
}

// Half as wide as what is computed, so that the vectoriser takes two vectors side by side: one waits less for its own
// results when the other's operations stand between them.
template <class T> struct CountOf {
    using Type = uint16_t;
};
template <> struct CountOf<double> {
    using Type = uint32_t;
};
template <class T> using Count = typename CountOf<T>::Type;

template <class Variant, class T>
[[gnu::noinline]] size_t count_covered(const void* const* in, size_t begin, size_t end) {
    Count<T> covered = 0;
    each_input<Variant, T>(in, begin, end, [&](size_t, auto... v) __attribute__((always_inline)) {
        covered += is_covered<Variant>(v...);
    });
    return covered;
}
template <class Variant, class T>
[[gnu::noinline]] size_t compute_covered(const void* const* in, void* const* out, size_t begin, size_t end) {
    Count<T> covered = 0;
    loop<Variant, T>(in, out, begin, end, [&](auto... v) __attribute__((always_inline)) {
        covered += is_covered<Variant>(v...);
        return Variant::template at_covered<T>(widen(v)...);
    });
    return covered;
}

// Elements that compensated arithmetic does not cover, which are rare: taken together, computed by the wider text, put
// back.
template <class Variant, class T> struct Uncovered {
    static constexpr size_t strip = 16;
    T in[Variant::inputs][compensated_block + strip], out[2][compensated_block + strip];
    uint16_t place[compensated_block];
    size_t count = 0;

    void compute(Kernel wide, const void* const* from, size_t begin, size_t end) {
        uint8_t covered[compensated_block];
        __builtin_memset(covered, 1, sizeof covered);
        each_input<Variant, T>(from, begin, end, [&](size_t i, auto... v) __attribute__((always_inline)) {
            covered[i - begin] = is_covered<Variant>(v...);
        });
        for (size_t first = 0; first < end - begin; first += 8) {  // little-endian, as all that softfloor is built for
            uint64_t eight;
            __builtin_memcpy(&eight, covered + first, 8);
            for (eight ^= 0x0101010101010101u; eight; eight &= eight - 1) {
                size_t i = first + size_t(__builtin_ctzll(eight)) / 8;
                for (int k = 0; k < Variant::inputs; ++k) in[k][count] = static_cast<const T*>(from[k])[begin + i];
                place[count++] = uint16_t(i);
            }
        }
        const void* inputs[maximum_inputs];
        for (int k = 0; k < Variant::inputs; ++k) {
            for (size_t i = 0; i < strip; ++i) in[k][count + i] = in[k][0];  // whole vectors, no remainder
            inputs[k] = in[k];
        }
        void* const outputs[] = {out[0], out[1]};
        wide(inputs, outputs, (count + strip - 1) / strip * strip);
    }
    void put_back(void* const* to, size_t begin) const {
        for (int k = 0; k < Variant::outputs; ++k)
            for (size_t i = 0; i < count; ++i) static_cast<T*>(to[k])[begin + place[i]] = out[k][i];
    }
};

template <class Variant> SOFTFLOOR_INLINE bool overwrites_inputs(const void* const* in, void* const* out) {
    bool overwrites = false;
    for (int k = 0; k < Variant::inputs; ++k)
        for (int j = 0; j < Variant::outputs; ++j) overwrites |= in[k] == out[j];
    return overwrites;
}

// Compensated arithmetic where it covers an element, the wider text elsewhere: what a result is depends on its own
// input alone. All of a block is computed, and counted on the way; where inputs are overwritten, or parameters decide
// for whole blocks, it is counted before.
template <class Variant, class T> void run_compensated(Kernel wide, const void* const* in, void* const* out, size_t n) {
    bool count_first = Variant::has_parameters || overwrites_inputs<Variant>(in, out);
    for (size_t begin = 0; begin < n; begin += compensated_block) {
        size_t end = n - begin < compensated_block ? n : begin + compensated_block;
        size_t covered =
            count_first ? count_covered<Variant, T>(in, begin, end) : compute_covered<Variant, T>(in, out, begin, end);
        if (covered == end - begin) {
            if (count_first) compute_covered<Variant, T>(in, out, begin, end);
        } else if (covered == 0) {
            const void* from[maximum_inputs];
            void* to[2];
            for (int k = 0; k < Variant::inputs; ++k) from[k] = static_cast<const T*>(in[k]) + begin;
            for (int k = 0; k < Variant::outputs; ++k) to[k] = static_cast<T*>(out[k]) + begin;
            wide(from, to, end - begin);
        } else {
            Uncovered<Variant, T> others;
            others.compute(wide, in, begin, end);
            if (count_first) compute_covered<Variant, T>(in, out, begin, end);
            others.put_back(out, begin);
        }
    }
}

template <class Variant, class T> void run_wide(const void* const* in, void* const* out, size_t n) {
    loop<Variant, T>(in, out, 0, n, [](auto... v) __attribute__((always_inline)) { return Variant::at(v...); });
}

// A vector of 512 bits. What remains beyond a multiple of it is computed with the elements before it, once more: one by
// one, eight elements may take as long as a hundred.
template <class T> constexpr size_t strip_of = sizeof(T) == 8 ? 8 : 16;

template <class Variant, class T> void run_in_strips(Kernel kernel, const void* const* in, void* const* out, size_t n) {
    constexpr size_t strip = strip_of<T>, few = 3;
    size_t rest = n % strip;
    if (n < strip || rest <= few || overwrites_inputs<Variant>(in, out)) return kernel(in, out, n);
    kernel(in, out, n - rest);
    const void* inputs[Variant::inputs];
    void* outputs[Variant::outputs];
    for (int k = 0; k < Variant::inputs; ++k) inputs[k] = static_cast<const T*>(in[k]) + (n - strip);
    for (int k = 0; k < Variant::outputs; ++k) outputs[k] = static_cast<T*>(out[k]) + (n - strip);
    kernel(inputs, outputs, strip);
}

template <class Variant, class T> void run_whole_strips(const void* const* in, void* const* out, size_t n) {
    if constexpr (requires { requires Variant::has_compensated; })
        run_compensated<Variant, T>(run_wide<Variant, T>, in, out, n);
    else run_wide<Variant, T>(in, out, n);
}

// Outputs may be inputs, element by element: a block is read before it is written.
template <class Variant> void run_spread(const void* const* in, void* const* out, size_t n) {
    constexpr size_t strip = strip_of<SpreadFloat16>;
    SpreadFloat16 from[Variant::inputs][compensated_block], to[Variant::outputs][compensated_block];
    const void* inputs[Variant::inputs];
    void* outputs[Variant::outputs];
    for (int k = 0; k < Variant::inputs; ++k) inputs[k] = from[k];
    for (int k = 0; k < Variant::outputs; ++k) outputs[k] = to[k];
    for (size_t begin = 0; begin < n; begin += compensated_block) {
        size_t count = n - begin < compensated_block ? n - begin : compensated_block;
        size_t filled = (count + strip - 1) / strip * strip;
        for (int k = 0; k < Variant::inputs; ++k) {
            spread(static_cast<const Float16*>(in[k]) + begin, from[k], count);
            for (size_t i = count; i < filled; ++i) from[k][i] = from[k][0];
        }
        run_whole_strips<Variant, SpreadFloat16>(inputs, outputs, filled);
        for (int k = 0; k < Variant::outputs; ++k) gather(to[k], static_cast<Float16*>(out[k]) + begin, count);
    }
}

template <class Variant, class T> void run(const void* const* in, void* const* out, size_t n) {
    if constexpr (requires { requires Variant::on_bits; }) run_wide<Variant, T>(in, out, n);
    else if constexpr (__is_same(T, Float16)) run_spread<Variant>(in, out, n);
    else run_in_strips<Variant, T>(run_whole_strips<Variant, T>, in, out, n);
}

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
