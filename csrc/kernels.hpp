// What an instruction set offers: two tables of kernels over contiguous memory, one entry per function and variant.
#pragma once
#include <cstddef>

namespace softfloor {

enum Dtype { float16, bfloat16, float32, float64, dtype_count };

// Elementwise: every operand has the function's dtype; parameters are the last inputs. Where there are any, a second
// set of kernels has them fixed at their defaults and takes the other inputs only.
using Kernel = void (*)(const void* const* in, void* const* out, size_t n);
using IsDefault = bool (*)(const void* parameter);
struct ElementwiseEntry {
    const char* name;
    const char* variant;
    int inputs, outputs, parameters;
    Kernel kernels[dtype_count];
    Kernel at_defaults[dtype_count];
    IsDefault is_default[dtype_count];
};

// Rows: a NumPy gufunc signature; types has one letter per operand, T (the function's dtype), d (float64) or l (int64).
// scratch has room for n float64.
using RowKernel = void (*)(const void* const* in, void* const* out, size_t n, void* scratch);
struct RowEntry {
    const char* name;
    const char* variant;
    const char* signature;
    const char* types;
    RowKernel kernels[dtype_count];
};

struct KernelTable {
    const char* instruction_set;
    const ElementwiseEntry* elementwise;
    int elementwise_count;
    const RowEntry* rows;
    int row_count;
};

}  // namespace softfloor
