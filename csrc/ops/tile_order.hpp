// In which tiles adjacent rows are taken. A tile starts on a line of 64 bytes where rows can: a vector of entries that
// crosses one costs two accesses each time. For that, and at the end, a tile takes some rows of the one before once
// more, which is allowed to be written only after the next has been read.
#pragma once
#include "../kernels.hpp"

namespace softfloor {
namespace {

struct TileOrder {
    size_t total;      // rows in all, column_width at least
    bool reads_again;  // rather than put aside what was read; then no tile may have rows of the one before
    size_t most = reads_again ? most_read_again : most_columns;  // rows of a tile
    size_t lead = 0;                                             // rows before the start of the first line

    // Entries of which a tile has all that lies between one and the next are read again where putting them aside needs
    // more than `room`, in bytes; of narrow tiles, from `narrow` entries on.
    template <class T> static TileOrder of(const Strided& entries, size_t n, size_t total, size_t narrow, size_t room) {
        constexpr ptrdiff_t line = 64;
        auto has_all = [&](size_t rows) {
            ptrdiff_t bytes = ptrdiff_t(rows * sizeof(T));
            return entries.entry_step <= bytes && entries.entry_step >= -bytes;
        };
        size_t aside = bytes_aside(n);
        bool is_wide = aside >= room && has_all(most_read_again);
        bool is_narrow = n >= narrow && has_all(most_columns);
        TileOrder order{total, is_wide || is_narrow || aside > most_aside};
        size_t before = size_t(-reinterpret_cast<uintptr_t>(entries.memory)) % line;
        bool has_lines = entries.entry_step % line == 0 && before % sizeof(T) == 0;
        if (!order.reads_again && has_lines && total >= 4 * most_columns) order.lead = before / sizeof(T);
        return order;
    }

    struct Tile {
        size_t first, count;  // a multiple of column_width
        size_t next;          // where the next tile starts: behind this one, or within it
        SOFTFLOOR_INLINE size_t end() const { return first + count; }
    };
    // The tile from `start` on, which may begin before that; empty where fewer than column_width rows are left.
    SOFTFLOOR_INLINE Tile from(size_t start) const {
        size_t rest = total - start, whole = rest / column_width * column_width;
        size_t filled = (rest + column_width - 1) / column_width * column_width;
        if (start == 0 && lead) return {0, (lead + column_width - 1) / column_width * column_width, lead};
        if (rest >= most) return {start, most, start + most};
        if (reads_again || filled > total) return {start, whole, start + whole};
        return {total - filled, filled, total};
    }
};

// The operands of a tile's rows.
template <int count> struct TileOperands {
    Strided operands[count];
    TileOperands(const Strided* all, TileOrder::Tile tile) {
        for (int k = 0; k < count; ++k) operands[k] = {all[k].at(tile.first, 0), all[k].row_step, all[k].entry_step};
    }
};

// Tiles of most_read_again rows, or less, up to one that asks for the row kernel; returns how many rows are done.
// Columns is made in scratch and may leave no row to a tile of less than column_width.
template <class Columns, size_t operand_count>
size_t wide_tiles(const Strided* operands, size_t n, size_t count, ColumnScratch scratch) {
    static_assert(sizeof(Columns) <= read_again_scratch);
    for (size_t first = 0, rows; first < count; first += rows) {
        size_t left = count - first, shorter = most_read_again - column_width;
        rows = left <= most_read_again ? left : left - most_read_again < column_width ? shorter : most_read_again;
        Strided its[operand_count];
        for (size_t k = 0; k < operand_count; ++k)
            its[k] = {operands[k].at(first, 0), operands[k].row_step, operands[k].entry_step};
        if (!(new (scratch.memory) Columns(its, n, rows, scratch))->run()) return first;
    }
    return count;
}

// Asks for the memory of an entry to come, `count` rows from `first` on: of narrow tiles some entries ahead, of wide
// ones the next, as more would fill the first-level cache.
template <class T, bool written = false, size_t entries_ahead = 8>
SOFTFLOOR_INLINE void ask_ahead(const Strided& x, size_t first, size_t entry, size_t count) {
    ask_for<written>(x.at(first, entry + entries_ahead), count * sizeof(T));
}
template <class T, bool written = false>
SOFTFLOOR_INLINE void ask_for_next(const Strided& x, size_t first, size_t entry, size_t count) {
    ask_ahead<T, written, 1>(x, first, entry, count);
}

// A wide tile of a vjp from the output: what its rows are, sixteen at a time. Where they are no multiple of sixteen,
// the last sixteen have some rows of those before, whose numbers exist twice: `numbered` counts them all.
template <class T> struct VjpTile {
    static constexpr size_t most = most_read_again, width = column_width;
    const Strided saved, cotangent, temperature, out;
    size_t n, count;
    const bool asks;
    size_t whole = count / width * width, numbered = whole < count ? whole + width : whole;

    VjpTile(const Strided* operands, size_t length, size_t rows, ColumnScratch scratch)
        : saved(operands[0]),
          cotangent(operands[1]),
          temperature(operands[2]),
          out(operands[3]),
          n(length),
          count(rows),
          asks(scratch.asks) {}
    static void* operator new(size_t, void* scratch) { return scratch; }

    // The first row of sixteen numbers, and its entry i.
    SOFTFLOOR_INLINE size_t start_of(size_t first) const { return first < whole ? first : count - width; }
    SOFTFLOOR_INLINE const T* sixteen(const Strided& of, size_t i, size_t first) const {
        return reinterpret_cast<const T*>(of.at(start_of(first), i));
    }
    // write(first, to) for all rows of an entry. What the last have in common with those before is read before it
    // may be overwritten.
    template <class Write> SOFTFLOOR_INLINE void write_entry(size_t i, Write write) const {
        T last[width];
        if (whole < count) write(whole, last);
        for (size_t first = 0; first < whole; first += width) write(first, reinterpret_cast<T*>(out.at(first, i)));
        if (whole < count) __builtin_memcpy(out.at(count - width, i), last, sizeof last);
    }
};

}  // namespace
}  // namespace softfloor
