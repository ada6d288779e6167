// From NumPy's strided rows to what kernels work on: contiguous rows, rows side by side, copies of either kind.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <new>

#include "caches.hpp"
#include "dispatch.hpp"
#include "threads.hpp"
#include "tiles.hpp"

namespace softfloor {

constexpr int maximum_row_operands = 10;

struct RowLoop {
    int index;
    Dtype dtype;
    int inputs, outputs;
    size_t sizes[maximum_row_operands];  // of an item, per operand
    bool is_row[maximum_row_operands];   // the operand has the core dimension
    mutable ElementCost cost{};

    int operands() const { return inputs + outputs; }
    const RowEntry& entry() const { return current_table().rows[index]; }
    // The column kernel for rows of n entries, or null; and whether it turns rows itself.
    ColumnKernel columns(size_t n) const {
        size_t most = entry().most_entries[dtype];
        return most && (n == 0 || n > most) ? nullptr : entry().column_kernels[dtype];
    }
    bool turns_rows_itself() const { return entry().most_entries[dtype] > 0; }
    // Of a row of n entries in all operands.
    size_t bytes(size_t n) const {
        size_t sum = 0;
        for (int k = 0; k < operands(); ++k) sum += is_row[k] ? n * sizes[k] : 0;
        return sum;
    }
};

// What column kernels may put aside. Tests set it.
inline std::atomic<size_t> second_level_cache_bytes{cache_size(2) ? cache_size(2) : size_t(1) << 20};

// Memory that begins on a line, or null.
class Scratch {
    std::unique_ptr<char[]> memory;

  public:
    static constexpr size_t line = 64;
    explicit Scratch(size_t bytes) : memory(new (std::nothrow) char[bytes + line]) {}
    char* get() const {
        return reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(memory.get()) + line - 1) / line * line);
    }
    explicit operator bool() const { return bool(memory); }
};

// The rows of calls of a loop, as many in each: rows of an operand lie steps[k] apart in a call, calls call_steps[k],
// entries by the steps after those. Numbers per row, and rows whose entries are contiguous, go on in the next call as
// in their own.
//
// Each way to compute rows from `begin` to `end` gives the same bits; false if there was no memory, and then the rows
// from there on are untouched.
struct RowCalls {
    const RowLoop& loop;
    char* const* args;
    size_t calls, rows, n;
    const ptrdiff_t *steps, *call_steps;

    // Rows of an operand from that one on, to the end of its call.
    Tile from(int k, size_t row) const {
        ptrdiff_t entry_step = 0;
        if (loop.is_row[k]) entry_step = steps[loop.operands() + std::count(loop.is_row, loop.is_row + k, true)];
        char* memory = args[k] + ptrdiff_t(row / rows) * call_steps[k] + ptrdiff_t(row % rows) * steps[k];
        return {memory, steps[k], entry_step};
    }
    // body(first, count) for the rows from begin to end, those of each call together.
    template <class Body> void each_call(size_t begin, size_t end, Body body) const {
        for (size_t count; begin < end; begin += count) {
            count = std::min(rows - begin % rows, end - begin);
            body(begin, count);
        }
    }
    void copy_rows(int k, const Tile& copies, size_t begin, size_t end, bool back) const {
        each_call(begin, end, [&](size_t first, size_t count) {
            Tile original = from(k, first), copy = {copies.at(first - begin, 0), copies.row_step, copies.entry_step};
            copy_tile(loop.sizes[k], back ? original : copy, back ? copy : original, count, n);
        });
    }

