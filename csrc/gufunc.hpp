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

// Rows that lie side by side while the entries of each lie far apart, as along axis 0, are taken many at a time: a
// cache line read for one row holds entries of its neighbours. All that a tile has of an entry is read, or written,
// before the next entry: at a step of a power of two, lines of several entries would push each other out of the cache.
using Tile = Strided;

// Four rows of four entries of 4 bytes; one of the tiles has its rows contiguous, the other its entries.
inline void copy_four_by_four(char* to, ptrdiff_t to_line, const char* from, ptrdiff_t from_line) {
    typedef uint32_t Four __attribute__((vector_size(16)));
    Four a, b, c, d;
    std::memcpy(&a, from, 16);
    std::memcpy(&b, from + from_line, 16);
    std::memcpy(&c, from + 2 * from_line, 16);
    std::memcpy(&d, from + 3 * from_line, 16);
    constexpr Four low = {0, 4, 1, 5}, high = {2, 6, 3, 7}, first = {0, 1, 4, 5}, second = {2, 3, 6, 7};
    Four ab = __builtin_shuffle(a, b, low), cd = __builtin_shuffle(c, d, low);
    Four ab_high = __builtin_shuffle(a, b, high), cd_high = __builtin_shuffle(c, d, high);
    Four lines[] = {__builtin_shuffle(ab, cd, first), __builtin_shuffle(ab, cd, second),
                    __builtin_shuffle(ab_high, cd_high, first), __builtin_shuffle(ab_high, cd_high, second)};
    for (int k = 0; k < 4; ++k) std::memcpy(to + k * to_line, &lines[k], 16);
}

inline void copy_tile(size_t size, const Tile& to, const Tile& from, size_t rows, size_t n) {
    bool reading = from.row_step == 4 && to.entry_step == 4, writing = to.row_step == 4 && from.entry_step == 4;
    size_t fast_rows = size == 4 && (reading || writing) ? rows / 4 * 4 : 0, fast_entries = fast_rows ? n / 4 * 4 : 0;
    for (size_t entry = 0; entry < fast_entries; entry += 4)
        for (size_t row = 0; row < fast_rows; row += 4)
            copy_four_by_four(to.at(row, entry), reading ? to.row_step : to.entry_step, from.at(row, entry),
                              reading ? from.entry_step : from.row_step);
    for (size_t entry = 0; entry < n; ++entry) {
        size_t row = entry < fast_entries ? fast_rows : 0;
        copy_strided(size, to.at(row, entry), to.row_step, from.at(row, entry), from.row_step, rows - row);
    }
}

// How many rows a tile has: whole cache lines of each entry, fewer where the tile would leave the second-level cache,
// and however long the rows are, no more than a bounded amount of memory beyond one row.
inline size_t tile_rows(size_t n, size_t size) {
    constexpr size_t cache = size_t(1) << 19, memory = size_t(1) << 24, most_lines = 16;
    size_t line = 64 / size, bytes = n * size + 1, lines = cache / bytes / line;
    size_t rows = line * (lines < 1 ? 1 : lines > most_lines ? most_lines : lines), affordable = memory / bytes;
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

// How many rows a column kernel takes at once: none where an operand's rows are not adjacent, or too long.
inline size_t column_count(const RowLoop& loop, const ptrdiff_t* steps, size_t n) {
    constexpr size_t cache = size_t(1) << 19, memory = size_t(1) << 24;
    int operands = loop.inputs + loop.outputs;
    for (int k = 0, core = operands; k < operands; ++k) {
        if (!loop.is_row[k]) continue;
        ptrdiff_t entry_step = steps[core++];
        if (steps[k] != ptrdiff_t(loop.sizes[k]) || entry_step == steps[k]) return 0;
    }
    size_t one = column_scratch(n, column_width);
    if (one > memory) return 0;
    size_t blocks = cache / one;
    return column_width * (blocks < 1                             ? 1
                           : blocks > most_columns / column_width ? most_columns / column_width
                                                                  : blocks);
}

// The same as rows_range, by a column kernel as far as it goes.
inline bool columns_range(ColumnKernel columns, RowKernel kernel, const RowLoop& loop, char* const* args,
                          const ptrdiff_t* steps, size_t n, size_t begin, size_t end, size_t count) {
    int operands = loop.inputs + loop.outputs;
    std::unique_ptr<char[]> scratch(new (std::nothrow) char[column_scratch(n, count) + 64]);
    if (!scratch) return false;
    auto* aligned = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(scratch.get()) + 63) / 64 * 64);
    while (begin < end) {
        size_t taken = end - begin < count ? (end - begin) / column_width * column_width : count;
        Strided operand[maximum_row_operands];
        for (int k = 0, core = operands; k < operands; ++k)
            operand[k] = {args[k] + ptrdiff_t(begin) * steps[k], steps[k], loop.is_row[k] ? steps[core++] : 0};
        if (!taken || !columns(operand, n, taken, aligned)) {
            if (!taken) taken = end - begin;
            if (!rows_range(kernel, loop, args, steps, n, begin, begin + taken)) return false;
        }
        begin += taken;
    }
    return true;
}

inline bool row_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void* data) {
    const RowLoop& loop = *static_cast<const RowLoop*>(data);
    size_t rows = size_t(dimensions[0]), n = size_t(dimensions[1]);
    const RowEntry& entry = current_table().rows[loop.index];
    RowKernel kernel = entry.kernels[loop.dtype];
    ColumnKernel columns = entry.column_kernels[loop.dtype];
    size_t count = columns ? column_count(loop, steps, n) : 0;
    std::atomic<bool> complete{true};
    parallel_for(rows, count ? column_width : 1, n, loop.cost, [&](size_t begin, size_t end) {
        bool done = count ? columns_range(columns, kernel, loop, args, steps, n, begin, end, count)
                          : rows_range(kernel, loop, args, steps, n, begin, end);
        if (!done) complete = false;
    });
    return complete;
}

}  // namespace softfloor
