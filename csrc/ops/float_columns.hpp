// Rows of float32, float16 or bfloat16 that lie side by side, as along axis 0: sixteen at a time, a vector holding one
// entry of each. Nothing is transposed, and sums have the order of additions, and so the bits, of float_row.hpp.
//
// Entries a page apart share few sets of the caches and follow no pattern that a processor sees, so reading and writing
// them takes as long as the exponentials. Tiles of rows therefore pass through three stages at once: while the terms
// of one are computed, some at a time, the results of the tile before are written and the entries of the tile after are
// read into the buffer that this leaves. What they will read and write is asked for among these terms.
#pragma once
#include "column_numbers.hpp"

namespace softfloor {
namespace {

template <class T> struct FloatColumns : ColumnNumbers<T, most_columns> {
    using Numbers = ColumnNumbers<T, most_columns>;
    using Numbers::n, Numbers::count, Numbers::plain, Numbers::maximum, Numbers::places;
    using Numbers::width, Numbers::most, Numbers::chunk, Numbers::taken, Numbers::following;

    struct Buffer {  // of a tile, entry by entry
        float* entries;
        Strided from;
        size_t count = 0;
        alignas(64) float maximum[most];
        alignas(64) int32_t places[most];  // of the first maxima
    };
    struct Unwritten {  // results of a tile, to be written while the terms of the next are computed
        const float* entries;
        Strided to;
        size_t count = 0;
        bool logarithms, replaced;
        float scale;
        alignas(64) float first_number[most], second_number[most];
        size_t places[most];
        T replacements[most];
    };

    // Entries at a time: what is asked for meanwhile, some of 64 a page apart, would fill the sets it falls into of a
    // second-level cache of 512 kB.
    static constexpr size_t part = 16;

    Buffer buffers[2], *tile = buffers, *next = buffers + 1;
    Unwritten unwritten;
    void (FloatColumns::*exchange_entries)(size_t begin, size_t end) = nullptr;

    FloatColumns(size_t length, void* scratch) : Numbers(length) {
        float* entries = static_cast<float*>(scratch);
        buffers[0].entries = entries, buffers[1].entries = entries + (n + 1) * most;  // in other sets of the cache
    }

    float entry(size_t k, size_t i) const { return tile->entries[i * most + k]; }

    // False where a row has an infinite maximum (or nothing but NaN), which its row kernel knows to treat. `negative`
    // takes -x for x, and `apart` finds the places of the first maxima. The rows after these are those of the next
    // call.
    template <bool apart, bool negative = false>
    bool load(const Strided& x, size_t, size_t row_count, const Strided* temperature) {
        exchange_entries = &FloatColumns::template exchange<apart, negative>;
        if (!next->count) {
            start_next(x, row_count);
            for (size_t i = 0; i < n; ++i) {
                ask_ahead<T>(x, 0, i, row_count);
                read<apart, negative>(i, row_count);
            }
        }
        Buffer* loaded = next;
        next = tile, tile = loaded, count = row_count;
        start_next({x.at(following.first - taken.first, 0), x.row_step, x.entry_step}, following.count);
        for (size_t k = 0; k < count; ++k) maximum[k] = tile->maximum[k], places[k] = tile->places[k];
        return this->choose_forms(temperature, count, count);
    }

    // As add_terms of a row; `apart` keeps the first maximum out of the sum. Terms that are kept take the place of what
    // was read.
    template <bool apart> void add_terms() { sum_up<apart, false>(); }
    template <bool apart> void keep_terms(const Strided&) { sum_up<apart, true>(); }

    // out = terms * factor(row); false, and nothing written, where a factor is too large or small for float32.
    template <class Factor> bool write_scaled(const Strided& out, Factor factor) {
        if (!split_all(count, unwritten.first_number, unwritten.second_number, factor)) return false;
        unwritten.logarithms = false;
        will_write(out);
        return true;
    }
    bool write_log(const Strided& out) {
        if (!this->writes_logs(count, &unwritten.scale)) return false;
        __builtin_memcpy(unwritten.first_number, maximum, count * sizeof(float));
        for (size_t k = 0; k < count; ++k) unwritten.second_number[k] = float(this->logs_of_totals[k]);
        unwritten.logarithms = true;
        will_write(out);
        return true;
    }
    // The entry of a row that was written to out, instead of what was.
    void replace(const Strided&, size_t k, size_t entry, double value) {
        unwritten.replaced = true, unwritten.places[k] = entry, unwritten.replacements[k] = Format<T>::store(value);
    }
    void finish() {
        if (!unwritten.count) return;
        for (size_t i = 0; i < n; ++i) {
            ask_ahead<T, true>(unwritten.to, 0, i, unwritten.count);
            write(i, unwritten.count);
        }
        end_writing();
    }

  private:
    void start_next(const Strided& from, size_t row_count) {
        next->from = from, next->count = row_count;
        for (size_t k = 0; k < row_count; ++k) next->maximum[k] = -__builtin_inff(), next->places[k] = 0;
    }
    // Entry by entry, results are written and the next tile takes their place, while that is in the first-level cache.
    template <bool apart, bool negative> void exchange(size_t begin, size_t end) {
        auto each = [&](size_t writes, size_t reads) __attribute__((always_inline)) {
            for (size_t i = begin; i < end; ++i) {
                if (writes) write(i, writes);
                if (reads) read<apart, negative>(i, reads);
            }
        };
        if (next->count == most && unwritten.count == most) each(most, most);
        else if (next->count == most && !unwritten.count) each(0, most);
        else each(unwritten.count, next->count);
    }
    template <bool apart, bool negative> SOFTFLOOR_INLINE void read(size_t i, size_t reads) {
        const T* from = reinterpret_cast<const T*>(next->from.at(0, i));
        for (size_t first = 0; first < reads; first += width) {
            float *to = next->entries + i * most + first, *largest = next->maximum + first;
            int32_t *place = next->places + first, here = int32_t(i);
            const auto* entries = spread_where_slow(from + first, width, to);
#pragma GCC ivdep
#pragma GCC unroll 1  // unrolled, it would not be vectorised
            for (size_t j = 0; j < width; ++j) {
                float value = negative ? -widen(entries[j]) : widen(entries[j]);
                to[j] = value;
                if constexpr (apart) place[j] = later_place(place[j], value > largest[j], here);
                largest[j] = value > largest[j] ? value : largest[j];
            }
        }
    }
    SOFTFLOOR_INLINE void write(size_t i, size_t writes) const {
        if (unwritten.logarithms) {
            float scale = unwritten.scale;
            write(i, writes, [=](float x, float a, float b) { return fma(x - a, scale, -b); });
        } else {
            write(i, writes, [](float term, float a, float b) { return fma(term, a, term * b); });
        }
    }
    template <class Result> SOFTFLOOR_INLINE void write(size_t i, size_t writes, Result result) const {
        T* to = reinterpret_cast<T*>(unwritten.to.at(0, i));
        for (size_t first = 0; first < writes; first += width) {
            const float* from = unwritten.entries + i * most + first;
            const float *a = unwritten.first_number + first, *b = unwritten.second_number + first;
            narrow_sixteen(to + first, [=](size_t j) { return result(from[j], a[j], b[j]); });
        }
    }

    template <bool apart, bool keep> void sum_up() {
        if (plain) sum_up_in_form<apart, keep, true>();
        else sum_up_in_form<apart, keep, false>();
        this->template use_sums<apart, keep>(count);
    }
    template <bool apart, bool keep, bool plain> [[gnu::noinline]] void sum_up_in_form() {
        ColumnSums<Numbers> sums(n, count);
        for (size_t begin = 0, end; begin < n; begin = end) {
            end = sums.start_chunk(begin);
            for (size_t from = begin, to; from < end; from = to) {
                to = end - from < part ? end : from + part;
                for (size_t first = 0; first < count; first += width)
                    add_part<apart, keep, plain>(sums, first, from, to);
                if (unwritten.count | next->count) (this->*exchange_entries)(from, to);
            }
            sums.end_chunk(end);
        }
        if (unwritten.count) end_writing();
        sums.template put_into<apart, plain>(*this);
    }
    template <bool apart, bool keep, bool plain>
    [[gnu::noinline]] void add_part(ColumnSums<Numbers>& sums, size_t first, size_t begin, size_t end) const {
        SixteenRows<plain> rows(*this, first);
        // Only into the second-level cache: the first would not hold as many entries a page apart.
        const char* to_read = next->count ? next->from.at(first, begin) : nullptr;
        const char* to_write = unwritten.count ? unwritten.to.at(first, begin) : nullptr;
        float* x = tile->entries + begin * most + first;
        for (size_t i = begin; i < end; ++i, x += most) {
            __builtin_prefetch(to_read, 0, 2);
            __builtin_prefetch(to_write, 1, 2);
            to_read += next->from.entry_step, to_write += unwritten.to.entry_step;
            auto [sum, before] = sums.at(i, first);
#pragma GCC unroll 2
            for (size_t v = 0; v < rows.vectors; ++v) {
                const size_t j = v * float_lanes;
                Floats term = rows.term(v, load_lanes(x + j));
                if constexpr (keep) store_lanes(x + j, term);
                store_lanes(sum + j, load_lanes(before + j) + rows.template summand<apart>(v, term, i));
            }
        }
    }

    void will_write(const Strided& out) {
        unwritten.entries = tile->entries, unwritten.to = out, unwritten.count = count, unwritten.replaced = false;
    }
    void end_writing() {
        if (unwritten.replaced)
            for (size_t k = 0; k < unwritten.count; ++k)
                *reinterpret_cast<T*>(unwritten.to.at(k, unwritten.places[k])) = unwritten.replacements[k];
        unwritten.count = 0;
    }
};

}  // namespace
}  // namespace softfloor
