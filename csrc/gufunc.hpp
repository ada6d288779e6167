// The loop of a gufunc: which way its rows are computed, and in what parts, which threads share.
#pragma once
#include "row_ranges.hpp"

namespace softfloor {

// Whether a column kernel can take the rows where they are: those of each operand are adjacent, or one for all where it
// takes such, and places of entries fit 32 bits.
inline bool are_neighbours(const RowCalls& work) {
    const RowLoop& loop = work.loop;
    if (work.n > size_t(INT32_MAX)) return false;
    for (int k = 0; k < loop.operands(); ++k) {
        Tile rows = work.from(k, 0);
        if (!loop.is_row[k] || (loop.turns_rows_itself() && k < loop.inputs && rows.row_step == 0)) continue;
        if (rows.row_step != ptrdiff_t(loop.sizes[k]) || rows.entry_step == rows.row_step) return false;
    }
    return true;
}

// Where all operands together have less, asking for memory costs more than it gains in wide tiles: measured where the
// processor says that its last-level cache has 480 MB.
constexpr size_t most_unasked = size_t(7) << 23;
inline bool asks_for_memory(const RowCalls& work) {
    return work.n && work.calls * work.rows >= most_unasked / work.loop.bytes(1) / work.n;
}

// Rows of few entries leave most of a register empty; turned, so that they lie side by side, as many rows as it has
// room for fill one. Up to how many entries, by dtype and by how many operands have rows, that takes less time than it
// takes to turn them.
constexpr int most_turned = 3;
constexpr size_t few_entries[dtype_count][most_turned] = {{24, 24, 48}, {24, 24, 48}, {12, 12, 12}, {64, 40, 6}};
inline bool has_few_entries(const RowLoop& loop, size_t n) {
    auto turned = std::count(loop.is_row, loop.is_row + loop.operands(), true);
    return n > 0 && turned > 0 && turned <= most_turned && n <= few_entries[loop.dtype][turned - 1];
}

enum class RowWay { one_by_one, side_by_side, turned };
inline RowWay way_of(const RowCalls& work) {
    const RowLoop& loop = work.loop;
    if (!loop.columns(work.n)) return RowWay::one_by_one;
    bool enough = work.rows >= column_width, are_turned = !enough;
    if (!are_neighbours(work)) are_turned = enough && !loop.turns_rows_itself() && has_few_entries(loop, work.n);
    else if (enough) return RowWay::side_by_side;
    // Neighbours fewer than a column kernel takes are joined with those of other calls.
    bool are_worth_it = work.calls * work.rows >= column_width && work.turned_rows() >= column_width;
    return are_turned && are_worth_it ? RowWay::turned : RowWay::one_by_one;
}

// Rows that a part of a shared loop has at least. The first read and the last write of a column kernel wait for memory
// with nothing else to do, so a part has up to eight tiles, as long as each thread has a part.
inline size_t column_grain(size_t rows) {
    size_t each = std::min(rows / size_t(thread_count()), 8 * most_columns);
    return std::max(each / column_width, size_t(1)) * column_width;
}

// False if there was no memory. Threads share the rows of all calls alike.
inline bool run_row_calls(const RowCalls& work) {
    size_t total = work.calls * work.rows;
    if (total == 0) return true;
    RowWay way = way_of(work);
    bool asks = asks_for_memory(work);
    constexpr size_t calls_uncut = 8;  // per thread; of fewer, parts are less than a call
    size_t grain = 1;
    if (way == RowWay::turned) grain = column_grain(total);
    else if (work.calls >= calls_uncut * size_t(thread_count())) grain = work.rows;
    else if (way == RowWay::side_by_side) grain = column_grain(work.rows);
    std::atomic<bool> complete{true};
    parallel_for(total, grain, work.n, work.loop.cost, [&](size_t begin, size_t end) {
        bool done = way == RowWay::turned         ? work.turned(begin, end)
                    : way == RowWay::side_by_side ? work.side_by_side(begin, end, asks)
                                                  : work.one_by_one(begin, end);
        if (!done) complete = false;
    });
    return complete;
}

inline bool row_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void* data) {
    constexpr ptrdiff_t no_steps[maximum_row_operands] = {};
    return run_row_calls(
        {*static_cast<const RowLoop*>(data), args, 1, size_t(dimensions[0]), size_t(dimensions[1]), steps, no_steps});
}

}  // namespace softfloor
