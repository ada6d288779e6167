// Rows that lie side by side (float_columns.hpp) and are long: entries are read where they are, for the maxima, for the
// sums and for the results. A tile is as wide as a page of them, so that processors see the pattern; its numbers, too
// many for the stack of a thread, are in scratch.
#pragma once
#include "column_numbers.hpp"

namespace softfloor {
namespace {

template <class T> struct LongColumns : ColumnNumbers<T, most_read_again> {
    using Numbers = ColumnNumbers<T, most_read_again>;
    using Sums = ColumnSums<Numbers>;
    using Numbers::n, Numbers::count, Numbers::plain, Numbers::maximum, Numbers::places;
    using Numbers::width, Numbers::most, Numbers::chunk, Numbers::segment;

    Strided x;
    uint32_t sign;  // flipped in what is read
    bool are_kept;  // the terms, in the result
    const bool asks;

    static LongColumns& in(ColumnScratch scratch, size_t length) {
        static_assert(sizeof(LongColumns) + sizeof(Sums) <= read_again_scratch);
        return *new (scratch.memory) LongColumns(length, scratch.asks);
    }

    template <bool apart, bool negative = false>
    bool load(const Strided& logits, size_t, size_t row_count, const Strided* temperature) {
        x = logits, count = row_count, sign = negative ? 0x80000000u : 0;
        for (size_t k = 0; k < count; ++k) maximum[k] = -__builtin_inff(), places[k] = 0;
        for (size_t i = 0; i < n; ++i) {
            if (asks) ask_for_next<T>(x, 0, i, count);
            int32_t here = int32_t(i);
            each(i, [&](size_t k, float value) __attribute__((always_inline)) {
                if constexpr (apart) places[k] = later_place(places[k], value > maximum[k], here);
                maximum[k] = value > maximum[k] ? value : maximum[k];
            });
        }
        return this->choose_forms(temperature, count, count);
    }
    float entry(size_t k, size_t i) const { return read(reinterpret_cast<const T*>(x.at(k, i))[0]); }

    template <bool apart> void add_terms() {
        sum_up<apart, false>({});
        this->template use_sums<apart, false>(count);
    }
    // Terms wait in the result where that is float32 and shares no memory with what is read, which a row that asks for
    // its row kernel needs once more. Others are computed again.
    template <bool apart> void keep_terms(const Strided& out) {
        constexpr bool can_be = sizeof(T) == 4;
        are_kept = can_be && is_apart_from(out);
        if (are_kept) sum_up<apart, can_be>(out);
        else sum_up<apart, false>(out);
        this->template use_sums<apart, true>(count);
    }

    template <class Factor> bool write_scaled(const Strided& out, Factor factor) {
        alignas(64) float high[most], low[most];
        if (!split_all(count, high, low, factor)) return false;
        if (are_kept) write_kept(out, high, low);
        else if (plain) write_terms<true>(out, high, low);
        else write_terms<false>(out, high, low);
        return true;
    }
    bool write_log(const Strided& out) {
        alignas(64) float log_of_total[most], scale;
        if (!this->writes_logs(count, &scale)) return false;
        for (size_t k = 0; k < count; ++k) log_of_total[k] = float(this->logs_of_totals[k]);
        for (size_t i = 0; i < n; ++i) {
            T* to = reinterpret_cast<T*>(out.at(0, i));
            if (asks) ask_for_next<T>(x, 0, i, count), ask_for_next<T, true>(out, 0, i, count);
            const T* from = reinterpret_cast<const T*>(x.at(0, i));
            for (size_t first = 0; first < count; first += width) {
                alignas(64) float room[width];
                const auto* entries = spread_where_slow(from + first, width, room);
                const float *largest = maximum + first, *log = log_of_total + first;
                narrow_sixteen(to + first,
                               [&](size_t j) { return fma(read(entries[j]) - largest[j], scale, -log[j]); });
            }
        }
        return true;
    }
    void replace(const Strided& out, size_t k, size_t entry, double value) {
        *reinterpret_cast<T*>(out.at(k, entry)) = Format<T>::store(value);
    }
    void finish() {}

  private:
    // Entries of sixteen rows at a time: few, for lines a page apart share a set of the first-level cache.
    static constexpr size_t part = 4, vectors = width / float_lanes;

    LongColumns(size_t length, bool asks_for_memory) : Numbers(length), asks(asks_for_memory) {}
    static void* operator new(size_t, void* scratch) { return scratch; }

    struct Memory {
        const char *begin, *end;
    };
    Memory memory_of(const Strided& all) const {
        const char *first = all.at(0, 0), *last = all.at(0, n - 1);
        return {first < last ? first : last, (first < last ? last : first) + count * sizeof(T)};
    }
    bool is_apart_from(const Strided& out) const {
        Memory read = memory_of(x), written = memory_of(out);
        return read.end <= written.begin || written.end <= read.begin;
    }

    template <class Entry> SOFTFLOOR_INLINE float read(Entry entry) const {
        return bits_to_float(float_to_bits(widen(entry)) ^ sign);
    }
    // body(row, value) for an entry of all rows.
    template <class Body> SOFTFLOOR_INLINE void each(size_t i, Body body) const {
        const T* from = reinterpret_cast<const T*>(x.at(0, i));
        for (size_t first = 0; first < count; first += width) {
            alignas(64) float room[width];
            const auto* entries = spread_where_slow(from + first, width, room);
#pragma GCC ivdep
#pragma GCC unroll 1  // unrolled, it would not be vectorised
            for (size_t j = 0; j < width; ++j) body(first + j, read(entries[j]));
        }
    }

    using Sixteen = Floats[vectors];
    SOFTFLOOR_INLINE void read_sixteen(const T* from, Sixteen& entries) const {
        alignas(64) float wide[width];
        const float* floats = wide;
        if constexpr (sizeof(T) == 4) {
            floats = from;
        } else {
            widen_sixteen(from, wide);
        }
        for (size_t v = 0; v < vectors; ++v)
            entries[v] = Floats(Bits(load_lanes(floats + v * float_lanes)) ^ int32_t(sign));
    }
    SOFTFLOOR_INLINE static void write_sixteen(T* to, const Sixteen& results) {
        alignas(64) float wide[width];
        float* floats = wide;
        if constexpr (sizeof(T) == 4) floats = to;
        for (size_t v = 0; v < vectors; ++v) store_lanes(floats + v * float_lanes, results[v]);
        if constexpr (__is_same(T, Float16)) gather_sixteen(wide, to);
        else if constexpr (sizeof(T) < 4) narrow_sixteen(to, [&](size_t j) { return wide[j]; });
    }
    // Of sixteen rows, the next entry.
    SOFTFLOOR_INLINE void ask_to_read(size_t first, size_t i) const {
        if (asks) ask_for_next<T>(x, first, i, width);
    }
    SOFTFLOOR_INLINE void ask_to_write(const Strided& out, size_t first, size_t i) const {
        if (asks) ask_for_next<T, true>(out, first, i, width);
    }

    template <bool apart, bool keep> void sum_up(const Strided& out) {
        if (plain) sum_up_in_form<apart, keep, true>(out);
        else sum_up_in_form<apart, keep, false>(out);
    }
    // Entries of one lane follow each other: the lanes of a wide tile fill a cache, and are read and written once so.
    template <bool apart, bool keep, bool plain> [[gnu::noinline]] void sum_up_in_form(const Strided& out) {
        Sums& sums = *new (this + 1) Sums(n, count);
        for (size_t begin = 0, end; begin < n; begin = end) {
            end = n - begin < part * chunk ? n : begin + part * chunk;
            if (begin % segment == 0) sums.start_chunk(begin);
            for (size_t from = begin; from < end && from < begin + chunk; ++from)
                for (size_t first = 0; first < count; first += width)
                    add_to_lane<apart, keep, plain>(sums, out, first, from, end);
            sums.end_chunk(end);
        }
        sums.template put_into<apart, plain>(*this);
    }
    template <bool apart, bool keep, bool plain>
    SOFTFLOOR_INLINE void add_to_lane(Sums& sums, const Strided& out, size_t first, size_t begin, size_t end) {
        SixteenRows<plain> rows(*this, first);
        float* lane = sums.lane(begin % chunk) + first;
        Sixteen sum = {};
        if (begin % segment >= chunk)
            for (size_t v = 0; v < vectors; ++v) sum[v] = load_lanes(lane + v * float_lanes);
        for (size_t i = begin; i < end; i += chunk) {
            const T* from = reinterpret_cast<const T*>(x.at(first, i));
            ask_to_read(first, i);
            Sixteen terms;
            read_sixteen(from, terms);
#pragma GCC unroll 2
            for (size_t v = 0; v < vectors; ++v) terms[v] = rows.term(v, terms[v]);
            if constexpr (keep) {
                ask_to_write(out, first, i);
                write_sixteen(reinterpret_cast<T*>(out.at(first, i)), terms);
            }
            for (size_t v = 0; v < vectors; ++v) sum[v] += rows.template summand<apart>(v, terms[v], i);
        }
        for (size_t v = 0; v < vectors; ++v) store_lanes(lane + v * float_lanes, sum[v]);
    }
    template <bool plain> [[gnu::noinline]] void write_terms(const Strided& out, const float* high, const float* low) {
        for (size_t begin = 0; begin < n; begin += part)
            for (size_t first = 0; first < count; first += width) {
                SixteenRows<plain> rows(*this, first);
                for (size_t i = begin; i < n && i < begin + part; ++i) {
                    const T* from = reinterpret_cast<const T*>(x.at(first, i));
                    T* to = reinterpret_cast<T*>(out.at(first, i));
                    ask_to_read(first, i);
                    ask_to_write(out, first, i);
                    Sixteen terms;
                    read_sixteen(from, terms);
#pragma GCC unroll 2
                    for (size_t v = 0; v < vectors; ++v) terms[v] = rows.term(v, terms[v]);
                    write_scaled(to, terms, high + first, low + first);
                }
            }
    }
    [[gnu::noinline]] void write_kept(const Strided& out, const float* high, const float* low) {
        for (size_t i = 0; i < n; ++i)
            for (size_t first = 0; first < count; first += width) {
                T* to = reinterpret_cast<T*>(out.at(first, i));
                ask_to_write(out, first, i);
                Sixteen terms;
                const float* kept = reinterpret_cast<const float*>(to);
                for (size_t v = 0; v < vectors; ++v) terms[v] = load_lanes(kept + v * float_lanes);
                write_scaled(to, terms, high + first, low + first);
            }
    }
    // Terms times factors in two parts.
    SOFTFLOOR_INLINE static void write_scaled(T* to, Sixteen& terms, const float* high, const float* low) {
        for (size_t v = 0; v < vectors; ++v) {
            const size_t row = v * float_lanes;
            terms[v] = fma(terms[v], load_lanes(high + row), terms[v] * load_lanes(low + row));
        }
        write_sixteen(to, terms);
    }
};

}  // namespace
}  // namespace softfloor
