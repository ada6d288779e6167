// The operands of a call: NumPy's strided memory, seen as contiguous blocks.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels.hpp"

namespace softfloor {

constexpr size_t itemsizes[dtype_count] = {2, 2, 4, 8};
constexpr int maximum_operands = 9;

// The operands of one call: pointers, steps and sizes of an item, inputs before outputs.
struct Operands {
    char* memory[maximum_operands];
    ptrdiff_t steps[maximum_operands];
    size_t sizes[maximum_operands];
    int inputs, outputs;
    bool contiguous(int k) const { return steps[k] == ptrdiff_t(sizes[k]); }
    // Whether an output is an input.
    bool overwrites() const {
        bool any = false;
        for (int k = inputs; k < inputs + outputs; ++k)
            for (int j = 0; j < inputs; ++j) any |= memory[j] == memory[k];
        return any;
    }
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
constexpr size_t block = elementwise_block;
struct BlockedOperand {
    char* memory;
    ptrdiff_t step;
    size_t size;
    alignas(64) char buffer[block * 8];

    void set(char* start, ptrdiff_t stride, size_t itemsize) {
        memory = start;
        step = stride;
        size = itemsize;
    }
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

}  // namespace softfloor
