// One contiguous row of float32, float16 or bfloat16 in float32 terms, summed up in double.
//
// A row is reduced to its maximum m, the place of one entry equal to it, and S = sum of e^-(m - x)/T over the others.
//   softmax = e^-(m-x)/T / (1 + S),   logsumexp = m/T + L,   log_softmax = -(m-x)/T - L,   L = log1p(S).
// Keeping one maximum out of S keeps L accurate when it is tiny.
//
// Sums: 64 lanes of float32 take at most 16 terms each, then go to 16 lanes of double. For n = 64 q that costs at most
// (q + 2) 2^-24 of the sum, a fifteenth of the promised n 2^-26; up to n = 64 no two terms meet in float32 but the four
// of a lane. One order of additions, whatever the width of vectors: the bits are the same everywhere.
#pragma once
#include "../math/exp_float.hpp"
#include "../math/log1p.hpp"
#include "../math/compensated.hpp"
#include "../math/spread.hpp"
#include "../kernels.hpp"
#include "wide_row.hpp"

namespace softfloor {
namespace {

// Where the exponents of a row whose largest is `reach` are counted from.
struct Origin {
    double middle, lowest;  // M of RowExponential, and the exponent below which terms vanish
    double exact_top;       // the term of the largest, in units of 2^-64
    SOFTFLOOR_INLINE explicit Origin(double reach) {
        constexpr double to_grid = 0x1.8p37;  // its unit in the last place is 2^-15
        middle = (reach + to_grid) - to_grid;
        lowest = middle + double(vanishing);
        double beyond = reach - middle;  // 2^-16 at most
        exact_top = __builtin_fma(0.5 * beyond, beyond, 1.0 + beyond) * 0x1p64;
    }
};

template <class T> struct FloatRow {
    using N = double;
    static constexpr size_t chunk = 64, segment = 1024, nowhere = size_t(-1);
    // Beyond, the maximum is subtracted first. That is exact: all that is not 133 below it is more than half of it.
    static constexpr double largest_reach = 270.0;
    // From so many entries on, the memory of the next rows is asked for: in shorter ones it costs more than it gains.
    static constexpr size_t prefetched = 256;

    const float* x = nullptr;
    size_t n = 0;
    const T* result = nullptr;  // what will be written after the sums, to be asked for while they are computed
    float* room = nullptr;      // scratch for n float32, where half precisions keep their row
    double temperature = 1.0, inverse_temperature = 1.0;
    float maximum = 0.0f;
    size_t place = nowhere;  // of an entry that equals the maximum
    enum { plain, general, infinite } form = plain;
    RowExponential exponential;
    // In units of 2^-64: the exact term of a maximum, the computed one, and the sum of all other terms.
    double exact_top = 0.0, top = 0.0, others = 0.0;

    FloatRow(const T* row, size_t count, double its_temperature, void* scratch)
        : n(count),
          room(static_cast<float*>(scratch)),
          temperature(its_temperature),
          inverse_temperature(temperature == 1.0 ? 1.0 : 1.0 / temperature) {
        if constexpr (sizeof(T) == 4) {
            x = row;
        } else {
            widen_all(row, room, n);
            x = room;
        }
        maximum = maximum_of(n, [&](size_t i) { return x[i]; });
        choose_form();
    }

    // A row whose entries somebody else reads (float_columns.hpp).
    FloatRow() = default;
    FloatRow(float its_maximum, double temperature)
        : inverse_temperature(temperature == 1.0 ? 1.0 : 1.0 / temperature), maximum(its_maximum) {
        choose_form();
    }

    void choose_form() {
        if (!(__builtin_fabsf(maximum) <= largest_float)) {
            form = infinite;
            exact_top = 0x1p64;
            return;
        }
        double scale = 1.0, reach = maximum;
        if (inverse_temperature != 1.0) {
            // Beyond these limits every row is one-hot, or flat, to the last digit.
            scale = inverse_temperature < 0x1p-190 ? 0x1p-190 : at_most(inverse_temperature, 0x1p170);
            reach *= scale;
            form = general;
        }
        if (__builtin_fabs(reach) > largest_reach) {
            exponential.shift = maximum;
            reach = 0.0;
            form = general;
        }
        Origin origin(reach);
        double lowest = origin.lowest;
        exponential.middle = float(origin.middle);
        exact_top = origin.exact_top;
        if (scale != 1.0) {
            exponential.unit = scale > 0x1p64 ? 0x1p100f : scale < 0x1p-64 ? 0x1p-100f : 1.0f;
            scale /= double(exponential.unit);
            exponential.scale = float(scale);
            exponential.scale_rest = float(scale - double(exponential.scale));
            lowest /= scale;
        }
        exponential.lowest = float(lowest);
    }

    // The last entries of a row, before entries whose terms are 0. Loads under a mask, where there are any.
    SOFTFLOOR_INLINE static void copy_padded(float* to, const float* from, size_t count) {
        for (size_t j = 0; j < chunk; ++j) {
            float value = -__builtin_inff();
            if (j < count) value = from[j];
            to[j] = value;
        }
    }

    // Where the first maximum is; a chunk is searched without a branch that its place would make unpredictable.
    void find_place() {
        auto first_in = [&](const float* from) {
            int first = int(chunk);
            for (int j = 0; j < int(chunk); ++j) {
                int candidate = from[j] == maximum ? j : int(chunk);
                first = candidate < first ? candidate : first;
            }
            return size_t(first);
        };
        size_t i = 0, first = chunk;
        for (; i + chunk <= n && first == chunk; i += chunk) first = first_in(x + i);
        if (first < chunk) i -= chunk;
        else if (i < n) {
            float buffer[chunk];
            copy_padded(buffer, x + i, n - i);
            first = first_in(buffer);
        }
        if (first < chunk && i + first < n) place = i + first;
    }

    template <int which> SOFTFLOOR_INLINE static float term_by(const RowExponential& exponential, float value) {
        if constexpr (which == infinite) return infinite_term(value);
        else return exponential.term<which == plain>(value);
    }
    template <int which> SOFTFLOOR_INLINE float term(float value) const { return term_by<which>(exponential, value); }

    // The terms go into `terms`, which may be the row itself, if they are to be kept. All but that at place are added.
    template <int which, bool keep, bool long_row> [[gnu::noinline]] void add_terms(float* terms) {
        double sums[lanes] = {};
        const RowExponential own = exponential;  // which no term overwrites
        size_t ahead = long_row ? batched_rows(n) * n : 0;
        for (size_t begin = 0; begin < n; begin += segment) {
            size_t end = n - begin < segment ? n : begin + segment, i = begin;
            float lane[chunk] = {}, buffer[chunk];
            for (; i + chunk <= end; i += chunk) {
                float* to = keep ? terms + i : buffer;
                const float* from = x + i;
                if constexpr (long_row)
                    for (size_t j = 0; j < chunk; j += 16) __builtin_prefetch(from + ahead + j, 0, 2);
                if constexpr (long_row && !keep)
                    if (result)
                        for (size_t j = 0; j < chunk; j += 16) __builtin_prefetch(result + i + j, 1, 3);
#pragma GCC ivdep
                for (size_t j = 0; j < chunk; ++j) to[j] = term_by<which>(own, from[j]);
                add_chunk<chunk>(lane, to, place - i);
            }
            if (i < end) {
                copy_padded(buffer, x + i, end - i);
                for (size_t j = 0; j < chunk; ++j) buffer[j] = term_by<which>(own, buffer[j]);
                if constexpr (keep) __builtin_memcpy(terms + i, buffer, (end - i) * sizeof(float));
                add_chunk<chunk>(lane, buffer, place - i);
            }
#pragma GCC unroll 1  // unrolled, it would not be vectorised
            for (size_t j = 0; j < lanes; ++j)
                sums[j] += double(lane[j] + lane[j + 16]) + double(lane[j + 32] + lane[j + 48]);
        }
        others = folded<folded_lanes<double>, double>(folded_to_lanes<lanes>(sums, Added{}), Added{});
    }
    // Not by writing a zero among the terms, for which the processor would wait.
    template <size_t count> SOFTFLOOR_INLINE void add_chunk(float* lane, const float* terms, size_t excluded) {
        if (excluded < count) {
            top = terms[excluded];
            for (int j = 0; j < int(count); ++j) lane[j] += j == int(excluded) ? 0.0f : terms[j];
        } else {
            for (size_t j = 0; j < count; ++j) lane[j] += terms[j];
        }
    }
    template <bool keep> void add_terms_in_form(float* terms) {
        if (sizeof(T) == 4 && form == plain && n >= prefetched) add_terms<plain, keep, true>(terms);
        else if (form == plain) add_terms<plain, keep, false>(terms);
        else if (form == general) add_terms<general, keep, false>(terms);
        else add_terms<infinite, keep, false>(terms);
    }

    void sum_others() { add_terms_in_form<false>(nullptr); }
    // Terms wait in the output row for the sum; half precision would lose digits there and uses its scratch.
    float* terms_in(T* out) const {
        if constexpr (sizeof(T) == 4) return out;
        else return room;
    }
    void sum_into(float* terms) { add_terms_in_form<true>(terms); }

    double entry(size_t i) const { return x[i]; }
    double depth(double value) const {
        return value == double(maximum) ? 0.0 : (double(maximum) - value) * inverse_temperature;
    }
    bool empty() const { return maximum == -__builtin_inff() && others == 0.0; }  // every entry masked: -inf
    double log_of_total() const { return empty() ? infinity : log1p_of(others / exact_top); }
    // One over the sum of all terms as they were computed, so that equal entries share evenly.
    double inverse_total() const { return empty() ? 0.0 : 1.0 / (top + others); }
    // The sum of all terms but that of an entry: no cancellation, for the maximum stays.
    double total_without(double entry) const {
        float value = float(entry);
        double its_term = form == plain     ? term<plain>(value)
                          : form == general ? term<general>(value)
                                            : term<infinite>(value);
        return entry == double(maximum) ? others : top + (others - its_term);
    }

    // out = terms * factor
    void write_scaled(const float* terms, T* out, double factor) const {
        Sum<float> parts = split(factor);
        if (splits(factor))
            narrow_each(out, n, [&](size_t i) { return fma(terms[i], parts.high, terms[i] * parts.low); });
        else for_each(n, [&](size_t i) { out[i] = Format<T>::store(double(terms[i]) * factor); });
    }
    // Where 1/T is a power of two: the difference, L and the result are rounded, each by half a unit at most.
    bool writes_log_in_float() const { return double(exponential.scale) == inverse_temperature; }
    void write_log(T* out) const {
        double log_of_total = this->log_of_total();
        bool unbounded = log_of_total == infinity, number = log_of_total == log_of_total;
        if (form != infinite && writes_log_in_float() && number) {
            float scale = exponential.scale, log_of_total_float = float(log_of_total);
            narrow_each(out, n, [&](size_t i) { return fma(x[i] - maximum, scale, -log_of_total_float); });
        } else {
            for_each(n, [&](size_t i) {
                double t = depth(double(x[i]));
                bool nothing = unbounded | ((t == infinity) & number);
                out[i] = Format<T>::store(nothing ? -infinity : -(t + log_of_total));
            });
        }
    }

  private:
    static constexpr float largest_float = 0x1.fffffep127f;
};

}  // namespace
}  // namespace softfloor
