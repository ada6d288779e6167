// From NumPy's strided memory to the contiguous blocks that elementwise kernels work on.
#pragma once
#include <cstdint>
#include <cstring>

#include "dispatch.hpp"
#include "threads.hpp"

namespace softfloor {

constexpr size_t itemsizes[dtype_count] = {2, 2, 4, 8};
constexpr int maximum_operands = 6;

// What a ufunc loop knows of itself: which kernel it runs on which dtype.
struct ElementwiseLoop {
    int index;
    Dtype dtype;
    int inputs, outputs;
};

// The operands of one call: pointers and steps, inputs before outputs.
struct Operands {
    char* memory[maximum_operands];
    ptrdiff_t steps[maximum_operands];
    int inputs, outputs;
};

template <size_t size> void copy_strided(char* to, ptrdiff_t to_step, const char* from, ptrdiff_t from_step, size_t n) {
    for (size_t i = 0; i < n; ++i) std::memcpy(to + ptrdiff_t(i) * to_step, from + ptrdiff_t(i) * from_step, size);
}
inline void copy_strided(size_t size, char* to, ptrdiff_t to_step, const char* from, ptrdiff_t from_step, size_t n) {
    if (size == 2) copy_strided<2>(to, to_step, from, from_step, n);
    else if (size == 4) copy_strided<4>(to, to_step, from, from_step, n);
    else copy_strided<8>(to, to_step, from, from_step, n);
}

// One operand as a kernel sees it: its own memory where that is contiguous, a block on the stack otherwise.
constexpr size_t block = 512;
struct BlockedOperand {
    char* memory;
    ptrdiff_t step;
    size_t size;
    alignas(64) char buffer[block * 8];

    bool contiguous() const { return step == ptrdiff_t(size); }
    char* at(size_t i) const { return memory + ptrdiff_t(i) * step; }
    const void* read(size_t begin, size_t count, bool first) {
        if (contiguous()) return at(begin);
        if (step != 0 || first) copy_strided(size, buffer, ptrdiff_t(size), at(begin), step, count);
        return buffer;
    }
    void* write(size_t begin) { return contiguous() ? at(begin) : buffer; }
    void written(size_t begin, size_t count) {
        if (!contiguous()) copy_strided(size, at(begin), step, buffer, ptrdiff_t(size), count);
    }
};

// True unless the two walk over exactly the same elements or over none in common: then an earlier result may be a later
// operand (accumulate), and elements must be computed one after another.
inline bool entangled(const char* a, ptrdiff_t a_step, const char* b, ptrdiff_t b_step, size_t n, size_t size) {
    if (a == b && a_step == b_step && a_step != 0) return false;
    auto range = [&](const char* start, ptrdiff_t step, uintptr_t& low, uintptr_t& high) {
        low = high = reinterpret_cast<uintptr_t>(start);
        (step < 0 ? low : high) += uintptr_t(ptrdiff_t(n - 1) * step);
        high += size;
    };
    uintptr_t a_low, a_high, b_low, b_high;
    range(a, a_step, a_low, a_high);
    range(b, b_step, b_low, b_high);
    return a_low < b_high && b_low < a_high;
}

inline void elementwise_range(Kernel kernel, const Operands& all, size_t size, size_t begin, size_t end,
                              size_t block_size) {
    int count = all.inputs + all.outputs;
    BlockedOperand operands[maximum_operands];
    bool contiguous = true;
    for (int k = 0; k < count; ++k) {
        operands[k].memory = all.memory[k];
        operands[k].step = all.steps[k];
        operands[k].size = size;
        contiguous &= operands[k].contiguous();
    }
    // Chunks of this length keep all operands in the first-level cache between conversion and use.
    size_t length = contiguous && block_size == block ? end - begin : block_size;
    for (size_t i = begin; i < end; i += length) {
        size_t n = end - i < length ? end - i : length;
        const void* in[maximum_operands];
        void* out[maximum_operands];
        for (int k = 0; k < all.inputs; ++k) in[k] = operands[k].read(i, n, i == begin || block_size == 1);
        for (int k = 0; k < all.outputs; ++k) out[k] = operands[all.inputs + k].write(i);
        kernel(in, out, n);
        for (int k = 0; k < all.outputs; ++k) operands[all.inputs + k].written(i, n);
    }
}

// Drops the parameters from the operands if each is one number for the whole call, and the default.
inline bool take_defaults(const ElementwiseEntry& entry, Dtype dtype, Operands& operands) {
    if (entry.parameters == 0) return false;
    int others = entry.inputs - entry.parameters;
    for (int k = others; k < entry.inputs; ++k)
        if (operands.steps[k] != 0 || !entry.is_default[dtype](operands.memory[k])) return false;
    for (int k = 0; k < entry.outputs; ++k) {
        operands.memory[others + k] = operands.memory[entry.inputs + k];
        operands.steps[others + k] = operands.steps[entry.inputs + k];
    }
    operands.inputs = others;
    return true;
}

// The measured size from which a second thread pays for its start (docs/performance.md).
constexpr size_t parallel_elements = size_t(1) << 16;

inline void elementwise_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void* data) {
    const ElementwiseLoop& loop = *static_cast<const ElementwiseLoop*>(data);
    const ElementwiseEntry& entry = current_table().elementwise[loop.index];
    size_t n = size_t(dimensions[0]), size = itemsizes[loop.dtype];
    if (n == 0) return;
    Operands operands = {{}, {}, loop.inputs, loop.outputs};
    std::memcpy(operands.memory, args, size_t(loop.inputs + loop.outputs) * sizeof *args);
    std::memcpy(operands.steps, steps, size_t(loop.inputs + loop.outputs) * sizeof *steps);
    Kernel kernel = (take_defaults(entry, loop.dtype, operands) ? entry.at_defaults : entry.kernels)[loop.dtype];

    size_t block_size = block;
    for (int k = operands.inputs; k < operands.inputs + operands.outputs; ++k)
        for (int j = 0; j < k; ++j)
            if (n > 1 &&
                entangled(operands.memory[k], operands.steps[k], operands.memory[j], operands.steps[j], n, size))
                block_size = 1;
    parallel_for(n, block, block_size == block && n >= parallel_elements,
                 [&](size_t begin, size_t end) { elementwise_range(kernel, operands, size, begin, end, block_size); });
}

}  // namespace softfloor
