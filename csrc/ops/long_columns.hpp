// Rows that lie side by side (float_columns.hpp) and are long: entries are read where they are, for the maxima, for the
// sums and, the terms computed once more, for the results. A tile is as wide as a page of them, so that processors see
// the pattern; its numbers, too many for the stack of a thread, are in scratch.
#pragma once
#include "column_numbers.hpp"

namespace softfloor {
namespace {

template <class T> struct LongColumns : ColumnNumbers<T, most_read_again> {
    using Numbers = ColumnNumbers<T, most_read_again>;
    using Sums = ColumnSums<Numbers>;
    using Numbers::n, Numbers::count, Numbers::plain, Numbers::maximum, Numbers::places;
    using Numbers::width, Numbers::most;

    Strided x;
    uint32_t sign;  // flipped in what is read

    static LongColumns& in(void* scratch, size_t length) {
        static_assert(sizeof(LongColumns) + sizeof(Sums) <= read_again_scratch);
        return *new (scratch) LongColumns(length);
    }

    template <bool apart, bool negative = false>
    bool load(const Strided& logits, size_t, size_t row_count, const Strided* temperature) {
        x = logits, count = row_count, sign = negative ? 0x80000000u : 0;
        for (size_t k = 0; k < count; ++k) maximum[k] = -__builtin_inff(), places[k] = 0;
        for (size_t i = 0; i < n; ++i) {
            ask_ahead<T>(x, 0, i, count);
            int32_t here = int32_t(i);
            each(i, [&](size_t k, float value) __attribute__((always_inline)) {
                if constexpr (apart) places[k] = value > maximum[k] ? here : places[k];
                maximum[k] = value > maximum[k] ? value : maximum[k];
            });
        }
        return this->choose_forms(temperature);
    }
    float entry(size_t k, size_t i) const { return read(reinterpret_cast<const T*>(x.at(k, i))[0]); }

    template <bool apart, bool keep> void add_terms() {
        if (plain) add_terms_in_form<apart, true>();
        else add_terms_in_form<apart, false>();
        this->template use_sums<apart, keep>(count);
    }

    template <class Factor> bool write_scaled(const Strided& out, Factor factor) {
        alignas(64) float high[most], low[most];
        if (!split_all(count, high, low, factor)) return false;
        if (plain) write_terms<true>(out, high, low);
        else write_terms<false>(out, high, low);
        return true;
    }
    bool write_log(const Strided& out) {
        alignas(64) float log_of_total[most], scale;
        if (!this->writes_logs(&scale)) return false;
        for (size_t k = 0; k < count; ++k) log_of_total[k] = float(this->logs_of_totals[k]);
        for (size_t i = 0; i < n; ++i) {
            T* to = reinterpret_cast<T*>(out.at(0, i));
            ask_ahead<T>(x, 0, i, count);
            ask_ahead<T, true>(out, 0, i, count);
            each(i, [&](size_t k, float value) __attribute__((always_inline)) {
                to[k] = narrow<T>(fma(value - maximum[k], scale, -log_of_total[k]));
            });
        }
        return true;
    }
    void replace(const Strided& out, size_t k, size_t entry, double value) {
        *reinterpret_cast<T*>(out.at(k, entry)) = Format<T>::store(value);
    }
    void finish() {}

  private:
    static constexpr size_t part = 4;  // entries of sixteen rows at a time: few, for lines a page apart share a set

    explicit LongColumns(size_t length) : Numbers(length) {}
    static void* operator new(size_t, void* scratch) { return scratch; }
    SOFTFLOOR_INLINE float read(T entry) const { return bits_to_float(float_to_bits(widen(entry)) ^ sign); }
    // body(row, value) for an entry of all rows.
    template <class Body> SOFTFLOOR_INLINE void each(size_t i, Body body) const {
        const T* from = reinterpret_cast<const T*>(x.at(0, i));
        for (size_t first = 0; first < count; first += width) {
#pragma GCC ivdep
#pragma GCC unroll 1  // unrolled, it would not be vectorised
            for (size_t j = 0; j < width; ++j) body(first + j, read(from[first + j]));
        }
    }

    template <bool apart, bool plain> [[gnu::noinline]] void add_terms_in_form() {
        Sums& sums = *new (this + 1) Sums(n, count);
        for (size_t begin = 0, end; begin < n; begin = end) {
            end = sums.start_chunk(begin);
            for (size_t from = begin, to; from < end; from = to) {
                to = end - from < part ? end : from + part;
                for (size_t i = from; i < to; ++i) ask_ahead<T>(x, 0, i, count);
                for (size_t first = 0; first < count; first += width) add_part<apart, plain>(sums, first, from, to);
            }
            sums.end_chunk(end);
        }
        sums.template put_into<apart, plain>(*this);
    }
    template <bool apart, bool plain>
    SOFTFLOOR_INLINE void add_part(Sums& sums, size_t first, size_t begin, size_t end) {
        SixteenRows<plain> rows(*this, first);
        for (size_t i = begin; i < end; ++i) {
            const T* from = reinterpret_cast<const T*>(x.at(first, i));
            auto [sum, before] = sums.at(i, first);
            int32_t here = int32_t(i);
#pragma GCC ivdep
#pragma GCC unroll 1
            for (size_t j = 0; j < width; ++j) {
                float term = rows.term(j, read(from[j]));
                sum[j] = before[j] + (apart && rows.place[j] == here ? 0.0f : term);
            }
        }
    }
    template <bool plain> [[gnu::noinline]] void write_terms(const Strided& out, const float* high, const float* low) {
        for (size_t begin = 0; begin < n; begin += part) {
            size_t end = n - begin < part ? n : begin + part;
            for (size_t i = begin; i < end; ++i) {
                ask_ahead<T>(x, 0, i, count);
                ask_ahead<T, true>(out, 0, i, count);
            }
            for (size_t first = 0; first < count; first += width) {
                SixteenRows<plain> rows(*this, first);
                for (size_t i = begin; i < end; ++i) {
                    const T* from = reinterpret_cast<const T*>(x.at(first, i));
                    T* to = reinterpret_cast<T*>(out.at(first, i));
#pragma GCC ivdep
#pragma GCC unroll 1
                    for (size_t j = 0; j < width; ++j) {
                        float term = rows.term(j, read(from[j]));
                        to[j] = narrow<T>(fma(term, high[first + j], term * low[first + j]));
                    }
                }
            }
        }
    }
};

}  // namespace
}  // namespace softfloor
