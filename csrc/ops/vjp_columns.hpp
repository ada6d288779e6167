// The vjps of row_vjps.hpp for rows that lie side by side. While a tile of rows is read, summed up and put aside, the
// results of the tile before are written from the place it takes: entries a page apart are read once, and writing them
// waits in the shadow of reading. The bits are those of the row kernels.
#pragma once
#include "column_numbers.hpp"
#include "row_vjps.hpp"

namespace softfloor {
namespace {

// What an operation offers: the sum over entries of summand(x, y), in the order of additions of sum_of, and slope of x,
// y and that, where x is_covered, if it says so; in float32 only at temperature 1, in float64 where it covers_sum.
template <class Op, class T>
concept HasVjpColumns = requires(T entry, float x, Sum<float> sum) {
    Op::summand(entry, entry);
    Op::slope(x, x, sum);
};
template <class T> struct ComputedAs {
    using Type = float;
};
template <> struct ComputedAs<double> {
    using Type = double;
};
template <class T> using Computed = typename ComputedAs<T>::Type;

template <class Op, class T> constexpr bool covers_some = requires(Computed<T> x) { Op::is_covered(x); };

// Sums of a tile's rows, and what their slopes need of them. float32 and half precisions: sums in double.
template <class T, size_t most> struct VjpNumbers {
    static constexpr bool temperatures_are_1 = true;  // other rows go to their row kernels
    alignas(64) double lane_numbers[lanes * LanePitch<most>::most];
    alignas(64) float high[most], low[most];
    LanePitch<most> pitch{most};

    SOFTFLOOR_INLINE double* lane(size_t k) { return lane_numbers + k * pitch; }

    // Whether the rows of a tile have such temperatures; ready for their sums then. slope is still of the tile before.
    bool start(TileOrder::Tile tile, size_t n, const Strided& temperature) {
        if (!are_1(temperature, tile.first, tile.count)) return false;
        pitch = LanePitch<most>(tile.count);
        for (size_t k = 0; k < lanes && k < n; ++k)
            for (size_t j = 0; j < tile.count; ++j) lane(k)[j] = 0.0;
        return true;
    }
    SOFTFLOOR_INLINE void add(size_t i, size_t j, double summand) { lane(i % lanes)[j] += summand; }
    template <class Op> bool finish(TileOrder::Tile tile, size_t n, const Strided&) {
        const size_t count = tile.count;
        fold_lanes(n, [&](size_t k, size_t other) __attribute__((always_inline)) {
            for (size_t j = 0; j < count; ++j) lane(k)[j] += lane(other)[j];
        });
        return split_all(count, high, low, [&](size_t j) { return lane(0)[j]; });
    }
    template <class Op, bool> SOFTFLOOR_INLINE float slope(size_t j, float x, float y) const {
        return Op::slope(x, y, Sum<float>{high[j], low[j]});
    }
};
// float64: sums with their own rounding errors.
template <size_t most> struct VjpNumbers<double, most> {
    alignas(64) double lane_numbers[lanes * LanePitch<most>::most], rest_numbers[lanes * LanePitch<most>::most];
    alignas(64) double high[most], low[most], inverse_high[most], inverse_low[most];
    bool temperatures_are_1;
    LanePitch<most> pitch{most};

    SOFTFLOOR_INLINE double* lane(size_t k) { return lane_numbers + k * pitch; }
    SOFTFLOOR_INLINE double* rest(size_t k) { return rest_numbers + k * pitch; }
    SOFTFLOOR_INLINE Pair at(size_t k, size_t j) { return {lane(k)[j], rest(k)[j]}; }
    SOFTFLOOR_INLINE void set(size_t k, size_t j, Pair x) { lane(k)[j] = x.hi, rest(k)[j] = x.lo; }
    bool start(TileOrder::Tile tile, size_t n, const Strided&) {
        pitch = LanePitch<most>(tile.count);
        for (size_t k = 0; k < lanes && k < n; ++k)
            for (size_t j = 0; j < tile.count; ++j) lane(k)[j] = rest(k)[j] = 0.0;
        return true;
    }
    SOFTFLOOR_INLINE void add(size_t i, size_t j, Pair summand) {
        set(i % lanes, j, lanes_added(at(i % lanes, j), summand));
    }
    template <class Op> bool finish(TileOrder::Tile tile, size_t n, const Strided& temperature) {
        fold_lanes(n, [&](size_t k, size_t other) __attribute__((always_inline)) {
            for (size_t j = 0; j < tile.count; ++j) set(k, j, lanes_added(at(k, j), at(other, j)));
        });
        size_t unusual = 0;
        for (size_t j = 0; j < tile.count; ++j) {
            Pair inverse = inverse_of<Pair>(temperature_at(temperature, tile.first + j));
            Pair sum = n ? two_sum(lane(0)[j], rest(0)[j]) : Pair(0.0);
            high[j] = sum.hi, low[j] = sum.lo;
            inverse_high[j] = inverse.hi, inverse_low[j] = inverse.lo;
            unusual += is_near_overflow(sum) || !Op::covers_sum(sum);
        }
        temperatures_are_1 = are_1(temperature, tile.first, tile.count);
        return unusual == 0;
    }
    template <class Op, bool is_1> SOFTFLOOR_INLINE double slope(size_t j, double x, double y) const {
        Pair sum = {high[j], low[j]};
        double result;
        if constexpr (is_1) result = rounded_slope<Op>(x, y, sum);
        else result = over_temperature(Op::slope(x, y, sum), Pair(inverse_high[j], inverse_low[j]));
        if constexpr (requires { Op::finished(result); }) return Op::finished(result);
        return result;
    }
};

// With reads_again, nothing is put aside: a tile is read, and then read once more and written (TileOrder). Its numbers
// are in scratch then, as those of LongColumns.
template <class Op, class T, bool reads_again> struct VjpColumns {
    static constexpr size_t most = reads_again ? most_read_again : most_columns;
    using Computed = softfloor::Computed<T>;
    const Strided &x, &y, &temperature, &out;
    size_t n;
    Computed* aside;   // x and y of a tile, n + 1 entries in a circle
    size_t start = 0;  // where the first is
    VjpNumbers<T, most> numbers;
    alignas(64) uint32_t covered[most];

    VjpColumns(const Strided* operands, size_t length, void* scratch)
        : x(operands[0]),
          y(operands[1]),
          temperature(operands[2]),
          out(operands[3]),
          n(length),
          aside(static_cast<Computed*>(scratch)) {}
    static void* operator new(size_t, void* scratch) { return scratch; }

    struct Room {  // for entries that are spread, and not put aside
        alignas(64) Computed x[most], y[most];
    };
    template <class Entry> SOFTFLOOR_INLINE static Computed computed(Entry entry) {
        if constexpr (__is_same(Entry, Computed)) return entry;
        else return widen(entry);
    }
    // Puts the rows of a tile aside and writes the results of one before. An entry is read before its results are
    // written, as a tile may have rows of the one before and results may take the place of inputs: it goes where the
    // entry before it has just been used.
    [[gnu::noinline]] void exchange(TileOrder::Tile tile, TileOrder::Tile written) {
        for (size_t j = 0; j < tile.count; ++j) covered[j] = 0;
        size_t before = start;
        start = start ? start - 1 : n;
        auto each = [&](size_t reads, size_t writes) __attribute__((always_inline)) {
            for (size_t i = 0; i < n; ++i) {
                if (reads) read(tile.first, i, place(start, i), reads);
                if (writes) write(written.first, i, place(before, i), writes);
            }
        };
        if (!reads_again && tile.count == most && written.count == most) each(most, most);
        else if (reads_again && tile.count == most) each(most, 0);
        else if (reads_again && written.count == most) each(0, most);
        else each(tile.count, written.count);
    }
    SOFTFLOOR_INLINE Computed* place(size_t from, size_t i) const {
        size_t slot = from + i;
        return aside + (slot > n ? slot - n - 1 : slot) * 2 * most_columns;
    }
    SOFTFLOOR_INLINE void read(size_t row, size_t i, Computed* its_x, size_t reads) {
        const T* from_x = reinterpret_cast<const T*>(x.at(row, i));
        const T* from_y = reinterpret_cast<const T*>(y.at(row, i));
        ask_ahead<T>(x, row, i, reads);
        ask_ahead<T>(y, row, i, reads);
        Computed* its_y = its_x + most_columns;
        Room room;
        const auto* each_x = spread_where_slow(from_x, reads, reads_again ? room.x : its_x);
        const auto* each_y = spread_where_slow(from_y, reads, reads_again ? room.y : its_y);
#pragma GCC ivdep
        for (size_t j = 0; j < reads; ++j) {
            if constexpr (!reads_again) its_x[j] = computed(each_x[j]), its_y[j] = computed(each_y[j]);
            numbers.add(i, j, Op::summand(each_x[j], each_y[j]));
            if constexpr (covers_some<Op, T>) covered[j] += Op::is_covered(computed(each_x[j]));
        }
    }
    SOFTFLOOR_INLINE void write(size_t row, size_t i, const Computed* its_x, size_t writes) const {
        T* to = reinterpret_cast<T*>(out.at(row, i));
        ask_ahead<T, true>(out, row, i, writes);
        auto write_slopes = [&](const auto* from_x, const auto* from_y) __attribute__((always_inline)) {
            by_temperature(numbers.temperatures_are_1, [&]<bool is_1>() __attribute__((always_inline)) {
                narrow_each(to, writes, [&](size_t j) __attribute__((always_inline)) {
                    return numbers.template slope<Op, is_1>(j, computed(from_x[j]), computed(from_y[j]));
                });
            });
        };
        if constexpr (reads_again) {
            ask_ahead<T>(x, row, i, writes);
            ask_ahead<T>(y, row, i, writes);
            Room room;
            const T* from_x = reinterpret_cast<const T*>(x.at(row, i));
            const T* from_y = reinterpret_cast<const T*>(y.at(row, i));
            write_slopes(spread_where_slow(from_x, writes, room.x), spread_where_slow(from_y, writes, room.y));
        } else write_slopes(its_x, its_x + most_columns);
    }
    // Whether all of the rows that were read can be computed so.
    bool finish_sums(TileOrder::Tile tile) {
        if constexpr (covers_some<Op, T>)
            for (size_t j = 0; j < tile.count; ++j)
                if (covered[j] < n) return false;
        return numbers.template finish<Op>(tile, n, temperature);
    }
};

// Tile by tile, up to one that asks for the row kernel; returns how many rows are done.
template <class Op, class T, bool reads_again>
size_t each_tile(VjpColumns<Op, T, reads_again>& columns, const Strided* operands, const TileOrder& order) {
    TileOrder::Tile written{};
    size_t done = 0, start = 0;
    while (true) {
        TileOrder::Tile tile = order.from(start);
        if (!columns.numbers.start(tile, columns.n, operands[2])) tile.count = 0;
        columns.exchange(tile, written);
        if (!tile.count || !columns.finish_sums(tile)) return done;
        written = tile, done = tile.end(), start = tile.next;
        if constexpr (reads_again) {
            columns.exchange({}, written);
            written = {};
        }
    }
}
template <class Op, class T>
size_t vjp_columns(const Strided* operands, size_t n, size_t count, ColumnScratch scratch) {
    constexpr size_t narrow = sizeof(T) < 4 ? size_t(-1) : 0;
    size_t room = scratch.second_level_cache * (sizeof(T) < 4 ? 16 : 1);
    TileOrder order = TileOrder::of<T>(operands[0], n, count, narrow, room);
    if (order.reads_again) {
        using Columns = VjpColumns<Op, T, true>;
        static_assert(sizeof(Columns) <= read_again_scratch);
        return each_tile(*new (scratch.memory) Columns(operands, n, nullptr), operands, order);
    }
    VjpColumns<Op, T, false> columns(operands, n, scratch.memory);
    return each_tile(columns, operands, order);
}

}  // namespace
}  // namespace softfloor
