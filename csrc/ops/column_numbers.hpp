// What the rows of a tile need that lie side by side in memory (float_columns.hpp, long_columns.hpp): the form of the
// exponential each takes, and the sums of its terms.
#pragma once
#include "row_numbers.hpp"
#include "tile_order.hpp"

namespace softfloor {
namespace {

// Where the first maximum is, `here` if what lies there exceeds those before. As the larger of two: of a choice between
// that and what is in memory GCC makes a store under a mask, which AMD's processors without AVX-512 are slow at.
SOFTFLOOR_INLINE int32_t later_place(int32_t place, bool exceeds, int32_t here) {
    int32_t candidate = exceeds ? here : -1;
    return candidate > place ? candidate : place;
}

template <class T, size_t columns> struct ColumnNumbers : RowNumbers<T, columns> {
    using Entry = T;
    static constexpr size_t width = column_width, most = columns;
    static constexpr size_t chunk = FloatRow<T>::chunk, segment = FloatRow<T>::segment;

    size_t n, count = 0;
    TileOrder::Tile taken, following;  // the rows of this tile, and of the next one
    alignas(64) int32_t places[most];  // of the first maxima

    explicit ColumnNumbers(size_t length) : n(length) {}
    FloatRow<T> row(size_t k) const { return this->row_of(k); }
};

// The numbers of sixteen rows from `first` on, which stay in registers while their entries pass. Vectors are written
// out, as the vectoriser's text waited longer for its registers where there are sixteen.
template <bool plain> struct SixteenRows {
    static constexpr size_t vectors = column_width / float_lanes;
    ExponentialOf<Floats> exponentials[vectors];
    Bits places[vectors];

    template <class Numbers> SOFTFLOOR_INLINE SixteenRows(const Numbers& all, size_t first) {
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; ++v) {
            size_t k = first + v * float_lanes;
            ExponentialOf<Floats>& own = exponentials[v];
            own.middle = load_lanes(all.middle + k), own.lowest = load_lanes(all.lowest + k);
            if constexpr (!plain) {
                own.scale = load_lanes(all.scale + k), own.scale_rest = load_lanes(all.scale_rest + k);
                own.shift = load_lanes(all.shift + k), own.unit = load_lanes(all.unit + k);
            }
            __builtin_memcpy(&places[v], all.places + k, sizeof places[v]);
        }
    }
    SOFTFLOOR_INLINE Floats term(size_t v, Floats x) const { return exponentials[v].template term<plain>(x); }
    // A term as a sum takes it: `apart` leaves the maximum out, which is entry `places`.
    template <bool apart> SOFTFLOOR_INLINE Floats summand(size_t v, Floats term, size_t entry) const {
        if constexpr (apart) return Floats(Bits(term) & ~(places[v] == int32_t(entry)));
        else return term;
    }
};

// How far the lanes of sums lie apart: as many numbers as a tile has rows, and a line more, lest the lanes of wide
// tiles share few sets of the cache. Of narrow tiles it is known to the compiler.
template <size_t rows> struct LanePitch {
    static constexpr size_t most = rows + column_width;
    size_t pitch;
    explicit LanePitch(size_t count) : pitch(count + column_width) {}
    SOFTFLOOR_INLINE operator size_t() const { return pitch; }
};
template <> struct LanePitch<most_columns> {
    static constexpr size_t most = most_columns;
    explicit LanePitch(size_t) {}
    SOFTFLOOR_INLINE constexpr operator size_t() const { return most_columns; }
};

// Sums of the terms of a tile's rows, in the lanes and segments, and so the order of additions, of float_row.hpp.
template <class Numbers> struct ColumnSums {
    static constexpr size_t width = column_width, most = Numbers::most, chunk = Numbers::chunk;
    alignas(64) float lane_numbers[chunk * LanePitch<most>::most];
    alignas(64) double sums[lanes][most];
    size_t n, count;
    bool is_short;  // no lane has more than one term, and those without one are left out
    size_t filled;  // lanes of a chunk that are used: half of them may do
    LanePitch<most> pitch;

    ColumnSums(size_t length, size_t row_count)
        : n(length),
          count(row_count),
          is_short(length <= lanes),
          filled(length <= chunk / 2 ? chunk / 2 : chunk),
          pitch(row_count) {
        if (is_short) return;
        for (size_t k = 0; k < lanes; ++k)
            for (size_t j = 0; j < count; ++j) sums[k][j] = 0.0;
    }
    static void* operator new(size_t, void* scratch) { return scratch; }
    SOFTFLOOR_INLINE float* lane(size_t k) { return lane_numbers + k * pitch; }
    // The end of the chunk that starts at `begin`.
    size_t start_chunk(size_t begin) {
        size_t end = n - begin < chunk ? n : begin + chunk;
        if (begin % Numbers::segment == 0 && !is_short)
            for (size_t k = end - begin; k < filled; ++k)
                for (size_t j = 0; j < count; ++j) lane(k)[j] = 0.0f;
        return end;
    }
    // Where the terms of an entry of sixteen rows are added, and to what.
    struct Place {
        float* sum;
        const float* before;
    };
    SOFTFLOOR_INLINE Place at(size_t i, size_t first) {
        static constexpr float nothing[width] = {};
        float* sum = lane(i % chunk) + first;
        return {sum, i % Numbers::segment < chunk ? nothing : sum};
    }
    void end_chunk(size_t end) {
        if (end % Numbers::segment && end != n) return;
        if (is_short) {
            for (size_t k = 0; k < n; ++k)
                for (size_t j = 0; j < count; ++j) sums[k][j] = lane(k)[j];
            return;
        }
        for (size_t k = 0; k < lanes; ++k) {
            if (filled < chunk)  // what is left out is 0
                for (size_t j = 0; j < count; ++j) sums[k][j] += double(lane(k)[j] + lane(k + 16)[j]);
            else
                for (size_t j = 0; j < count; ++j)
                    sums[k][j] += double(lane(k)[j] + lane(k + 16)[j]) + double(lane(k + 32)[j] + lane(k + 48)[j]);
        }
    }
    template <bool apart, bool plain> void put_into(Numbers& numbers) {
        fold_lanes(n, [&](size_t k, size_t other) __attribute__((always_inline)) {
            for (size_t j = 0; j < count; ++j) sums[k][j] += sums[other][j];
        });
        for (size_t j = 0; j < count; ++j) {
            float top = apart ? numbers.template exponential<plain>(j).template term<plain>(numbers.maximum[j]) : 0.0f;
            numbers.others[j] = sums[0][j] + 0.0;  // not a copy, which GCC would have memmove do
            numbers.top[j] = top;
        }
    }
};

}  // namespace
}  // namespace softfloor