    // By the row kernel; rows whose entries are not contiguous are copied, a tile at a time.
    bool one_by_one(size_t begin, size_t end) const {
        bool copied[maximum_row_operands] = {};
        size_t copies = 0, widest = 1;
        for (int k = 0; k < loop.operands(); ++k) {
            copied[k] = loop.is_row[k] && from(k, 0).entry_step != ptrdiff_t(loop.sizes[k]);
            copies += copied[k];
            if (copied[k] && loop.sizes[k] > widest) widest = loop.sizes[k];
        }
        size_t tile = std::min(copies ? tile_rows(n, widest) : end - begin, end - begin);
        // Copied rows start an odd number of cache lines apart: at a power of two they would share few cache sets.
        size_t pitch = ((n * widest + 63) / 64 | 1) * 64, aside = (row_scratch(n) + 63) / 64 * 64;
        Scratch scratch(aside + copies * tile * pitch);
        if (!scratch) return false;
        for (size_t first = begin, last; first < end; first = last) {
            last = std::min(first + tile, end);
            Tile operands[maximum_row_operands];
            char* next = scratch.get() + aside;
            for (int k = 0; k < loop.operands(); ++k) {
                operands[k] = from(k, first);
                if (!copied[k]) continue;
                operands[k] = {next, ptrdiff_t(pitch), ptrdiff_t(loop.sizes[k])};
                next += tile * pitch;
                if (k < loop.inputs) copy_rows(k, operands[k], first, last, false);
            }
            loop.entry().kernels[loop.dtype](operands, n, last - first, scratch.get());
            for (int k = loop.inputs; k < loop.operands(); ++k)
                if (copied[k]) copy_rows(k, operands[k], first, last, true);
        }
        return true;
    }

    // By a column kernel as far as it goes: columns(begin, count) returns how many rows it has written, fewer where a
    // row asks for its row kernel. Then what is beside it was read in vain, and the next are fewer, then more.
    template <class Columns> bool by_columns(size_t begin, size_t end, size_t most, Columns columns) const {
        for (size_t at_once = most; begin < end;) {
            size_t asked = std::min(end - begin, at_once);
            if (asked >= column_width) {
                size_t done = columns(begin, asked);
                begin += done;
                at_once = done == asked ? std::min(2 * at_once, most) : std::min(most_columns, most);
                if (done == asked) continue;
            }
            size_t others = std::min(end - begin, most_columns);
            if (!one_by_one(begin, begin + others)) return false;
            begin += others;
        }
        return true;
    }

    // Rows that are neighbours in memory, where they are.
    bool side_by_side(size_t begin, size_t end, bool asks) const {
        Scratch scratch(column_scratch(n));
        if (!scratch) return false;
        bool complete = true;
        each_call(begin, end, [&](size_t first, size_t count) {
            complete = complete && by_columns(first, first + count, count, [&](size_t row, size_t asked) {
                           Tile operands[maximum_row_operands];
                           for (int k = 0; k < loop.operands(); ++k) operands[k] = from(k, row);
                           size_t cache = second_level_cache_bytes.load(std::memory_order_relaxed);
                           return loop.columns(n)(operands, n, asked, {scratch.get(), column_scratch(n), cache, asks});
                       });
        });
        return complete;
    }

    // Copies that are neighbours, of any rows, a tile at a time.
    bool turned(size_t begin, size_t end) const {
        size_t tile = turned_rows(), aside = column_scratch(n), copies = 0;
        // A line more than a power of two, at which entries would share few sets of the cache.
        auto pitch = [&](int k) { return tile * loop.sizes[k] + Scratch::line; };
        for (int k = 0; k < loop.operands(); ++k) copies += loop.is_row[k] ? n * pitch(k) : 0;
        Scratch scratch(aside + copies);
        if (!scratch) return false;
        return by_columns(begin, end, tile, [&](size_t first, size_t asked) {
            Tile operands[maximum_row_operands];
            char* next = scratch.get() + aside;
            for (int k = 0; k < loop.operands(); ++k) {
                operands[k] = from(k, first);
                if (!loop.is_row[k]) continue;
                operands[k] = {next, ptrdiff_t(loop.sizes[k]), ptrdiff_t(pitch(k))};
                next += n * pitch(k);
                if (k < loop.inputs) copy_rows(k, operands[k], first, first + asked, false);
            }
            size_t done = loop.columns(n)(operands, n, asked, {scratch.get(), aside, size_t(-1), false});
            for (int k = loop.inputs; k < loop.operands(); ++k)
                if (loop.is_row[k]) copy_rows(k, operands[k], first, first + done, true);
            return done;
        });
    }
    // Rows of a tile of turned copies: the second-level cache has room for those of all operands.
    size_t turned_rows() const {
        size_t cache = second_level_cache_bytes.load(std::memory_order_relaxed);
        return std::min(cache / (loop.bytes(n) + 1) / column_width * column_width, 2 * most_columns);
    }
};

}  // namespace softfloor
