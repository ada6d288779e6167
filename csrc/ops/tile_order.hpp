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
        size_t aside = bytes_aside(n, sizeof(T));
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

// How many entries before its turn the memory of one is asked for. Of wide tiles, eight would fill the first-level
// cache.
SOFTFLOOR_INLINE size_t entries_ahead(size_t count) { return count > most_columns ? 1 : 8; }
// The same for all `count` rows of a tile from `first` on.
template <class T, bool written = false>
SOFTFLOOR_INLINE void ask_ahead(const Strided& x, size_t first, size_t entry, size_t count) {
    ask_for<written>(x.at(first, entry + entries_ahead(count)), count * sizeof(T));
}

}  // namespace
}  // namespace softfloor
