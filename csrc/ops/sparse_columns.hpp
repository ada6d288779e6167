// sparsemax, entmax15, their vjps and hardmax for rows that lie side by side, as along axis 0. Most entries are 0, and
// most lines of memory have no other: they are passed by a comparison of sixteen rows, or more, at once. What may be in
// the support is listed row by row, so each row has the numbers, and the bits, of its row kernel.
#pragma once
#include "sparse_rows.hpp"
#include "vjp_columns.hpp"

namespace softfloor {
namespace {

// body(j) for each bit j that is set.
template <class Body> SOFTFLOOR_INLINE void each_bit(uint32_t bits, Body body) {
    for (; bits; bits &= bits - 1) body(size_t(__builtin_ctz(bits)));
}

// A tile of any number of rows up to most_read_again; it lies in scratch, the lists behind it.
template <class T, class Law> struct SparseColumns {
    using Plain = decltype(WideRow<T>::plain(T()));
    static constexpr size_t most = most_read_again, width = column_width, wide = 4 * column_width;
    const Strided x, temperature, out;
    size_t n, count;
    const bool asks;
    size_t room;      // entries that a list has room for
    double* logits;   // those listed, row by row
    int32_t* places;  // and which entries they are
    double* left;     // room for one list
    alignas(64) Plain maximum[most], low[most];
    alignas(64) uint32_t nan[most], listed[most];

    SparseColumns(const Strided* operands, size_t length, size_t rows, ColumnScratch scratch)
        : x(operands[0]), temperature(operands[1]), out(operands[2]), n(length), count(rows), asks(scratch.asks) {
        size_t bytes = scratch.bytes - sizeof *this, of_row = bytes / (count + 1) / (sizeof(double) + sizeof(int32_t));
        room = of_row < n ? of_row : n;
        logits = reinterpret_cast<double*>(this + 1);
        left = logits + room * count;
        places = reinterpret_cast<int32_t*>(left + room);
    }
    static void* operator new(size_t, void* scratch) { return scratch; }

    // False, with nothing written, where a row has NaN, an infinite maximum or more in reach than lists have room for.
    bool run() {
        find_maxima();
        for (size_t k = 0; k < count; ++k) {
            if (nan[k] || __builtin_fabs(double(maximum[k])) == infinity) return false;
            low[k] = row(k).low, listed[k] = 0;
        }
        if (!list_all()) return false;
        for (size_t i = 0; i < n; ++i) __builtin_memset(out.at(0, i), 0, count * sizeof(T));
        for (size_t k = 0; k < count; ++k) write(k);
        return true;
    }

  private:
    SparseRow<T, Law> row(size_t k) const {
        return {nullptr, n, double(maximum[k]), temperature_at(temperature, k), left};
    }
    SOFTFLOOR_INLINE const T* entries(size_t i) const { return reinterpret_cast<const T*>(x.at(0, i)); }

    [[gnu::noinline]] void find_maxima() {
        for (size_t k = 0; k < count; ++k) maximum[k] = -Plain(infinity), nan[k] = 0;
        for (size_t i = 0; i < n; ++i) {
            const T* from = entries(i);
            if (asks) ask_for_next<T>(x, 0, i, count);
#pragma GCC ivdep
            for (size_t k = 0; k < count; ++k) {
                Plain value = WideRow<T>::plain(from[k]);
                maximum[k] = value > maximum[k] ? value : maximum[k];
                nan[k] |= value != value;
            }
        }
    }
    [[gnu::noinline]] bool list_all() {
        for (size_t i = 0; i < n; ++i) {
            const T* from = entries(i);
            if (asks) ask_for_next<T>(x, 0, i, count);
            for (size_t first = 0; first < count; first += wide) {
                size_t end = count - first < wide ? count : first + wide;
                uint32_t some = 0;
                for (size_t k = first; k < end; ++k) some |= WideRow<T>::plain(from[k]) > low[k];
                if (some && !list(i, from, first, end)) return false;
            }
        }
        return true;
    }
    [[gnu::noinline]] bool list(size_t i, const T* from, size_t begin, size_t end) {
        size_t full = 0;
        for (size_t first = begin; first < end; first += width) {
            size_t rows = end - first < width ? end - first : width;
            uint32_t above = 0;
            for (size_t j = 0; j < rows; ++j)
                above |= uint32_t(WideRow<T>::plain(from[first + j]) > low[first + j]) << j;
            each_bit(above, [&](size_t j) {
                size_t k = first + j;
                if (listed[k] == room) return void(++full);
                logits[k * room + listed[k]] = WideRow<T>::number(from[k]);
                places[k * room + listed[k]++] = int32_t(i);
            });
        }
        return full == 0;
    }
    void write(size_t k) {
        const double* its = logits + k * room;
        const size_t its_count = listed[k];
        SparseRow<T, Law> all = row(k);
        for_each(its_count, [&](size_t i) { left[i] = its[i]; });
        all.count = its_count;
        Pair threshold = all.threshold(), inverse_unit = reciprocal(Pair(all.unit));
        T* results = reinterpret_cast<T*>(left);  // no longer used
        for_each(its_count, [&](size_t i) { results[i] = all.probability(its[i], threshold, inverse_unit); });
        for (size_t i = 0; i < its_count; ++i)
            *reinterpret_cast<T*>(out.at(k, size_t(places[k * room + i]))) = results[i];
    }
};

// Sums over the entries that are not 0, in the lanes of a row's sums.
template <class T, class Shares> struct SparseVjpColumns : VjpTile<T> {
    using Tile = VjpTile<T>;
    using N = typename WideRow<T>::N;
    using Tile::most, Tile::width, Tile::asks, Tile::start_of, Tile::sixteen;
    using Tile::n, Tile::count, Tile::whole, Tile::numbered, Tile::saved, Tile::cotangent, Tile::temperature, Tile::out;
    SideBySide<N, most> weighted[lanes], total[lanes];
    SideBySide<N, most> mean, inverse_temperature;
    alignas(64) uint32_t nan[most];

    using Tile::Tile;

    // False, with nothing written, where a row has NaN, or a sum is near overflow.
    bool run() {
        const size_t filled = n < lanes ? n : lanes;
        for (size_t j = 0; j < numbered; ++j) nan[j] = 0;
        for (size_t k = 0; k < filled; ++k)
            for (size_t j = 0; j < numbered; ++j) weighted[k].set(j, 0.0), total[k].set(j, 0.0);
        add_all();
        size_t unusual = 0;
        for (size_t first = 0; first < numbered; first += width) {
            fold(weighted, first);
            fold(total, first);
        }
        for (size_t j = 0; j < numbered; ++j) {
            N sum = lanes_total(weighted[0][j]);
            unusual += is_near_overflow(sum) | (nan[j] != 0);
            mean.set(j, sum * reciprocal(lanes_total(total[0][j])));
            size_t row = j < whole ? j : j + count - numbered;
            inverse_temperature.set(j, inverse_of<N>(temperature_at(temperature, row)));
        }
        if (unusual) return false;
        write();
        return true;
    }

  private:
    SOFTFLOOR_INLINE static bool has_any(const T* its_p) {
        uint32_t some = 0;
#pragma GCC unroll 1
        for (size_t j = 0; j < width; ++j) some |= WideRow<T>::plain(its_p[j]) != 0;
        return some;
    }
    SOFTFLOOR_INLINE static N share(T p) { return Shares::of(Format<T>::load(p)); }
    [[gnu::noinline]] void add_all() {
        for (size_t i = 0; i < n; ++i) {
            if (asks) ask_for_next<T>(saved, 0, i, count);
            for (size_t first = 0; first < numbered; first += width) {
                const T* its_p = sixteen(saved, i, first);
                if (has_any(its_p)) add_sixteen(i, first, its_p, sixteen(cotangent, i, first));
            }
        }
    }
    [[gnu::noinline]] void add_sixteen(size_t i, size_t first, const T* its_p, const T* its_c) {
        const size_t lane = i % lanes;
        each_of_sixteen(0, [&](size_t j) __attribute__((always_inline)) {
            auto value = WideRow<T>::plain(its_p[j]);
            N its_share = share(its_p[j]), product = its_share * Format<T>::load(its_c[j]);
            bool present = value != 0;
            weighted[lane].set(first + j, open_sum(weighted[lane][first + j], select(present, product, N(0.0))));
            total[lane].set(first + j, open_sum(total[lane][first + j], select(present, its_share, N(0.0))));
            nan[first + j] |= value != value;
        });
    }
    SOFTFLOOR_INLINE void fold(SideBySide<N, most>* sums, size_t first) {
        fold_lanes(n, [&](size_t k, size_t other) __attribute__((always_inline)) {
            each_of_sixteen(first, [&](size_t j) __attribute__((always_inline)) {
                sums[k].set(j, open_sum(sums[k][j], sums[other][j]));
            });
        });
    }
    [[gnu::noinline]] void write() const {
        for (size_t i = 0; i < n; ++i) {
            if (asks) ask_for_next<T>(saved, 0, i, count), ask_for_next<T, true>(out, 0, i, count);
            this->write_entry(i,
                              [&](size_t first, T* to) __attribute__((always_inline)) { write_sixteen(i, first, to); });
        }
    }
    SOFTFLOOR_INLINE void write_sixteen(size_t i, size_t first, T* to) const {
        const T* its_p = sixteen(saved, i, first);
        if (has_any(its_p)) write_slopes(first, its_p, sixteen(cotangent, i, first), to);
        else __builtin_memset(to, 0, width * sizeof(T));
    }
    [[gnu::noinline]] void write_slopes(size_t first, const T* its_p, const T* its_c, T* to) const {
        each_of_sixteen(0, [&](size_t j) __attribute__((always_inline)) {
            N difference = Format<T>::load(its_c[j]) - mean[first + j];
            N slope = over(share(its_p[j]) * difference, inverse_temperature[first + j]);
            to[j] = Format<T>::store(select(WideRow<T>::plain(its_p[j]) != 0, slope, N(0.0)));
        });
    }
};

// hardmax: the place of each first maximum (-1 where nothing exceeds -inf), and NaN.
template <class T> struct HardmaxColumns {
    using Plain = decltype(WideRow<T>::plain(T()));
    static constexpr size_t most = most_read_again;
    const Strided x, out;
    size_t n, count;
    const bool asks;
    alignas(64) Plain maximum[most];
    alignas(64) int32_t place[most], nan[most];

    HardmaxColumns(const Strided* operands, size_t length, size_t rows, ColumnScratch scratch)
        : x(operands[0]), out(operands[1]), n(length), count(rows), asks(scratch.asks) {}
    static void* operator new(size_t, void* scratch) { return scratch; }

    bool run() {
        for (size_t k = 0; k < count; ++k) maximum[k] = -Plain(infinity), place[k] = -1, nan[k] = 0;
        for (size_t i = 0; i < n; ++i) {
            const T* from = reinterpret_cast<const T*>(x.at(0, i));
            if (asks) ask_for_next<T>(x, 0, i, count);
            int32_t here = int32_t(i);
#pragma GCC ivdep
            for (size_t k = 0; k < count; ++k) {
                Plain value = WideRow<T>::plain(from[k]);
                place[k] = later_place(place[k], value > maximum[k], here);
                maximum[k] = value > maximum[k] ? value : maximum[k];
                nan[k] |= value != value;
            }
        }
        T one = Format<T>::store(1.0), zero = Format<T>::store(0.0), not_a_number = Format<T>::store(__builtin_nan(""));
        for (size_t i = 0; i < n; ++i) {
            T* to = reinterpret_cast<T*>(out.at(0, i));
            if (asks) ask_for_next<T, true>(out, 0, i, count);
            int32_t here = int32_t(i);
#pragma GCC ivdep
            for (size_t k = 0; k < count; ++k) to[k] = nan[k] ? not_a_number : place[k] == here ? one : zero;
        }
        return true;
    }
};

}  // namespace
}  // namespace softfloor
