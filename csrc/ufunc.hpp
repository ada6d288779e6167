// From NumPy's strided memory to the contiguous blocks that elementwise kernels work on.
#pragma once
#include "dispatch.hpp"
#include "looked_up.hpp"
#include "operands.hpp"
#include "stream.hpp"
#include "threads.hpp"

namespace softfloor {

// What a ufunc loop knows of itself: which kernel it runs on which dtype, with parameters as operands or fixed at their
// defaults, and what an element costs.
struct ElementwiseLoop {
    int index;
    Dtype dtype;
    int inputs, outputs;
    bool at_defaults;
    mutable ElementCost cost{};
    mutable FasterWay stores[2][2]{};  // computed and looked up, for one thread and for several
    mutable LookedUp<ResultsOfHalf> results{};
    mutable LookedUp<SlopesOfHalf> slopes{};
};

// The loops of a kernel by dtype, side by side; they live as long as the process, as ufuncs do.
inline ElementwiseLoop* new_loops(int index, bool at_defaults) {
    const ElementwiseEntry& entry = current_table().elementwise[index];
    int inputs = entry.inputs - (at_defaults ? entry.parameters : 0);
    auto loop = [&](Dtype dtype) { return ElementwiseLoop{index, dtype, inputs, entry.outputs, at_defaults}; };
    return new ElementwiseLoop[dtype_count]{loop(float16), loop(bfloat16), loop(float32), loop(float64)};
}

// True unless the two walk over exactly the same elements or over none in common: then an earlier result may be a later
// operand (accumulate), and elements must be computed one after another. Operands that lie between one another, as the
// halves of an interleaved array do, have none in common.
inline bool entangled(const Operands& all, int j, int k, size_t n) {
    const char *a = all.memory[j], *b = all.memory[k];
    ptrdiff_t a_step = all.steps[j], b_step = all.steps[k];
    if (a_step == b_step && a_step != 0) {
        if (a == b && all.sizes[j] == all.sizes[k]) return false;
        ptrdiff_t step = a_step < 0 ? -a_step : a_step, apart = (b - a) % step;
        if (apart < 0) apart += step;
        if (apart >= ptrdiff_t(all.sizes[j]) && step - apart >= ptrdiff_t(all.sizes[k])) return false;
    }
    auto range = [&](const char* start, ptrdiff_t step, size_t size, uintptr_t& low, uintptr_t& high) {
        low = high = reinterpret_cast<uintptr_t>(start);
        (step < 0 ? low : high) += uintptr_t(ptrdiff_t(n - 1) * step);
        high += size;
    };
    uintptr_t a_low, a_high, b_low, b_high;
    range(a, a_step, all.sizes[j], a_low, a_high);
    range(b, b_step, all.sizes[k], b_low, b_high);
    return a_low < b_high && b_low < a_high;
}

// Each vector of results that do not begin with a line of memory is stored in two. NumPy's large arrays begin 16 bytes
// behind one; so a first vector is computed apart, and the next begin with lines. It has some results that the next has
// as well, unless they are inputs, too: then it ends before them.
template <class Compute> void contiguous_range(const Compute& compute, const Operands& all, size_t begin, size_t end) {
    auto run = [&](size_t from, size_t n) {
        const void* in[maximum_operands];
        void* out[maximum_operands];
        for (int k = 0; k < all.inputs; ++k) in[k] = all.memory[k] + from * all.sizes[k];
        for (int k = 0; k < all.outputs; ++k) out[k] = all.memory[all.inputs + k] + from * all.sizes[all.inputs + k];
        compute(in, out, n);
    };
    constexpr size_t few_bytes = size_t(1) << 14;  // of which the first vector would take longer than it saves
    size_t size = all.sizes[all.inputs];
    size_t behind = reinterpret_cast<uintptr_t>(all.memory[all.inputs] + begin * size) % line;
    if (behind % size == 0 && behind > 0 && (end - begin) * size >= few_bytes) {
        size_t before = (line - behind) / size;
        run(begin, all.overwrites() ? before : line / size);
        begin += before;
    }
    run(begin, end - begin);
}

// Blocks keep all operands in the first-level cache between conversion and use.
template <class Compute>
void blocked_range(const Compute& compute, const Operands& all, size_t begin, size_t end, size_t block_size) {
    BlockedOperand operands[maximum_operands];
    for (int k = 0; k < all.inputs + all.outputs; ++k) operands[k].set(all.memory[k], all.steps[k], all.sizes[k]);
    for (size_t i = begin; i < end; i += block_size) {
        size_t n = end - i < block_size ? end - i : block_size;
        const void* in[maximum_operands];
        void* out[maximum_operands];
        for (int k = 0; k < all.inputs; ++k) in[k] = operands[k].read(i, n, i == begin || block_size == 1);
        for (int k = 0; k < all.outputs; ++k) out[k] = operands[all.inputs + k].write(i);
        compute(in, out, n);
        for (int k = 0; k < all.outputs; ++k) operands[all.inputs + k].written(i, n);
    }
}

// Drops the parameters from the operands if each is one number for the whole call, and the default.
inline bool take_defaults(const ElementwiseEntry& entry, Dtype dtype, Operands& operands) {
    if (entry.parameters == 0) return false;
    int others = entry.inputs - entry.parameters;
    for (int k = others; k < entry.inputs; ++k)
        if (operands.steps[k] != 0 || !entry.is_default[dtype](operands.memory[k], k - others)) return false;
    for (int k = 0; k < entry.outputs; ++k) {
        operands.sizes[others + k] = operands.sizes[entry.inputs + k];
        operands.memory[others + k] = operands.memory[entry.inputs + k];
        operands.steps[others + k] = operands.steps[entry.inputs + k];
    }
    operands.inputs = others;
    return true;
}

inline void elementwise_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void* data) {
    const ElementwiseLoop& loop = *static_cast<const ElementwiseLoop*>(data);
    const KernelTable& table = current_table();
    const ElementwiseEntry& entry = table.elementwise[loop.index];
    size_t n = size_t(dimensions[0]), size = itemsizes[loop.dtype];
    if (n == 0) return;
    Operands operands = {{}, {}, {}, loop.inputs, loop.outputs};
    for (int k = 0; k < loop.inputs + loop.outputs; ++k) {
        bool parameter = !loop.at_defaults && k >= loop.inputs - entry.parameters && k < loop.inputs;
        operands.sizes[k] = parameter && entry.parameters_are_wide && size < 4 ? 4 : size;
    }
    std::memcpy(operands.memory, args, size_t(loop.inputs + loop.outputs) * sizeof *args);
    std::memcpy(operands.steps, steps, size_t(loop.inputs + loop.outputs) * sizeof *steps);
    bool at_defaults = loop.at_defaults || take_defaults(entry, loop.dtype, operands);
    Kernel kernel = (at_defaults ? entry.at_defaults : entry.kernels)[loop.dtype];

    size_t block_size = block;
    for (int k = operands.inputs; k < operands.inputs + operands.outputs; ++k)
        for (int j = 0; j < k; ++j)
            if (n > 1 && entangled(operands, j, k, n)) block_size = 1;
    bool contiguous = block_size == block, can_choose = contiguous && can_stream(operands, n);
    for (int k = 0; k < operands.inputs + operands.outputs; ++k) contiguous &= operands.contiguous(k);
    size_t page = 4096 / size;  // threads share no page, so each first touches its own
    // compute(in, out, n): the kernel, or what it has found before.
    auto run = [&](const auto& compute, bool looked_up) {
        auto stored = [&](bool stream) {
            parallel_for(n, block_size == block ? page : n, 1, loop.cost, [&](size_t begin, size_t end) {
                if (stream) streamed_range(compute, operands, begin, end);
                else if (contiguous) contiguous_range(compute, operands, begin, end);
                else blocked_range(compute, operands, begin, end, block_size);
            });
        };
        if (!can_choose) stored(false);
        else if (streams_always()) stored(true);
        else loop.stores[looked_up][thread_count() > 1].run(n, stored);
    };
    auto run_or_look_up = [&](auto& looked_up) {
        const auto* known = looked_up.get(table, entry, loop.dtype, kernel, n);
        auto way = [&](bool second) {
            if (second) run(*known, true);
            else run(kernel, false);
        };
        if (!known || looks_up_always()) way(known);
        else looked_up.ways[thread_count() > 1].run(n, way);
    };
    bool can_look_up = size == 2 && block_size == block;
    if (can_look_up && operands.inputs == 1) run_or_look_up(loop.results);
    else if (can_look_up && operands.inputs == 2 && entry.half_vjps[loop.dtype]) run_or_look_up(loop.slopes);
    else run(kernel, false);
}

}  // namespace softfloor
