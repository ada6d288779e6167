// From NumPy's strided rows to the contiguous rows that row kernels work on.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <new>

#include "caches.hpp"
#include "tiles.hpp"
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
    // The step between the entries of an operand's rows, and whether its rows are copied to be contiguous.
    ptrdiff_t entry_steps[maximum_row_operands] = {};
    bool copied[maximum_row_operands] = {};
    size_t copies = 0, widest = 1;
    for (int k = 0, core = count; k < count; ++k) {
        if (!loop.is_row[k]) continue;
        entry_steps[k] = steps[core++];
        copied[k] = entry_steps[k] != ptrdiff_t(loop.sizes[k]);
        copies += copied[k];
        if (copied[k] && loop.sizes[k] > widest) widest = loop.sizes[k];
    }
    size_t tile = copies ? tile_rows(n, widest) : end - begin;
    if (tile > end - begin) tile = end - begin;
    // Copied rows start an odd number of cache lines apart: at a power of two they would share few cache sets.
    size_t pitch = ((n * widest + 63) / 64 | 1) * 64;
    size_t scratch = row_scratch(n) / 8 + 1;
    std::unique_ptr<double[]> memory(new (std::nothrow) double[scratch + copies * tile * (pitch / 8)]);
    if (!memory) return false;
    char* own[maximum_row_operands] = {};
    char* next = reinterpret_cast<char*>(memory.get() + scratch);
    for (int k = 0; k < count; ++k)
        if (copied[k]) {
            own[k] = next;
            next += tile * pitch;
        }
    auto copy = [&](int k) { return Tile{own[k], ptrdiff_t(pitch), ptrdiff_t(loop.sizes[k])}; };
    auto original = [&](int k, size_t first) {
        return Tile{args[k] + ptrdiff_t(first) * steps[k], steps[k], entry_steps[k]};
    };
    for (size_t first = begin; first < end; first += tile) {
        size_t rows = end - first < tile ? end - first : tile;
        for (int k = 0; k < loop.inputs; ++k)
            if (copied[k]) copy_tile(loop.sizes[k], copy(k), original(k, first), rows, n);
        Tile operands[maximum_row_operands];
        for (int k = 0; k < count; ++k) operands[k] = copied[k] ? copy(k) : original(k, first);
        kernel(operands, n, rows, memory.get());
        for (int k = loop.inputs; k < count; ++k)
            if (copied[k]) copy_tile(loop.sizes[k], original(k, first), copy(k), rows, n);
    }
    return true;
}

// Whether a column kernel can take the rows: those of each operand are adjacent, or one for all where it takes such,
// and places of entries fit 32 bits.
inline bool in_columns(const RowLoop& loop, const ptrdiff_t* steps, size_t n, bool takes_common_rows) {
    if (n > size_t(INT32_MAX)) return false;
    int operands = loop.inputs + loop.outputs;
    for (int k = 0, core = operands; k < operands; ++k) {
        if (!loop.is_row[k]) continue;
        ptrdiff_t entry_step = steps[core++];
        if (takes_common_rows && k < loop.inputs && steps[k] == 0) continue;
        if (steps[k] != ptrdiff_t(loop.sizes[k]) || entry_step == steps[k]) return false;
    }
    return true;
}

// What column kernels may put aside. Tests set it.
inline std::atomic<size_t> second_level_cache_bytes{cache_size(2) ? cache_size(2) : size_t(1) << 20};

// Where all operands of a call together have less, asking for memory costs more than it gains in wide tiles: measured
// where the processor says that its last-level cache has 480 MB.
constexpr size_t most_unasked = size_t(7) << 23;
inline bool asks_for_memory(const RowLoop& loop, size_t rows, size_t n) {
    size_t bytes = 0;
    for (int k = 0; k < loop.inputs + loop.outputs; ++k) bytes += loop.is_row[k] ? loop.sizes[k] : 0;
    return n && rows >= most_unasked / bytes / n;
}

// The same as rows_range, by a column kernel as far as it goes.
inline bool columns_range(ColumnKernel columns, RowKernel kernel, const RowLoop& loop, char* const* args,
                          const ptrdiff_t* steps, size_t n, size_t begin, size_t end, bool asks) {
    int operands = loop.inputs + loop.outputs;
    std::unique_ptr<char[]> scratch(new (std::nothrow) char[column_scratch(n) + 64]);
    if (!scratch) return false;
    ColumnScratch aligned = {reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(scratch.get()) + 63) / 64 * 64),
                             column_scratch(n), second_level_cache_bytes.load(std::memory_order_relaxed), asks};
    // Where a row asks for its row kernel, a wide tile that has it was read in vain: the next are narrow, then wider.
    size_t at_once = end - begin;
    while (begin < end) {
        size_t rest = end - begin;
        if (rest >= column_width) {
            size_t asked = std::min(rest, at_once);
            Strided operand[maximum_row_operands];
            for (int k = 0, core = operands; k < operands; ++k)
                operand[k] = {args[k] + ptrdiff_t(begin) * steps[k], steps[k], loop.is_row[k] ? steps[core++] : 0};
            size_t done = columns(operand, n, asked, aligned);
            begin += done;
            at_once = done == asked ? 2 * at_once : most_columns;
            if (done == asked) continue;
        }
        size_t others = std::min(end - begin, most_columns);
        if (!rows_range(kernel, loop, args, steps, n, begin, begin + others)) return false;
        begin += others;
    }
    return true;
}

