// Gated units of any activation, in one pass and rounded once: blocks go through three steps in the wide format, of
// which only the second belongs to an activation. So an activation costs one small kernel per format, and every unit
// has every activation.
//
//   1. the gate is widened and clamped        2. value and slope of the activation        3. the products, rounded
//
// Parameters (those of the activation, limits, offsets) come as float32 beside results of up to 32 bits, as float64
// beside float64. A null pointer stands for parameters that all have their defaults.
#pragma once
#include "../math/exp.hpp"
#include "../math/narrow.hpp"

namespace softfloor {
namespace {

constexpr size_t wide_block = 128;  // its intermediate results stay in the first-level cache

template <class T> struct ParameterOf {
    using Type = float;
};
template <> struct ParameterOf<double> {
    using Type = double;
};
template <class T> using NumberOf = typename Format<T>::Number;
template <class T> SOFTFLOOR_INLINE double loaded(T x) { return head(Format<T>::load(x)); }

// ---------------------------------------------- numbers between the steps
template <class N> struct WideBlock;
template <> struct WideBlock<double> {
    alignas(64) double numbers[wide_block];
    SOFTFLOOR_INLINE Scaled<double> get(size_t i) const { return {numbers[i]}; }
    SOFTFLOOR_INLINE void set(size_t i, Scaled<double> x) { numbers[i] = x.mantissa; }
};
template <> struct WideBlock<Pair> {
    alignas(64) double high[wide_block], low[wide_block], exponent[wide_block];
    SOFTFLOOR_INLINE Scaled<Pair> get(size_t i) const { return {{high[i], low[i]}, {exponent[i]}}; }
    SOFTFLOOR_INLINE void set(size_t i, Scaled<Pair> x) {
        high[i] = x.mantissa.hi;
        low[i] = x.mantissa.lo;
        exponent[i] = x.power.exponent;
    }
};
template <class N> struct JetBlock {
    WideBlock<N> value, slope;
};

// Numbers of a parameter: read for each block, or its default.
template <class T> class ParameterBlock {
    const typename ParameterOf<T>::Type* memory;

  public:
    alignas(64) double numbers[wide_block];
    SOFTFLOOR_INLINE ParameterBlock(const void* from, double otherwise)
        : memory(static_cast<const typename ParameterOf<T>::Type*>(from)) {
        for (size_t i = 0; i < wide_block; ++i) numbers[i] = otherwise;
    }
    SOFTFLOOR_INLINE void read(size_t begin, size_t n) {
        if (memory)
            for (size_t i = 0; i < n; ++i) numbers[i] = double(memory[begin + i]);
    }
};

// ---------------------------------------------- products that are rounded once
// The error terms of a product of infinities or zeros are NaN or lose the sign; the product itself is right.
SOFTFLOOR_INLINE double product(double a, double b) { return a * b; }
SOFTFLOOR_INLINE Pair product(Pair a, Pair b) {
    double plain = a.hi * b.hi, size = __builtin_fabs(plain);
    bool ordinary = (size > 0) & (size <= largest<Pair>);
    return select(ordinary, a * b, Pair(plain));
}
SOFTFLOOR_INLINE Scaled<double> operator*(Scaled<double> a, Scaled<double> b) { return {a.mantissa * b.mantissa}; }
SOFTFLOOR_INLINE Scaled<Pair> operator*(Scaled<Pair> a, Scaled<Pair> b) {
    double exponent = a.power.exponent + b.power.exponent;
    return {product(a.mantissa, b.mantissa), {exponent < -3000 ? -3000 : exponent}};  // zero from there on
}

// A factor whose products with another such factor and with a mantissa neither overflow nor lose digits.
SOFTFLOOR_INLINE Scaled<double> moderate(double x) { return {x}; }
SOFTFLOOR_INLINE Scaled<Pair> moderate(Pair x) {
    double size = __builtin_fabs(x.hi);
    bool large = size > 0x1p340, small = size < 0x1p-340;
    return {times_power_of_two(x, large ? 0x1p-680 : small ? 0x1p680 : 1.0), {large ? 680.0 : small ? -680.0 : 0.0}};
}
SOFTFLOOR_INLINE Scaled<double> moderate(Scaled<double> x) { return x; }
SOFTFLOOR_INLINE Scaled<Pair> moderate(Scaled<Pair> x) {
    Scaled<Pair> mantissa = moderate(x.mantissa);
    return {mantissa.mantissa, {mantissa.power.exponent + x.power.exponent}};
}

SOFTFLOOR_INLINE Scaled<double> operator+(Scaled<double> a, Scaled<double> b) { return {a.mantissa + b.mantissa}; }
SOFTFLOOR_INLINE Scaled<Pair> operator+(Scaled<Pair> a, Scaled<Pair> b) {
    double ea = a.power.exponent, eb = b.power.exponent, common = ea > eb ? ea : eb;
    double low_a = ea - common, low_b = eb - common;
    return {times_power_of_two(a.mantissa, power_of_two(low_a < -1000 ? -1000 : low_a)) +
                times_power_of_two(b.mantissa, power_of_two(low_b < -1000 ? -1000 : low_b)),
            {common}};
}

template <class T> SOFTFLOOR_INLINE T stored(Scaled<double> x) { return Format<T>::store(x.mantissa); }
template <class T> SOFTFLOOR_INLINE T stored(Scaled<Pair> x) {
    Pair applied = apply(x);
    applied.lo = __builtin_fabs(applied.hi) > largest<Pair> ? 0.0 : applied.lo;  // which may be infinite, too
    if constexpr (sizeof(T) == 8) return Format<T>::store(applied);
    else return Format<T>::store(collapse(applied));
}

// ---------------------------------------------- step 2: an activation
template <class Op> constexpr bool is_exact = requires { Op::exact; };

template <class N>
using JetStep = void (*)(const WideBlock<N>& x, const double* parameter, JetBlock<N>& jets, size_t n);

// Below 2^-500 an activation is its tangent. A Pair is moved to where it has all its digits, and back.
template <class Op> SOFTFLOOR_INLINE auto jet_near_zero(double x) { return Op::at(x); }
template <class Op> SOFTFLOOR_INLINE auto jet_near_zero(Pair x) {
    bool tiny = __builtin_fabs(x.hi) < 0x1p-500;
    auto jet = Op::at(select(tiny, times_power_of_two(x, 0x1p300), x));
    bool through_zero = head(Op::at(Pair(0.0)).value.mantissa) == 0;
    jet.value.power.exponent -= tiny && through_zero ? 300.0 : 0.0;
    return jet;
}

// Without slopes only the values are computed.
template <class Op, class N, int parameters, bool slopes>
void jets_of(const WideBlock<N>& x, const double* parameter, JetBlock<N>& jets, size_t n) {
#pragma GCC ivdep
    for (size_t i = 0; i < n; ++i) {
        N number = x.get(i).mantissa;
        if constexpr (is_exact<Op>) {
            auto jet = Op::at(head(number));
            jets.value.set(i, {N(jet.value)});
            if constexpr (slopes) jets.slope.set(i, {N(jet.slope)});
        } else if constexpr (parameters == 1) {
            auto jet = Op::at(number, N(parameter[i]));
            jets.value.set(i, jet.value);
            if constexpr (slopes) jets.slope.set(i, jet.slope);
        } else {
            auto jet = jet_near_zero<Op>(number);
            jets.value.set(i, jet.value);
            if constexpr (slopes) jets.slope.set(i, jet.slope);
        }
    }
}

// ---------------------------------------------- clamped units: activation(gate) * (up + offset)
// limit clamps the gate from above and up from both sides; with clamp_after the activated gate instead of the gate.
// A gradient passes at the limit, and is zero beyond. A limit below zero, or NaN, gives NaN.
struct ClampedUnit {
    double parameter;  // default of the activation's parameter
    int parameters;
    bool clamp_after;
};

template <class N> SOFTFLOOR_INLINE N clamped(N x, double limit) {
    return select(head(x) > limit, N(limit), select(head(x) < -limit, N(-limit), x));
}
// x + 0 is x, the zero -0 included.
template <class N> SOFTFLOOR_INLINE N plus(N x, double offset) {
    double plain = head(x) + offset;
    bool finite = __builtin_fabs(plain) <= largest<Pair>;
    return select(offset == 0, x, select(finite, x + N(offset), N(plain)));
}

template <class T, int outputs>
[[gnu::noipa]] void clamped_unit(const ClampedUnit& unit, JetStep<NumberOf<T>> jets_of_activation,
                                 const void* const* in, bool at_defaults, void* const* out, size_t n) {
    using N = NumberOf<T>;
    constexpr bool backward = outputs == 2;
    const T *gate = static_cast<const T*>(in[0]), *up = static_cast<const T*>(in[1]);
    const T* cotangent = backward ? static_cast<const T*>(in[2]) : nullptr;
    T *first = static_cast<T*>(out[0]), *second = backward ? static_cast<T*>(out[1]) : nullptr;
    const void* const* given = in + 2 + backward;
    ParameterBlock<T> parameter(at_defaults || !unit.parameters ? nullptr : given[0], unit.parameter);
    ParameterBlock<T> limits(at_defaults ? nullptr : given[unit.parameters], __builtin_inf());
    ParameterBlock<T> offsets(at_defaults ? nullptr : given[unit.parameters + 1], 0.0);
    const bool after = unit.clamp_after;
    WideBlock<N> x;
    JetBlock<N> jets;

    for (size_t begin = 0; begin < n; begin += wide_block) {
        size_t count = n - begin < wide_block ? n - begin : wide_block;
        parameter.read(begin, count);
        limits.read(begin, count);
        offsets.read(begin, count);
        for (size_t i = 0; i < count; ++i) {
            N number = Format<T>::load(gate[begin + i]);
            x.set(i, {select(!after & (head(number) > limits.numbers[i]), N(limits.numbers[i]), number)});
        }
        jets_of_activation(x, parameter.numbers, jets, count);
#pragma GCC ivdep
        for (size_t i = 0; i < count; ++i) {
            double limit = limits.numbers[i];
            bool valid = limit >= 0;
            N raw = Format<T>::load(up[begin + i]);
            N other = select(valid, plus(clamped(raw, limit), offsets.numbers[i]), N(__builtin_nan("")));
            Scaled<N> value = jets.value.get(i);
            bool beyond = after & (head(apply(value)) > limit);
            value = select(beyond, Scaled<N>{N(limit)}, value);
            if constexpr (!backward) {
                first[begin + i] = stored<T>(moderate(value) * moderate(other));
            } else {
                Scaled<N> c = moderate(Format<T>::load(cotangent[begin + i]));
                beyond |= !after & (loaded(gate[begin + i]) > limit);
                bool up_beyond = __builtin_fabs(head(raw)) > limit;
                Scaled<N> into_gate = jets.slope.get(i) * (moderate(other) * c);
                Scaled<N> into_up = moderate(select(valid, value, Scaled<N>{N(__builtin_nan(""))})) * c;
                first[begin + i] = stored<T>(select(beyond & valid, Scaled<N>{N(0.0)}, into_gate));
                second[begin + i] = stored<T>(select(up_beyond & valid, Scaled<N>{N(0.0)}, into_up));
            }
        }
    }
}

// ---------------------------------------------- SiTU: softcap(gate) sigmoid(gate) softcap(up), softcap(x) = c
// tanh(x/c) x/c, bounded where tanh has reached its limit.
SOFTFLOOR_INLINE double quotient(double x, double c) { return x / c; }
SOFTFLOOR_INLINE Pair quotient(Pair x, double c) {
    double plain = x.hi / c, size = __builtin_fabs(plain);
    double far = size > 1000 ? __builtin_copysign(1000.0, plain) : plain;
    double rest = __builtin_fma(-plain, c, x.hi) / c;
    return {far, size < 1000 && size > 0x1p-60 ? rest : 0.0};
}

template <class N> struct Softcap {
    N value;
    Scaled<N> slope;
    // From x/c and tanh of it. Where x/c is tiny or c is infinite, the cap changes nothing.
    SOFTFLOOR_INLINE Softcap(N x, double c, N ratio, Scaled<N> tanh, Scaled<N> tanh_slope) {
        bool open = (c > largest<Pair>) | (__builtin_fabs(head(ratio)) < 0x1p-60), valid = c > 0;
        value = select(open, x, product(N(c), tanh.mantissa));
        value = select(valid, value, N(__builtin_nan("")));
        slope = select(open, Scaled<N>{N(1.0)}, tanh_slope);
        slope = select(valid, slope, Scaled<N>{N(__builtin_nan(""))});
    }
};

struct SoftcappedUnit {
    double gate_softcap, up_softcap;  // defaults
};

// The derivative in the gate has a zero that depends on the parameter, so that no polynomial serves it: it is a
// difference. In double, with errors of 2^-37 in its terms, `cancels` tells where too few digits are left for a
// float32.
template <class T, class N, int outputs, class Tanh, class Sigmoid>
[[gnu::noipa]] void softcapped_unit(const SoftcappedUnit& unit, const void* const* in, bool at_defaults,
                                    void* const* out, size_t n, uint32_t* cancels = nullptr) {
    constexpr bool backward = outputs == 2;
    const T *gate = static_cast<const T*>(in[0]), *up = static_cast<const T*>(in[1]);
    const T* cotangent = backward ? static_cast<const T*>(in[2]) : nullptr;
    T *first = static_cast<T*>(out[0]), *second = backward ? static_cast<T*>(out[1]) : nullptr;
    const void* const* given = in + 2 + backward;
    ParameterBlock<T> gate_caps(at_defaults ? nullptr : given[0], unit.gate_softcap);
    ParameterBlock<T> up_caps(at_defaults ? nullptr : given[1], unit.up_softcap);
    WideBlock<N> x, gate_ratio, up_ratio;
    JetBlock<N> sigmoid, gate_tanh, up_tanh;

    for (size_t begin = 0; begin < n; begin += wide_block) {
        size_t count = n - begin < wide_block ? n - begin : wide_block;
        gate_caps.read(begin, count);
        up_caps.read(begin, count);
        for (size_t i = 0; i < count; ++i) {
            N g = N(loaded(gate[begin + i])), u = N(loaded(up[begin + i]));
            x.set(i, {g});
            gate_ratio.set(i, {quotient(g, gate_caps.numbers[i])});
            up_ratio.set(i, {quotient(u, up_caps.numbers[i])});
        }
        jets_of<Sigmoid, N, 0, backward>(x, nullptr, sigmoid, count);
        jets_of<Tanh, N, 0, backward>(gate_ratio, nullptr, gate_tanh, count);
        jets_of<Tanh, N, 0, backward>(up_ratio, nullptr, up_tanh, count);
#pragma GCC ivdep
        for (size_t i = 0; i < count; ++i) {
            N g = x.get(i).mantissa, u = N(loaded(up[begin + i]));
            Softcap<N> of_gate(g, gate_caps.numbers[i], gate_ratio.get(i).mantissa, gate_tanh.value.get(i),
                               gate_tanh.slope.get(i));
            Softcap<N> of_up(u, up_caps.numbers[i], up_ratio.get(i).mantissa, up_tanh.value.get(i),
                             up_tanh.slope.get(i));
            // Where the exponential of sigmoid is capped, its product must stay zero.
            N factor = select(head(g) < -exponential_limit<N>, N(-1.0), finite(of_gate.value));
            Scaled<N> share = sigmoid.value.get(i), bounded = moderate(factor);
            Scaled<N> value = select(head(of_gate.value) > largest<Pair>, Scaled<N>{of_gate.value}, share * bounded);
            if constexpr (!backward) {
                first[begin + i] = stored<T>(value * moderate(of_up.value));
            } else {
                Scaled<N> c = moderate(N(loaded(cotangent[begin + i])));
                Scaled<N> part = of_gate.slope * share, slope = part + sigmoid.slope.get(i) * bounded;
                if constexpr (__is_same(N, double))
                    cancels[begin + i] = !(__builtin_fabs(slope.mantissa) >= 0x1p-10 * __builtin_fabs(part.mantissa));
                first[begin + i] = stored<T>(slope * (moderate(of_up.value) * c));
                second[begin + i] = stored<T>(value * (of_up.slope * c));
            }
        }
    }
}

}  // namespace
}  // namespace softfloor
