// Up to 16 rows of at most 128 entries of float32, float16 or bfloat16: what a row needs once, its maximum, sum,
// reciprocal and logarithm, is computed for all of them in a vector. The order of additions, and so the bits, are those
// of float_row.hpp.
#pragma once
#include "row_numbers.hpp"

namespace softfloor {
namespace {

// Rows are filled up to width, 32, 64 or 128, with entries of -inf, whose terms of 0 change no sum. (Loops of 16 would
// be unrolled too early to be vectorised.)
template <class T, size_t width> struct ShortRows : RowNumbers<T, most_batched> {
    using Entry = T;
    static constexpr size_t most = most_batched;
    using Numbers = RowNumbers<T, most>;
    using Numbers::logs_of_totals, Numbers::maximum, Numbers::others, Numbers::plain, Numbers::top;

    size_t n, count;
    const float* x[most];                    // the rows: the operand's memory, or entries
    alignas(64) float entries[most][width];  // as read, then the terms that are kept
    alignas(64) int32_t inside[width];       // j < n
    alignas(64) int32_t place[most];

    // False where a row has an infinite maximum, which its row kernel knows to treat. `negative` takes -x for x, and
    // `apart` finds the places of the first maxima.
    template <bool apart, bool negative = false>
    bool load(const Strided& logits, size_t length, size_t row_count, const Strided* temperature) {
        n = length, count = row_count;
        if (n == width) read<true, negative>(logits);
        else read<false, negative>(logits);
        if (!this->choose_forms(temperature, count, most)) return false;
        if constexpr (apart) find_places();
        return true;
    }

    // As add_terms of a row; `apart` keeps the first maximum out of the sum, for the logarithm of the total.
    template <bool apart> void add_terms() { sum_up<apart, false>(); }
    template <bool apart> void keep_terms(const Strided&) { sum_up<apart, true>(); }

    float entry(size_t k, size_t i) const { return x[k][i]; }
    FloatRow<T> row(size_t k) const { return this->row_of(k); }

    // out = terms * factor(row); false, and nothing written, where a factor is too large or small for float32.
    template <class Factor> bool write_scaled(const Strided& out, Factor factor) {
        float high[most], low[most];
        if (!split_all(count, high, low, factor)) return false;
        for (size_t k = 0; k < count; ++k)
            write(out, k, entries[k], [&, a = high[k], b = low[k]](float term) { return fma(term, a, term * b); });
        return true;
    }
    bool write_log(const Strided& out) {
        float scale;
        if (!this->writes_logs(count, &scale)) return false;
        for (size_t k = 0; k < count; ++k)
            write(out, k, x[k],
                  [m = maximum[k], scale, log = float(logs_of_totals[k])](float x) { return fma(x - m, scale, -log); });
        return true;
    }

    // The entry of a row that was written to out, instead of what was.
    void replace(const Strided& out, size_t k, size_t entry, double value) {
        *reinterpret_cast<T*>(out.at(k, entry)) = Format<T>::store(value);
    }

  private:
    // Half precisions are read and written sixteen at a time, the last of them padded, where loops under a mask are
    // slow.
    static constexpr bool by_sixteen = sizeof(T) < 4 && (register_bytes < 64 || (__is_same(T, Float16) && width > 32));

    template <bool apart, bool keep> void sum_up() {
        if (plain) sum_up_in_form<apart, keep, true>();
        else sum_up_in_form<apart, keep, false>();
    }
    template <bool apart, bool keep, bool plain> [[gnu::noinline]] void sum_up_in_form() {
        alignas(64) double sums[most][folded_lanes<double>];
        for (size_t k = count; k < most; ++k)
            for (double& sum : sums[k]) sum = 1.0;
        for (size_t k = 0; k < count; ++k) {
            RowExponential exponential = this->template exponential<plain>(k);
            int excluded = apart ? place[k] : -1;
            alignas(64) float lane[width];
#pragma GCC ivdep
            for (int j = 0; j < int(width); ++j) {
                float term = exponential.term<plain>(x[k][j]);
                if constexpr (keep) entries[k][j] = term;
                lane[j] = !apart || j != excluded ? term : 0.0f;
            }
            if constexpr (width == 128)
                for (size_t j = 0; j < 64; ++j) lane[j] += lane[j + 64];
            alignas(64) double sum[lanes];
            for (size_t j = 0; j < lanes; ++j) {
                sum[j] = double(lane[j] + lane[j + 16]);
                if constexpr (width > 32) sum[j] += double(lane[j + 32] + lane[j + 48]);
            }
            auto folded = folded_to_lanes<lanes>(sum, Added{});
            __builtin_memcpy(sums[k], &folded, sizeof folded);
        }
        for (size_t k = 0; k < most; k += folded_lanes<double>) fold_side_by_side(sums + k, others + k, Added{});
        for (size_t k = 0; k < most; ++k)
            top[k] = apart ? this->template exponential<plain>(k).template term<plain>(maximum[k]) : 0.0f;
        this->template use_sums<apart, keep>(most);
    }

    // Rows that are not there have the maximum 0.
    template <bool full, bool negative> void read(const Strided& logits) {
        constexpr size_t left = folded_lanes<float>;
        alignas(64) float largest[most][left];
        for (size_t k = count; k < most; ++k)
            for (float& value : largest[k]) value = 0.0f;
        if constexpr (!full)
            for (size_t j = 0; j < width; ++j) inside[j] = j < n;
        for (size_t k = 0; k < count; ++k) {
            const T* row = reinterpret_cast<const T*>(logits.at(k, 0));
            if constexpr (full && !negative && sizeof(T) == 4) {
                x[k] = row;
            } else {
                x[k] = entries[k];
                if constexpr (by_sixteen && (!full || __is_same(T, Float16))) {
                    read_by_sixteen<negative>(row, entries[k]);
                } else {
#pragma GCC ivdep
                    for (size_t j = 0; j < width; ++j) {
                        float value = -__builtin_inff();
                        if (full || inside[j]) value = negative ? -widen(row[j]) : widen(row[j]);
                        entries[k][j] = value;
                    }
                }
            }
            auto folded = folded_to_lanes<width>(x[k], Larger{});
            __builtin_memcpy(largest[k], &folded, sizeof folded);
        }
        for (size_t k = 0; k < most; k += left) fold_side_by_side(largest + k, maximum + k, Larger{});
    }
    template <bool negative> SOFTFLOOR_INLINE void read_by_sixteen(const T* row, float* to) const {
        const size_t whole = n / sixteen * sixteen;
        for (size_t j = 0; j < whole; j += sixteen) widen_sixteen(row + j, to + j);
        if (whole < width) {
            T padded[sixteen];
            for (T& entry : padded) entry = Format<T>::store(negative ? infinity : -infinity);
            __builtin_memcpy(padded, row + whole, (n - whole) * sizeof(T));
            widen_sixteen(padded, to + whole);
            for (size_t j = whole + sixteen; j < width; ++j) to[j] = negative ? __builtin_inff() : -__builtin_inff();
        }
        if constexpr (negative)
            for (size_t j = 0; j < width; ++j) to[j] = -to[j];
    }
    void find_places() {
        constexpr size_t left = folded_lanes<int32_t>;
        alignas(64) int32_t first[most][left];
        for (size_t k = count; k < most; ++k)
            for (int32_t& index : first[k]) index = 0;
        for (size_t k = 0; k < count; ++k) {
            alignas(64) int32_t lane[width];
            for (int j = 0; j < int(width); ++j) lane[j] = x[k][j] == maximum[k] ? j : int(width);
            auto folded = folded_to_lanes<width>(lane, Smaller{});
            __builtin_memcpy(first[k], &folded, sizeof folded);
        }
        for (size_t k = 0; k < most; k += left) fold_side_by_side(first + k, place + k, Smaller{});
    }
    template <class Result>
    SOFTFLOOR_INLINE void write(const Strided& out, size_t k, const float* from, Result result) const {
        T* to = reinterpret_cast<T*>(out.at(k, 0));
        auto write_entry = [&](size_t j) { to[j] = narrow<T>(result(from[j])); };
        if constexpr (by_sixteen) {
            alignas(64) T all[width];
            for (size_t begin = 0; begin < width; begin += sixteen)
                narrow_sixteen(all + begin, [&](size_t j) { return result(from[begin + j]); });
            __builtin_memcpy(to, all, n * sizeof(T));
        } else if (n == width) {
            for_each(width, write_entry);
        } else if (register_bytes < 64) {  // AMD's processors without AVX-512 are slow at stores under a mask
            for_each(n, write_entry);
        } else {
#pragma GCC ivdep
            for (size_t j = 0; j < width; ++j)
                if (inside[j]) to[j] = narrow<T>(result(from[j]));
        }
    }
};

}  // namespace
}  // namespace softfloor