// Rows of few entries leave most of a register empty; turned, so that they lie side by side, as many rows as it has
// room for fill one. Up to how many entries, by dtype and by how many operands have rows, that takes less time than it
// takes to turn them.
constexpr int most_turned = 3;
constexpr size_t few_entries[dtype_count][most_turned] = {{24, 24, 48}, {24, 24, 48}, {12, 12, 12}, {64, 40, 6}};
inline bool has_few_entries(const RowLoop& loop, size_t n) {
    int turned = 0;
    for (int k = 0; k < loop.inputs + loop.outputs; ++k) turned += loop.is_row[k];
    return n > 0 && turned > 0 && turned <= most_turned && n <= few_entries[loop.dtype][turned - 1];
}

// The same as rows_range, by a column kernel on turned copies as far as it goes.
inline bool turned_range(ColumnKernel columns, RowKernel kernel, const RowLoop& loop, char* const* args,
                         const ptrdiff_t* steps, size_t n, size_t begin, size_t end) {
    constexpr size_t line = 64, tile = 2 * most_columns;  // in the first-level cache, with copies of all operands
    int operands = loop.inputs + loop.outputs;
    size_t aside = column_scratch(n), copies = 0;
    // A line more than a power of two, at which entries would share few sets of the cache.
    auto pitch = [&](int k) { return tile * loop.sizes[k] + line; };
    for (int k = 0; k < operands; ++k) copies += loop.is_row[k] ? n * pitch(k) : 0;
    std::unique_ptr<char[]> memory(new (std::nothrow) char[aside + copies + line]);
    if (!memory) return false;
    char* scratch = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(memory.get()) + line - 1) / line * line);
    size_t at_once = tile;  // fewer where a row has asked for its row kernel, which reads in vain what is beside it
    while (begin < end) {
        size_t rows = std::min(end - begin, at_once), done = 0;
        if (rows >= column_width) {
            Tile original[maximum_row_operands], turned[maximum_row_operands];
            char* next = scratch + aside;
            for (int k = 0, core = operands; k < operands; ++k) {
                original[k] = turned[k] = {args[k] + ptrdiff_t(begin) * steps[k], steps[k], 0};
                if (!loop.is_row[k]) continue;
                original[k].entry_step = steps[core++];
                turned[k] = {next, ptrdiff_t(loop.sizes[k]), ptrdiff_t(pitch(k))};
                next += n * pitch(k);
                if (k < loop.inputs) copy_tile(loop.sizes[k], turned[k], original[k], rows, n);
            }
            done = columns(turned, n, rows, {scratch, aside, size_t(-1), false});
            for (int k = loop.inputs; k < operands; ++k)
                if (loop.is_row[k]) copy_tile(loop.sizes[k], original[k], turned[k], done, n);
            begin += done;
            at_once = done == rows ? tile : most_columns;
            if (done == rows) continue;
        }
        size_t others = std::min(end - begin, most_columns);
        if (!rows_range(kernel, loop, args, steps, n, begin, begin + others)) return false;
        begin += others;
    }
    return true;
}

// Of as many calls per thread, parts are whole calls.
constexpr size_t calls_uncut = 8;

// Rows that a part of a shared loop has at least. The first read and the last write of a column kernel wait for memory
// with nothing else to do, so a part has up to eight tiles, as long as each thread has a part.
inline size_t column_grain(size_t rows) {
    size_t each = std::min(rows / size_t(thread_count()), 8 * most_columns);
    return std::max(each / column_width, size_t(1)) * column_width;
}

// Calls of a loop, as many rows in each; an operand of the next call lies call_steps further.
struct RowCalls {
    size_t calls, rows, n;
    const ptrdiff_t *steps, *call_steps;
};

// False if there was no memory. Threads share all rows alike, of one call or of many.
inline bool run_row_calls(const RowLoop& loop, char* const* args, const RowCalls& work) {
    size_t rows = work.rows, n = work.n;
    const ptrdiff_t* steps = work.steps;
    const RowEntry& entry = current_table().rows[loop.index];
    RowKernel kernel = entry.kernels[loop.dtype];
    ColumnKernel columns = entry.column_kernels[loop.dtype];
    size_t most_entries = entry.most_entries[loop.dtype];
    if (most_entries && (n == 0 || n > most_entries)) columns = nullptr;
    bool side_by_side = columns && in_columns(loop, steps, n, most_entries > 0);
    bool turned = columns && !side_by_side && !most_entries && rows >= column_width && has_few_entries(loop, n);
    bool asks = asks_for_memory(loop, work.calls * rows, n);
    size_t grain = work.calls >= calls_uncut * size_t(thread_count()) ? rows
                   : side_by_side || turned                           ? column_grain(rows)
                                                                      : 1;
    std::atomic<bool> complete{true};
    parallel_for(work.calls * rows, grain, n, loop.cost, [&](size_t begin, size_t end) {
        for (size_t done; begin < end; begin += done) {
            char* at[maximum_row_operands];
            for (int k = 0; k < loop.inputs + loop.outputs; ++k)
                at[k] = args[k] + ptrdiff_t(begin / rows) * work.call_steps[k];
            size_t first = begin % rows, last = std::min(rows, first + end - begin);
            done = last - first;
            if (!(side_by_side ? columns_range(columns, kernel, loop, at, steps, n, first, last, asks)
                  : turned     ? turned_range(columns, kernel, loop, at, steps, n, first, last)
                               : rows_range(kernel, loop, at, steps, n, first, last)))
                complete = false;
        }
    });
    return complete;
}

inline bool row_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void* data) {
    constexpr ptrdiff_t no_steps[maximum_row_operands] = {};
    return run_row_calls(*static_cast<const RowLoop*>(data), args,
                         {1, size_t(dimensions[0]), size_t(dimensions[1]), steps, no_steps});
}

}  // namespace softfloor
