// The vjps of row_vjps.hpp for rows that lie side by side, as along axis 0. Nothing is put aside: a tile as wide as a
// page of float32 is read for the sums and once more for the results, in the order of memory, where processors read
// ahead by themselves. Writing what had been put aside was slower at every size. The bits are those of the row kernels.
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

// body(j) for sixteen rows from `first` on.
template <class Body> SOFTFLOOR_INLINE void each_of_sixteen(size_t first, Body body) {
#pragma GCC ivdep
#pragma GCC unroll 1  // unrolled, it would not be vectorised
    for (size_t j = first; j < first + column_width; ++j) body(j);
}

// Sums of a tile's rows, and what their slopes need of them. float32 and half precisions: sums in double.
template <class T> struct VjpNumbers {
    static constexpr size_t most = most_read_again;
    static constexpr bool temperatures_are_1 = true;  // other rows go to their row kernels
    alignas(64) double lane_numbers[lanes * LanePitch<most>::most];
    alignas(64) float high[most], low[most];
    LanePitch<most> pitch{most};

    SOFTFLOOR_INLINE double at(size_t k, size_t j) const { return lane_numbers[k * pitch + j]; }
    SOFTFLOOR_INLINE void set(size_t k, size_t j, double x) { lane_numbers[k * pitch + j] = x; }

    // Whether the rows of a tile have such temperatures; ready for their sums then, some of the last rows twice.
    bool start(size_t count, size_t rows, const Strided& temperature) {
        pitch = LanePitch<most>(count);
        return are_1(temperature, 0, rows);
    }
    // From what lanes have been folded to; false where a row asks for its row kernel.
    template <class Op> bool finish(size_t count, size_t) {
        return split_all(count, high, low, [&](size_t j) { return at(0, j); });
    }
    template <class Op, bool> SOFTFLOOR_INLINE float slope(size_t j, float x, float y) const {
        return Op::slope(x, y, Sum<float>{high[j], low[j]});
    }
};
// float64: sums with their own rounding errors.
template <> struct VjpNumbers<double> {
    static constexpr size_t most = most_read_again;
    alignas(64) double lane_numbers[lanes * LanePitch<most>::most], rest_numbers[lanes * LanePitch<most>::most];
    alignas(64) double high[most], low[most], inverse_high[most], inverse_low[most];
    bool temperatures_are_1;
    LanePitch<most> pitch{most};

    SOFTFLOOR_INLINE Pair at(size_t k, size_t j) const {
        return {lane_numbers[k * pitch + j], rest_numbers[k * pitch + j]};
    }
    SOFTFLOOR_INLINE void set(size_t k, size_t j, Pair x) {
        lane_numbers[k * pitch + j] = x.hi, rest_numbers[k * pitch + j] = x.lo;
    }
    bool start(size_t count, size_t rows, const Strided& temperature) {
        pitch = LanePitch<most>(count);
        temperatures_are_1 = are_1(temperature, 0, rows);
        for (size_t j = 0; j < count; ++j) {
            size_t row = j < rows / column_width * column_width ? j : j + rows - count;
            Pair inverse = inverse_of<Pair>(temperature_at(temperature, row));
            inverse_high[j] = inverse.hi, inverse_low[j] = inverse.lo;
        }
        return true;
    }
    template <class Op> bool finish(size_t count, size_t n) {
        size_t unusual = 0;
        for (size_t j = 0; j < count; ++j) {
            Pair sum = n ? two_sum(at(0, j).hi, at(0, j).lo) : Pair(0.0);
            high[j] = sum.hi, low[j] = sum.lo;
            unusual += is_near_overflow(sum) || !Op::covers_sum(sum);
        }
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

// A tile: too many numbers for the stack of a thread, they are in scratch.
template <class Op, class T> struct VjpColumns : VjpTile<T> {
    using Tile = VjpTile<T>;
    using Computed = softfloor::Computed<T>;
    using Tile::most, Tile::width, Tile::asks, Tile::start_of;
    using Tile::n, Tile::count, Tile::whole, Tile::numbered, Tile::saved, Tile::cotangent, Tile::temperature, Tile::out;
    VjpNumbers<T> numbers;
    alignas(64) uint32_t covered[most];

    using Tile::Tile;

    // False, with nothing written, where a row asks for its row kernel.
    bool run() {
        if (!numbers.start(numbered, count, temperature)) return false;
        for (size_t j = 0; j < numbered; ++j) covered[j] = 0;
        add_all();
        fold();
        if constexpr (covers_some<Op, T>)
            for (size_t j = 0; j < numbered; ++j)
                if (covered[j] < n) return false;
        if (!numbers.template finish<Op>(numbered, n)) return false;
        by_temperature(numbers.temperatures_are_1, [&]<bool is_1>() { write<is_1>(); });
        return true;
    }

  private:
    // Of each lane four entries are added at a time: the lanes of a wide tile fill a cache, and are read and written
    // once so.
    static constexpr size_t part = 4;
    [[gnu::noinline]] void add_all() {
        for (size_t begin = 0; begin < n; begin += part * lanes)
            for (size_t i = begin; i < n && i < begin + lanes; ++i)
                if (i + (part - 1) * lanes < n) add<part>(i);
                else
                    for (size_t k = i; k < n; k += lanes) add<1>(k);
    }
    template <size_t some> SOFTFLOOR_INLINE void add(size_t i) {
        for (size_t first = 0; first < numbered; first += width)
            if (i < lanes) add_sixteen<some, true>(i, first);
            else add_sixteen<some, false>(i, first);
    }
    // Entries i, i + lanes, ... of sixteen rows; where they are the first of their lane, it is not read.
    template <size_t some, bool are_first> SOFTFLOOR_INLINE void add_sixteen(size_t i, size_t first) {
        alignas(64) float room_x[some][width], room_y[some][width];
        decltype(entries(saved, i, first, *room_x)) its_x[some], its_y[some];
        for (size_t k = 0; k < some; ++k) {
            its_x[k] = entries(saved, i + k * lanes, first, room_x[k]);
            its_y[k] = entries(cotangent, i + k * lanes, first, room_y[k]);
            ask_to_read(first, i + k * lanes);
        }
        const size_t lane = i % lanes;
        each_of_sixteen(first, [&](size_t j) __attribute__((always_inline)) {
            decltype(numbers.at(0, 0)) sum = 0.0;
            if constexpr (!are_first) sum = numbers.at(lane, j);
            for (size_t k = 0; k < some; ++k) {
                auto its = its_x[k][j - first];
                sum = open_sum(sum, Op::summand(its, its_y[k][j - first]));
                if constexpr (covers_some<Op, T>) covered[j] += Op::is_covered(computed(its));
            }
            numbers.set(lane, j, sum);
        });
    }
    void fold() {
        for (size_t first = 0; first < numbered; first += width)
            fold_lanes(n, [&](size_t k, size_t other) __attribute__((always_inline)) {
                each_of_sixteen(first, [&](size_t j) __attribute__((always_inline)) {
                    numbers.set(k, j, open_sum(numbers.at(k, j), numbers.at(other, j)));
                });
            });
    }
    template <bool is_1> [[gnu::noinline]] void write() const {
        for (size_t i = 0; i < n; ++i)
            this->write_entry(
                i, [&](size_t first, T* to) __attribute__((always_inline)) { write_sixteen<is_1>(i, first, to); });
    }
    template <bool is_1> SOFTFLOOR_INLINE void write_sixteen(size_t i, size_t first, T* to) const {
        alignas(64) float room_x[width], room_y[width];
        const auto *its_x = entries(saved, i, first, room_x), *its_y = entries(cotangent, i, first, room_y);
        ask_to_read(first, i);
        if (asks) ask_for_next<T, true>(out, start_of(first), i, width);
        auto slope = [&](size_t j) __attribute__((always_inline)) {
            return numbers.template slope<Op, is_1>(first + j, computed(its_x[j]), computed(its_y[j]));
        };
        if constexpr (sizeof(T) == 8)
            each_of_sixteen(0, [&](size_t j) __attribute__((always_inline)) { to[j] = slope(j); });
        else narrow_sixteen(to, slope);
    }
    template <class Entry> SOFTFLOOR_INLINE static Computed computed(Entry entry) {
        if constexpr (__is_same(Entry, Computed)) return entry;
        else return widen(entry);
    }
    SOFTFLOOR_INLINE auto entries(const Strided& of, size_t i, size_t first, float* room) const {
        return spread_where_slow(this->sixteen(of, i, first), width, room);
    }
    SOFTFLOOR_INLINE void ask_to_read(size_t first, size_t i) const {
        if (!asks) return;
        ask_for_next<T>(saved, start_of(first), i, width);
        ask_for_next<T>(cotangent, start_of(first), i, width);
    }
};

template <class Op, class T>
size_t vjp_columns(const Strided* operands, size_t n, size_t count, ColumnScratch scratch) {
    return wide_tiles<VjpColumns<Op, T>, 4>(operands, n, count, scratch);
}

}  // namespace
}  // namespace softfloor
