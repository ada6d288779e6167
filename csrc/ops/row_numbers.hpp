// What each of several rows of float32, float16 or bfloat16 needs once, computed for all of them in vectors: where the
// exponents are counted from, and what follows from the sums. The steps, and so the bits, are those of float_row.hpp.
#pragma once
#include "float_row.hpp"

namespace softfloor {
namespace {

inline double temperature_at(const Strided& temperature, size_t row) {
    return *reinterpret_cast<const double*>(temperature.at(row, 0));
}

inline bool are_1(const Strided& temperatures, size_t first, size_t count) {
    size_t different = temperatures.row_step ? count : 1;
    for (size_t k = first; k < first + different; ++k)
        if (temperature_at(temperatures, k) != 1.0) return false;
    return true;
}

template <class T, size_t most> struct RowNumbers {
    alignas(64) float maximum[most], middle[most], lowest[most];
    alignas(64) double exact_top[most], top[most], others[most];
    alignas(64) double inverse_totals[most], logs_of_totals[most];

    // Of the first `count` rows at temperature 1; false where a maximum asks for another form of the exponential.
    SOFTFLOOR_INLINE bool choose_plain_form(size_t count) {
        size_t plain = 0;
        for (size_t k = 0; k < count; ++k) {
            Origin origin(maximum[k]);
            middle[k] = float(origin.middle), lowest[k] = float(origin.lowest), exact_top[k] = origin.exact_top;
            plain += __builtin_fabsf(maximum[k]) <= float(FloatRow<T>::largest_reach);
        }
        return plain == count;
    }
    SOFTFLOOR_INLINE RowExponential plain_exponential(size_t k) const {
        RowExponential result;
        result.middle = middle[k], result.lowest = lowest[k];
        return result;
    }
    // From top and others: one over the total for terms that were kept, its logarithm where a maximum was kept apart.
    template <bool apart, bool keep> SOFTFLOOR_INLINE void use_sums(size_t count) {
        if constexpr (keep)
            for (size_t k = 0; k < count; ++k) inverse_totals[k] = 1.0 / (top[k] + others[k]);
        if constexpr (apart)
            for (size_t k = 0; k < count; ++k) logs_of_totals[k] = log1p_of(others[k] / exact_top[k]);
    }
    double inverse_total(size_t k) const { return inverse_totals[k]; }
    double log_of_total(size_t k) const { return logs_of_totals[k]; }

    // row, whose form of the exponential is chosen, as it is once its sum is known.
    FloatRow<T> with_sums(FloatRow<T> row, size_t k) const {
        row.maximum = maximum[k], row.exact_top = exact_top[k], row.top = top[k], row.others = others[k];
        return row;
    }
};

// Of factors in two parts, and whether all of `count` can be taken apart.
template <class Factor> SOFTFLOOR_INLINE bool split_all(size_t count, float* high, float* low, Factor factor) {
    size_t split_factors = 0;
    for (size_t k = 0; k < count; ++k) {
        double its_factor = factor(k);
        split_factors += splits(its_factor);
        Sum<float> parts = split(its_factor);
        high[k] = parts.high, low[k] = parts.low;
    }
    return split_factors == count;
}

}  // namespace
}  // namespace softfloor
