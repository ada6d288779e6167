// From NumPy's strided rows to the contiguous rows that row kernels work on.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <new>

#include "caches.hpp"
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

// Rows that lie side by side while the entries of each lie far apart, as along axis 0, are taken many at a time: a
// cache line read for one row holds entries of its neighbours. All that a tile has of an entry is read, or written,
// before the next entry: at a step of a power of two, lines of several entries would push each other out of the cache.
using Tile = Strided;

// As many rows of as many entries as 16 bytes hold; one of the tiles has its rows contiguous, the other its entries.
// Line j and line j + count/2 interleaved, round by round: item j of line i ends as item i of line j.
template <class Item> inline void copy_block(char* to, ptrdiff_t to_line, const char* from, ptrdiff_t from_line) {
    constexpr int count = 16 / sizeof(Item);
    typedef Item Line __attribute__((vector_size(16)));
    Line low, high, lines[count], interleaved[count];
    for (int j = 0; j < count; ++j) low[j] = Item(j / 2 + j % 2 * count), high[j] = Item(low[j] + count / 2);
    for (int j = 0; j < count; ++j) std::memcpy(&lines[j], from + j * from_line, 16);
    for (int round = 1; round < count; round *= 2) {
        for (int j = 0; j < count / 2; ++j) {
            interleaved[2 * j] = __builtin_shuffle(lines[j], lines[j + count / 2], low);
            interleaved[2 * j + 1] = __builtin_shuffle(lines[j], lines[j + count / 2], high);
        }
        for (int j = 0; j < count; ++j) lines[j] = interleaved[j];
    }
    for (int j = 0; j < count; ++j) std::memcpy(to + j * to_line, &lines[j], 16);
}

// By value: stores to memory that is known by address alone could otherwise change the steps.
template <class Item> void copy_tile(Tile to, Tile from, size_t rows, size_t n) {
    constexpr size_t size = sizeof(Item), block = 16 / size, ahead = 8;
    bool reading = from.row_step == ptrdiff_t(size) && to.entry_step == ptrdiff_t(size);
    bool writing = to.row_step == ptrdiff_t(size) && from.entry_step == ptrdiff_t(size);
    size_t fast_rows = reading || writing ? rows / block * block : 0, fast_entries = fast_rows ? n / block * block : 0;
    for (size_t entry = 0; entry < fast_entries; entry += block) {
        if constexpr (size == 8)  // copies of narrower items stay in the caches, and asking cost them 5%
            for (size_t k = 0; k < block; ++k) ask_for((reading ? from : to).at(0, entry + ahead + k), rows * size);
        for (size_t row = 0; row < fast_rows; row += block)
            copy_block<Item>(to.at(row, entry), reading ? to.row_step : to.entry_step, from.at(row, entry),
                             reading ? from.entry_step : from.row_step);
    }
    for (size_t entry = 0; entry < n; ++entry) {
        size_t row = entry < fast_entries ? fast_rows : 0;
        copy_strided(size, to.at(row, entry), to.row_step, from.at(row, entry), from.row_step, rows - row);
    }
}
inline void copy_tile(size_t size, const Tile& to, const Tile& from, size_t rows, size_t n) {
    if (size == 8) copy_tile<uint64_t>(to, from, rows, n);
    else if (size == 4) copy_tile<uint32_t>(to, from, rows, n);
    else copy_tile<uint16_t>(to, from, rows, n);
}

// How many rows a tile has: 16 cache lines of each entry, down to four where a copy would leave the second-level cache,
// which costs less than fewer neighbours, and however long the rows are, no more than a bounded amount of memory beyond
// one row.
inline size_t tile_rows(size_t n, size_t size) {
    constexpr size_t cache = size_t(1) << 19, memory = size_t(1) << 24, least_lines = 4, most_lines = 16;
    size_t line = 64 / size, bytes = n * size + 1, lines = cache / bytes / line;
    size_t rows = line * std::clamp(lines, least_lines, most_lines), affordable = memory / bytes;
    return rows <= affordable ? rows : affordable > 1 ? affordable : 1;
}

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

// Whether a column kernel can take the rows: those of each operand are adjacent, and places of entries fit 32 bits.
inline bool in_columns(const RowLoop& loop, const ptrdiff_t* steps, size_t n) {
    if (n > size_t(INT32_MAX)) return false;
    int operands = loop.inputs + loop.outputs;
    for (int k = 0, core = operands; k < operands; ++k) {
        if (!loop.is_row[k]) continue;
        ptrdiff_t entry_step = steps[core++];
        if (steps[k] != ptrdiff_t(loop.sizes[k]) || entry_step == steps[k]) return false;
    }
    return true;
}

// What column kernels may put aside. Tests set it.
inline std::atomic<size_t> second_level_cache_bytes{cache_size(2) ? cache_size(2) : size_t(1) << 20};

// The same as rows_range, by a column kernel as far as it goes.
inline bool columns_range(ColumnKernel columns, RowKernel kernel, const RowLoop& loop, char* const* args,
                          const ptrdiff_t* steps, size_t n, size_t begin, size_t end) {
    int operands = loop.inputs + loop.outputs;
    std::unique_ptr<char[]> scratch(new (std::nothrow) char[column_scratch(n, itemsizes[loop.dtype]) + 64]);
    if (!scratch) return false;
    ColumnScratch aligned = {reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(scratch.get()) + 63) / 64 * 64),
                             second_level_cache_bytes.load(std::memory_order_relaxed)};
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

// Rows that a part of a shared loop has at least. The first read and the last write of a column kernel wait for memory
// with nothing else to do, so a part has up to eight tiles, as long as each thread has a part.
inline size_t column_grain(size_t rows) {
    size_t each = std::min(rows / size_t(thread_count()), 8 * most_columns);
    return std::max(each / column_width, size_t(1)) * column_width;
}

inline bool row_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void* data) {
    const RowLoop& loop = *static_cast<const RowLoop*>(data);
    size_t rows = size_t(dimensions[0]), n = size_t(dimensions[1]);
    const RowEntry& entry = current_table().rows[loop.index];
    RowKernel kernel = entry.kernels[loop.dtype];
    ColumnKernel columns = entry.column_kernels[loop.dtype];
    if (columns && !in_columns(loop, steps, n)) columns = nullptr;
    std::atomic<bool> complete{true};
    parallel_for(rows, columns ? column_grain(rows) : 1, n, loop.cost, [&](size_t begin, size_t end) {
        bool done = columns ? columns_range(columns, kernel, loop, args, steps, n, begin, end)
                            : rows_range(kernel, loop, args, steps, n, begin, end);
        if (!done) complete = false;
    });
    return complete;
}

}  // namespace softfloor
