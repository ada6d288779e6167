// Entries of gated units in the table of kernels.
#pragma once
#include "../kernels.hpp"
#include "value_and_vjp.hpp"

namespace softfloor {
namespace {

// Parameters are float32 beside the three narrower dtypes, float64 beside float64.
template <double... defaults> constexpr ElementwiseEntry with_parameters(ElementwiseEntry entry) {
    entry.parameters = sizeof...(defaults);
    entry.parameters_are_wide = true;
    for (int dtype = 0; dtype < float64; ++dtype) entry.is_default[dtype] = is_default<float, defaults...>;
    entry.is_default[float64] = is_default<double, defaults...>;
    return entry;
}

template <class Op, int parameters, double default_parameter> struct FixedParameter {
    using Type = AtDefault<Op, default_parameter>;
};
template <class Op, double default_parameter> struct FixedParameter<Op, 0, default_parameter> {
    using Type = Op;
};
template <class Op, int outputs> struct DirectVariant {
    using Type = Gated<Op, 0>;
};
template <class Op> struct DirectVariant<Op, 2> {
    using Type = GatedVjp<Op, 0>;
};

// Without limit and offset units compute in their own format, half precisions in float32, where the activation does.
// Entries of which all parameters have their defaults do so beside others, too, so that the bits of a result depend on
// its own operands alone.
template <class Op, int parameters, double default_parameter, int outputs> struct PlainGated {
    using Fixed = typename FixedParameter<Op, parameters, default_parameter>::Type;
    static constexpr bool is_compensated = HasCompensated<Fixed>;
    template <class T> static constexpr bool is_direct = is_compensated || (is_exact<Op> && sizeof(T) < 8);

    template <class T, bool after>
    static void composed(const void* const* in, bool at_defaults, void* const* out, size_t n) {
        constexpr ClampedUnit unit = {default_parameter, parameters, after};
        clamped_unit<T, outputs>(unit, jets_of<Op, NumberOf<T>, parameters, outputs == 2>, in, at_defaults, out, n);
    }
    template <class T> static void composed_plain(const void* const* in, void* const* out, size_t n) {
        composed<T, false>(in, true, out, n);
    }
    template <class T> static void run_plain(const void* const* in, void* const* out, size_t n) {
        using Variant = typename DirectVariant<Fixed, outputs>::Type;
        if constexpr (!is_direct<T>) composed_plain<T>(in, out, n);
        else if constexpr (__is_same(T, Float16))
            run_spread<1 + outputs, outputs>(run_plain<SpreadFloat16>, in, out, n);
        else if constexpr (is_compensated) run_compensated<Variant, T>(composed_plain<T>, in, out, n);
        else run_wide<Variant, T>(in, out, n);
    }
};

// Operands of a unit: gate, up, perhaps the cotangent, then parameters.
template <class T> struct DirectUnit {
    using Parameter = typename ParameterOf<T>::Type;
    Kernel composed, plain;
    int operands, parameters, outputs;
    Parameter defaults[3];
};
template <class T>
[[gnu::noinline]] void run_beside_plain(const DirectUnit<T>& unit, const void* const* in, void* const* out, size_t n) {
    using Parameter = typename ParameterOf<T>::Type;
    constexpr size_t block = 512;
    constexpr int most_inputs = 6, most_outputs = 2;
    for (size_t begin = 0; begin < n; begin += block) {
        size_t count = n - begin < block ? n - begin : block, plain_count = 0;
        const void* here[most_inputs];
        void *to[most_outputs], *aside[most_outputs];
        for (int k = 0; k < unit.operands; ++k) here[k] = static_cast<const T*>(in[k]) + begin;
        Count<Parameter> is_plain[block];
        for (size_t i = 0; i < count; ++i) is_plain[i] = 1;
        for (int k = 0; k < unit.parameters; ++k) {
            const Parameter* parameter = static_cast<const Parameter*>(in[unit.operands + k]) + begin;
            here[unit.operands + k] = parameter;
            for (size_t i = 0; i < count; ++i) is_plain[i] &= parameter[i] == unit.defaults[k];
        }
        for (size_t i = 0; i < count; ++i) plain_count += is_plain[i];
        T plain[most_outputs][block];
        for (int k = 0; k < unit.outputs; ++k) {
            to[k] = static_cast<T*>(out[k]) + begin;
            aside[k] = plain_count == count ? to[k] : plain[k];
        }
        if (plain_count) unit.plain(here, aside, count);
        if (plain_count == count) continue;
        unit.composed(here, to, count);
        for (int k = 0; plain_count && k < unit.outputs; ++k)
            for (size_t i = 0; i < count; ++i)
                if (is_plain[i]) static_cast<T*>(to[k])[i] = plain[k][i];
    }
}

template <class Op, int parameters, double default_parameter, int results, bool after> struct ClampedGated {
    using Plain = PlainGated<Op, parameters, default_parameter, results>;
    static constexpr int outputs = results, operands = 1 + outputs, inputs = operands + parameters + 2;

    template <class T> static void composed(const void* const* in, void* const* out, size_t n) {
        Plain::template composed<T, after>(in, false, out, n);
    }
    template <class T> static void run(const void* const* in, void* const* out, size_t n) {
        if constexpr (Plain::template is_direct<T>) {
            DirectUnit<T> unit = {composed<T>, Plain::template run_plain<T>, operands, parameters + 2, outputs, {}};
            if (parameters) unit.defaults[0] = default_parameter;
            unit.defaults[parameters] = infinity;
            run_beside_plain(unit, in, out, n);
        } else composed<T>(in, out, n);
    }
};

template <class Tanh, class Sigmoid, double gate_softcap, double up_softcap, int results> struct SoftcappedGated {
    static constexpr int outputs = results, inputs = 1 + outputs + 2;
    static constexpr SoftcappedUnit unit = {gate_softcap, up_softcap};

    template <class T> static void compute(const void* const* in, bool at_defaults, void* const* out, size_t n) {
        if constexpr (outputs == 2 && sizeof(T) < 8) compute_gradient<T>(in, at_defaults, out, n);
        else softcapped_unit<T, NumberOf<T>, outputs, Tanh, Sigmoid>(unit, in, at_defaults, out, n);
    }
    // In double, and once more in Pair where one of a block cancels. Results wait, because they may take the place of
    // the operands.
    template <class T>
    static void compute_gradient(const void* const* in, bool at_defaults, void* const* out, size_t n) {
        constexpr int operands = 1 + outputs;
        T computed[outputs][wide_block], again[outputs][wide_block];
        uint32_t cancels[wide_block];
        void *const to[] = {computed[0], computed[1]}, *const to_again[] = {again[0], again[1]};
        for (size_t begin = 0; begin < n; begin += wide_block) {
            size_t count = n - begin < wide_block ? n - begin : wide_block;
            const void* here[inputs] = {};
            for (int k = 0; k < operands; ++k) here[k] = static_cast<const T*>(in[k]) + begin;
            for (int k = operands; !at_defaults && k < inputs; ++k)
                here[k] = static_cast<const typename ParameterOf<T>::Type*>(in[k]) + begin;
            softcapped_unit<T, double, outputs, Tanh, Sigmoid>(unit, here, at_defaults, to, count, cancels);
            uint32_t any = 0;
            for (size_t i = 0; i < count; ++i) any |= cancels[i];
            if (any) {
                softcapped_unit<T, Pair, outputs, Tanh, Sigmoid>(unit, here, at_defaults, to_again, count);
                for (size_t i = 0; i < count; ++i)
                    if (cancels[i]) computed[0][i] = again[0][i];
            }
            for (int k = 0; k < outputs; ++k)
                __builtin_memcpy(static_cast<T*>(out[k]) + begin, computed[k], count * sizeof(T));
        }
    }
    template <class T> static void run(const void* const* in, void* const* out, size_t n) {
        compute<T>(in, false, out, n);
    }
    template <class T> static void run_plain(const void* const* in, void* const* out, size_t n) {
        compute<T>(in, true, out, n);
    }
};

template <class Unit, class Plain> constexpr ElementwiseEntry entry_of(const char* name, const char* variant) {
    return {name,
            variant,
            Unit::inputs,
            Unit::outputs,
            0,
            false,
            {Unit::template run<Float16>, Unit::template run<Bfloat16>, Unit::template run<float>,
             Unit::template run<double>},
            {Plain::template run_plain<Float16>, Plain::template run_plain<Bfloat16>, Plain::template run_plain<float>,
             Plain::template run_plain<double>},
            {}};
}
// Perhaps a parameter of the activation, the limit, the offset.
template <int parameters, double default_parameter>
constexpr ElementwiseEntry with_those_of_clamped(ElementwiseEntry entry) {
    if constexpr (parameters == 1) return with_parameters<default_parameter, __builtin_inf(), 0.0>(entry);
    else return with_parameters<__builtin_inf(), 0.0>(entry);
}
template <class Op, int parameters, double default_parameter, int outputs, bool after>
constexpr ElementwiseEntry clamped_entry(const char* name, const char* variant) {
    using Unit = ClampedGated<Op, parameters, default_parameter, outputs, after>;
    return with_those_of_clamped<parameters, default_parameter>(entry_of<Unit, typename Unit::Plain>(name, variant));
}
template <class Op, int parameters, double default_parameter, bool after>
constexpr ElementwiseEntry clamped_value_and_vjp(const char* name, const char* variant) {
    using Value = ClampedGated<Op, parameters, default_parameter, 1, after>;
    using Vjp = ClampedGated<Op, parameters, default_parameter, 2, after>;
    using Fixed = typename FixedParameter<Op, parameters, default_parameter>::Type;
    using Plain = PlainValueAndVjp<typename Value::Plain, typename Vjp::Plain, Fixed>;
    using Unit = ValueAndVjpOf<Value, Vjp, parameters + 2>;
    return with_those_of_clamped<parameters, default_parameter>(entry_of<Unit, Plain>(name, variant));
}
template <class Tanh, class Sigmoid, double gate_softcap, double up_softcap>
constexpr ElementwiseEntry softcapped_value_and_vjp(const char* name, const char* variant) {
    using Value = SoftcappedGated<Tanh, Sigmoid, gate_softcap, up_softcap, 1>;
    using Vjp = SoftcappedGated<Tanh, Sigmoid, gate_softcap, up_softcap, 2>;
    using Plain = PlainValueAndVjp<Value, Vjp, void>;
    return with_parameters<gate_softcap, up_softcap>(entry_of<ValueAndVjpOf<Value, Vjp, 2>, Plain>(name, variant));
}
template <class Tanh, class Sigmoid, double gate_softcap, double up_softcap, int outputs>
constexpr ElementwiseEntry softcapped_entry(const char* name, const char* variant) {
    using Unit = SoftcappedGated<Tanh, Sigmoid, gate_softcap, up_softcap, outputs>;
    return with_parameters<gate_softcap, up_softcap>(entry_of<Unit, Unit>(name, variant));
}

}  // namespace
}  // namespace softfloor
