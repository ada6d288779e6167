// From NumPy's strided rows to the contiguous rows that row kernels work on.
#pragma once
#include <atomic>
#include <memory>
#include <new>

#include "ufunc.hpp"

namespace softfloor {

constexpr int maximum_row_operands = 10;

struct RowLoop {
    int index;
    Dtype dtype;
    int inputs, outputs;
    size_t sizes[maximum_row_operands];  // of an item, per operand
    bool is_row[maximum_row_operands];   // the operand has the core dimension
    mutable ElementCost cost{};
};

// False if there was no memory; the rows from there on are untouched.
inline bool rows_range(RowKernel kernel, const RowLoop& loop, char* const* args, const ptrdiff_t* steps, size_t n,
                       size_t begin, size_t end) {
    int count = loop.inputs + loop.outputs;
    const ptrdiff_t* core_step = steps + count;
    // Room for the kernel's scratch row and for each operand whose rows are not contiguous.
    std::unique_ptr<double[]> memory(new (std::nothrow) double[(size_t(count) + 1) * n + 1]);
    if (!memory) return false;
    char* own_row[maximum_row_operands] = {};
    for (int k = 0; k < count; ++k) {
        if (!loop.is_row[k]) continue;
        if (*core_step != ptrdiff_t(loop.sizes[k]))
            own_row[k] = reinterpret_cast<char*>(memory.get() + size_t(k + 1) * n);
        ++core_step;
    }
    for (size_t row = begin; row < end; ++row) {
        const void* in[maximum_row_operands];
        void* out[maximum_row_operands];
        core_step = steps + count;
        for (int k = 0; k < count; ++k) {
            char* start = args[k] + ptrdiff_t(row) * steps[k];
            char* place = own_row[k] ? own_row[k] : start;
            if (k >= loop.inputs) out[k - loop.inputs] = place;
            else in[k] = place;
            if (own_row[k] && k < loop.inputs)
                copy_strided(loop.sizes[k], place, ptrdiff_t(loop.sizes[k]), start, *core_step, n);
            core_step += loop.is_row[k];
        }
        kernel(in, out, n, memory.get());
        core_step = steps + count;
        for (int k = 0; k < count; ++k) {
            if (own_row[k] && k >= loop.inputs)
                copy_strided(loop.sizes[k], args[k] + ptrdiff_t(row) * steps[k], *core_step, own_row[k],
                             ptrdiff_t(loop.sizes[k]), n);
            core_step += loop.is_row[k];
        }
    }
    return true;
}

inline bool row_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void* data) {
    const RowLoop& loop = *static_cast<const RowLoop*>(data);
    size_t rows = size_t(dimensions[0]), n = size_t(dimensions[1]);
    RowKernel kernel = current_table().rows[loop.index].kernels[loop.dtype];
    std::atomic<bool> complete{true};
    parallel_for(rows, 1, n, loop.cost, [&](size_t begin, size_t end) {
        if (!rows_range(kernel, loop, args, steps, n, begin, end)) complete = false;
    });
    return complete;
}

}  // namespace softfloor
