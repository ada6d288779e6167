// Compiled once per instruction set (SOFTFLOOR_ISA names it): instantiates every operation and exports one table.
// Nothing here may leave the unit but that table; no STL, no libm.
#include "../kernels.hpp"
#include "../ops/vjp_columns.hpp"
#include "gated_entries.hpp"
#include "half_vjps.hpp"
// Generated from the catalogue by tools/operations.py: includes ops/*.hpp, lists ACTIVATION(...), SOFTCAPPED(...),
// ROWS(...).
#include "operations.hpp"

namespace softfloor {
namespace {

#define ALL_DTYPES(...) \
    {run<__VA_ARGS__, Float16>, run<__VA_ARGS__, Bfloat16>, run<__VA_ARGS__, float>, run<__VA_ARGS__, double>}
#define ELEMENTWISE(NAME, VARIANT, PARAMETERS, ...) \
    #NAME, VARIANT, __VA_ARGS__::inputs, __VA_ARGS__::outputs, PARAMETERS, false, ALL_DTYPES(__VA_ARGS__)
#define IS_DEFAULT(DEFAULT)                                                                   \
    {is_default<Float16, DEFAULT>, is_default<Bfloat16, DEFAULT>, is_default<float, DEFAULT>, \
     is_default<double, DEFAULT>}

#define FUNCTION(NAME, VARIANT, STRUCT, OP) \
    with_half_vjps<STRUCT<OP, 0>>({ELEMENTWISE(NAME, VARIANT, 0, STRUCT<OP, 0>), {}, {}}),
#define FUNCTION_OF_PARAMETER(NAME, VARIANT, STRUCT, OP, DEFAULT)                                     \
    with_half_vjps<STRUCT<AtDefault<OP, DEFAULT>, 0>>({ELEMENTWISE(NAME, VARIANT, 1, STRUCT<OP, 1>),  \
                                                       ALL_DTYPES(STRUCT<AtDefault<OP, DEFAULT>, 0>), \
                                                       IS_DEFAULT(DEFAULT)}),

#define GATED(NAME, OP, PARAMETERS, DEFAULT)                                                \
    clamped_entry<OP, PARAMETERS, DEFAULT, 1, false>(NAME, "gated"),                        \
        clamped_entry<OP, PARAMETERS, DEFAULT, 2, false>(NAME, "gated_vjp"),                \
        clamped_entry<OP, PARAMETERS, DEFAULT, 1, true>(NAME, "gated_after"),               \
        clamped_entry<OP, PARAMETERS, DEFAULT, 2, true>(NAME, "gated_after_vjp"),           \
        clamped_value_and_vjp<OP, PARAMETERS, DEFAULT, false>(NAME, "gated_value_and_vjp"), \
        clamped_value_and_vjp<OP, PARAMETERS, DEFAULT, true>(NAME, "gated_after_value_and_vjp"),
#define SOFTCAPPED(NAME, ...)                                          \
    softcapped_entry<Tanh, Sigmoid, __VA_ARGS__, 1>(#NAME, "value"),   \
        softcapped_entry<Tanh, Sigmoid, __VA_ARGS__, 2>(#NAME, "vjp"), \
        softcapped_value_and_vjp<Tanh, Sigmoid, __VA_ARGS__>(#NAME, "value_and_vjp"),

#define ACTIVATION(NAME, OP)                                       \
    FUNCTION(NAME, "value", Value, OP)                             \
    FUNCTION(NAME, "derivative", Derivative, OP)                   \
    FUNCTION(NAME, "value_and_derivative", ValueAndDerivative, OP) \
    FUNCTION(NAME, "vjp", Vjp, OP)                                 \
    GATED(#NAME, OP, 0, 0.0)
#define ACTIVATION_OF_PARAMETER(NAME, OP, DEFAULT)                                       \
    FUNCTION_OF_PARAMETER(NAME, "value", Value, OP, DEFAULT)                             \
    FUNCTION_OF_PARAMETER(NAME, "derivative", Derivative, OP, DEFAULT)                   \
    FUNCTION_OF_PARAMETER(NAME, "value_and_derivative", ValueAndDerivative, OP, DEFAULT) \
    FUNCTION_OF_PARAMETER(NAME, "vjp", Vjp, OP, DEFAULT)                                 \
    GATED(#NAME, OP, 1, DEFAULT)
#define PARAMETER_DERIVATIVE(NAME, OP, PARAMETER, DEFAULT) \
    FUNCTION_OF_PARAMETER(NAME, #PARAMETER "_derivative", ParameterDerivative, OP, DEFAULT)
constexpr ElementwiseEntry elementwise[] = {SOFTFLOOR_ELEMENTWISE};

constexpr int operands_of(const char* signature, bool outputs) {
    int found[2] = {};
    for (int after = 0; *signature; ++signature) {
        after |= *signature == '>';
        found[after] += *signature == '(';
    }
    return found[outputs];
}
template <class Op, class T> constexpr size_t most_entries() {
    if constexpr (HasFew<Op>) return Op::template Few<T>::longest;
    else return 0;
}
template <class Op, class T, int inputs, int outputs> constexpr ColumnKernel columns() {
    if constexpr (HasTogether<Op>) return columns_together<Op, T, inputs + outputs>;
    else if constexpr (HasFew<Op>) return charge_columns<Op, T, inputs, outputs>;
    else if constexpr (HasVjpColumns<Op, T>) return vjp_columns<Op, T>;
    else if constexpr (requires { &Op::template columns<T>; }) return Op::template columns<T>;
    else return nullptr;
}
// An operation's kernel: several rows side by side where it can, otherwise one after another.
template <class Op, class T, int inputs, int outputs>
void row_kernel(const Strided* operands, size_t n, size_t count, void* scratch) {
    if constexpr (HasFew<Op> || requires { &Op::template batch<T>; }) {
        size_t most = batched_rows(n);
        for (size_t first = 0; first < count; first += most) {
            Strided some[inputs + outputs];
            for (int k = 0; k < inputs + outputs; ++k)
                some[k] = {operands[k].at(first, 0), operands[k].row_step, operands[k].entry_step};
            size_t rows = count - first < most ? count - first : most;
            if constexpr (HasFew<Op>) charge_batch<Op, T, inputs, outputs>(some, n, rows, scratch);
            else batch_of<Op, T>(some, n, rows, scratch);
        }
    } else {
        for (size_t row = 0; row < count; ++row) run_row<Op, T, inputs, outputs>(operands, row, n, scratch);
    }
}
#define ROW_KERNEL(OP, SIGNATURE, T) row_kernel<OP, T, operands_of(SIGNATURE, false), operands_of(SIGNATURE, true)>
#define COLUMNS(OP, SIGNATURE, T) columns<OP, T, operands_of(SIGNATURE, false), operands_of(SIGNATURE, true)>()
#define ROWS(NAME, VARIANT, OP, SIGNATURE, TYPES)                                                                \
    {#NAME,                                                                                                      \
     VARIANT,                                                                                                    \
     SIGNATURE,                                                                                                  \
     TYPES,                                                                                                      \
     {ROW_KERNEL(OP, SIGNATURE, Float16), ROW_KERNEL(OP, SIGNATURE, Bfloat16), ROW_KERNEL(OP, SIGNATURE, float), \
      ROW_KERNEL(OP, SIGNATURE, double)},                                                                        \
     {COLUMNS(OP, SIGNATURE, Float16), COLUMNS(OP, SIGNATURE, Bfloat16), COLUMNS(OP, SIGNATURE, float),          \
      COLUMNS(OP, SIGNATURE, double)},                                                                           \
     {most_entries<OP, Float16>(), most_entries<OP, Bfloat16>(), most_entries<OP, float>(),                      \
      most_entries<OP, double>()}},
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
