// Copies of rows: to be contiguous, to lie side by side, and back.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels.hpp"
#include "operands.hpp"

namespace softfloor {

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

// Entry by entry, as many bytes as lie together in both.
template <size_t size>
inline void copy_runs(char* to, ptrdiff_t to_step, const char* from, ptrdiff_t from_step, size_t bytes, size_t n) {
    for (; n > 0; --n, to += to_step, from += from_step) {
        for (size_t at = 0; at + size < bytes; at += size) std::memcpy(to + at, from + at, size);
        std::memcpy(to + bytes - size, from + bytes - size, size);  // some bytes once more
    }
}
inline void copy_runs(char* to, ptrdiff_t to_step, const char* from, ptrdiff_t from_step, size_t bytes, size_t n) {
    if (bytes >= 16) copy_runs<16>(to, to_step, from, from_step, bytes, n);
    else if (bytes >= 8) copy_runs<8>(to, to_step, from, from_step, bytes, n);
    else if (bytes >= 4) copy_runs<4>(to, to_step, from, from_step, bytes, n);
    else copy_runs<2>(to, to_step, from, from_step, bytes, n);
}

// By value: stores to memory that is known by address alone could otherwise change the steps.
template <class Item> void copy_tile(Tile to, Tile from, size_t rows, size_t n) {
    constexpr size_t size = sizeof(Item), block = 16 / size, ahead = 8;
    bool reading = from.row_step == ptrdiff_t(size) && to.entry_step == ptrdiff_t(size);
    bool writing = to.row_step == ptrdiff_t(size) && from.entry_step == ptrdiff_t(size);
    bool has_blocks = (reading || writing) && n >= block;
    size_t fast_rows = has_blocks ? rows / block * block : 0, fast_entries = fast_rows ? n : 0;
    for (size_t begin = 0; begin < fast_entries; begin += block) {
        size_t entry = n - begin < block ? n - block : begin;  // the last block takes some entries once more
        if constexpr (size == 8)  // copies of narrower items stay in the caches, and asking cost them 5%
            for (size_t k = 0; k < block; ++k) ask_for((reading ? from : to).at(0, entry + ahead + k), rows * size);
        for (size_t row = 0; row < fast_rows; row += block)
            copy_block<Item>(to.at(row, entry), reading ? to.row_step : to.entry_step, from.at(row, entry),
                             reading ? from.entry_step : from.row_step);
    }
    if (rows - fast_rows < n)
        for (size_t row = fast_rows; row < rows; ++row)
            copy_strided<size>(to.at(row, 0), to.entry_step, from.at(row, 0), from.entry_step, n);
    else
        for (size_t entry = 0; entry < n; ++entry)
            copy_strided<size>(to.at(fast_rows, entry), to.row_step, from.at(fast_rows, entry), from.row_step,
                               rows - fast_rows);
}
inline void copy_tile(size_t size, const Tile& to, const Tile& from, size_t rows, size_t n) {
    if (to.row_step == ptrdiff_t(size) && from.row_step == ptrdiff_t(size))
        copy_runs(to.memory, to.entry_step, from.memory, from.entry_step, rows * size, n);
    else if (size == 8) copy_tile<uint64_t>(to, from, rows, n);
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

}  // namespace softfloor
