// What an instruction set offers: two tables of kernels over contiguous memory, one entry per function and variant.
#pragma once
#include <cstddef>

namespace softfloor {

enum Dtype { float16, bfloat16, float32, float64, dtype_count };
constexpr int half_count = 2;
constexpr size_t elementwise_block = 512;

// Elementwise: every operand has the function's dtype; parameters are the last inputs, and may be wide: float32 beside
// float16 and bfloat16. Where there are any, a second set of kernels has them fixed at their defaults and takes the
// other inputs only. The vjp of a half precision, parameters at their defaults, may come in two steps: slopes of x, 32
// bits each, and the results from x, cotangents and these, a block at a time.
using Kernel = void (*)(const void* const* in, void* const* out, size_t n);
using IsDefault = bool (*)(const void* value, int parameter);
struct ElementwiseEntry {
    const char* name;
    const char* variant;
    int inputs, outputs, parameters;
    bool parameters_are_wide;
    Kernel kernels[dtype_count];
    Kernel at_defaults[dtype_count];
    IsDefault is_default[dtype_count];
    Kernel half_slopes[half_count] = {}, half_vjps[half_count] = {};  // null where there are none
};

// Memory by row and entry.
struct Strided {
    char* memory;
    ptrdiff_t row_step, entry_step;
    [[gnu::always_inline]] char* at(size_t row, size_t entry) const {  // no symbol: units of several sets include this
        return memory + ptrdiff_t(row) * row_step + ptrdiff_t(entry) * entry_step;
    }
};

// Asks for lines of memory before they are needed: entries a page apart follow no pattern that a processor sees.
template <bool written = false> [[gnu::always_inline]] inline void ask_for(const char* memory, size_t size) {
    constexpr size_t line = 64;
    for (size_t k = 0; k < size; k += line) __builtin_prefetch(memory + k, written);
}

// Rows: a NumPy gufunc signature; types has one letter per operand, T (the function's dtype), d (float64) or l (int64).
// A kernel takes `count` rows whose entries are contiguous. scratch has room for row_scratch(n) bytes: a row of
// float64, or the rows of float32 that a kernel works on side by side.
constexpr size_t most_batched = 16, batched_entries = 4096;  // 16 kB of float32 in, and 16 out: the first-level cache
constexpr size_t batched_rows(size_t n) {
    size_t rows = n ? batched_entries / n : most_batched;
    return rows < 1 ? 1 : rows > most_batched ? most_batched : rows;
}
constexpr size_t row_scratch(size_t n) { return n * (batched_rows(n) * 4 > 8 ? batched_rows(n) * 4 : 8); }
using RowKernel = void (*)(const Strided* operands, size_t n, size_t count, void* scratch);
// Rows that lie side by side, as along axis 0: an entry of one row, then the same entry of the next. Operands with
// entries have adjacent rows. A kernel takes `count` rows, column_width at least, tile by tile; it returns how many it
// has written, fewer where one of the next tile asks for its row kernel. There are two kinds of tiles. Of up to
// most_read_again rows, entries are read where they are, more than once, in the order of memory: then processors read
// ahead by themselves, and asking for lines gains only where the operands exceed caches. Tiles of softmax and its like
// in float32 and half precisions have 64 rows, as lines of 64 bytes a page apart are written three times as slowly as
// four that are neighbours, and what is read is put aside: two float32 per entry and two more. Rows so long that this
// takes more than most_aside are read again instead; so are those of which it takes more than the second-level cache
// has (of half precisions some times as much: rows.hpp), where a tile of up to most_read_again rows has all of the
// memory between one entry and the next. scratch has room for column_scratch bytes and begins on a line; lists of
// sparse rows need most of it.
constexpr size_t column_width = 16, most_columns = 64, most_read_again = 1024;
constexpr size_t bytes_aside(size_t n) { return (2 * n + 2) * most_columns * sizeof(float); }
constexpr size_t most_aside = size_t(1) << 24, read_again_scratch = size_t(3) << 18;
constexpr size_t column_scratch(size_t n) {
    constexpr size_t bytes_listed = sizeof(double) + sizeof(int);
    size_t lists = n * most_read_again * bytes_listed;
    return lists < read_again_scratch ? read_again_scratch : lists < most_aside ? lists : most_aside;
}
struct ColumnScratch {
    void* memory;
    size_t bytes;
    size_t second_level_cache;  // in bytes
    bool asks;                  // for memory that wide tiles come to: operands exceed caches
};
using ColumnKernel = size_t (*)(const Strided* operands, size_t n, size_t count, ColumnScratch scratch);

struct RowEntry {
    const char* name;
    const char* variant;
    const char* signature;
    const char* types;
    RowKernel kernels[dtype_count];
    ColumnKernel column_kernels[dtype_count];  // null where there is none
    // Of column kernels that also take inputs with one row for all, and turn rows themselves: up to how many entries
    // they are for. Otherwise 0.
    size_t most_entries[dtype_count];
};

struct KernelTable {
    const char* instruction_set;
    const ElementwiseEntry* elementwise;
    int elementwise_count;
    const RowEntry* rows;
    int row_count;
};

}  // namespace softfloor
