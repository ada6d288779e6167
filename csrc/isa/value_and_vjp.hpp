// Value and vjp of a gated unit from one reading of the operands: a block of both while it is in the first-level cache.
// The bits are those of the two kernels.
#pragma once
#include "../kernels.hpp"
#include "loops.hpp"

namespace softfloor {
namespace {

// The two kernels, and one that computes a block of both, or returns false where it covers not all of it.
struct ValueAndVjp {
    Kernel value, vjp;
    bool (*fused)(const void* const* in, void* const* out, size_t n);
    int parameters;
};

template <class T>
[[gnu::noinline]] void run_value_and_vjp(const ValueAndVjp& unit, const void* const* in, void* const* out, size_t n) {
    using Parameter = typename ParameterOf<T>::Type;
    constexpr size_t block = compensated_block;
    constexpr int operands = 3, most_parameters = 3, outputs = 3;
    const bool copies =
        overwrites(in, operands + unit.parameters, out, outputs);  // the vjp reads after the value wrote
    for (size_t begin = 0; begin < n; begin += block) {
        size_t count = n - begin < block ? n - begin : block;
        T own[operands][block];
        Parameter own_parameters[most_parameters][block];
        const void *here[operands + most_parameters], *of_value[2 + most_parameters];
        for (int k = 0; k < operands; ++k) {
            here[k] = static_cast<const T*>(in[k]) + begin;
            if (copies) here[k] = __builtin_memcpy(own[k], here[k], count * sizeof(T));
        }
        for (int k = 0; k < unit.parameters; ++k) {
            const void*& parameter = here[operands + k];
            parameter = static_cast<const Parameter*>(in[operands + k]) + begin;
            if (copies) parameter = __builtin_memcpy(own_parameters[k], parameter, count * sizeof(Parameter));
            of_value[2 + k] = parameter;
        }
        void* to[outputs];
        for (int k = 0; k < outputs; ++k) to[k] = static_cast<T*>(out[k]) + begin;
        if (unit.fused && unit.fused(here, to, count)) continue;
        of_value[0] = here[0], of_value[1] = here[1];
        unit.value(of_value, to, count);
        unit.vjp(here, to + 1, count);
    }
}

// What belongs to the gate has a loop of its own, as in the vjp alone.
template <class Op> bool fused_value_and_vjp(const void* const* in, void* const* out, size_t n) {
    void *const value_and_up[] = {out[0], out[2]}, *const gate[] = {out[1]};
    compute_part<GateOfVjp<Op, 0>, float>(in, gate, n);
    return compute_covered<ValueAndUpOfVjp<Op, 0>, float>(in, value_and_up, 0, n) == n;
}

// Units of `count` parameters, and those whose parameters have their defaults.
template <class Value, class Vjp, int count> struct ValueAndVjpOf {
    static constexpr int outputs = 3, inputs = Vjp::inputs;
    template <class T> static void run(const void* const* in, void* const* out, size_t n) {
        run_value_and_vjp<T>({Value::template run<T>, Vjp::template run<T>, nullptr, count}, in, out, n);
    }
};
template <class Value, class Vjp, class Op> struct PlainValueAndVjp {
    template <class T> static void run_plain(const void* const* in, void* const* out, size_t n) {
        ValueAndVjp unit = {Value::template run_plain<T>, Vjp::template run_plain<T>, nullptr, 0};
        if constexpr (__is_same(T, float) && HasCompensated<Op>) unit.fused = fused_value_and_vjp<Op>;
        run_value_and_vjp<T>(unit, in, out, n);
    }
};

}  // namespace
}  // namespace softfloor
