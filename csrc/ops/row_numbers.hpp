// What each of several rows of float32, float16 or bfloat16 needs once, computed for all of them in vectors: where the
// exponents are counted from, and what follows from the sums. The steps, and so the bits, are those of float_row.hpp.
#pragma once
#include "float_row.hpp"
#include "side_by_side.hpp"

namespace softfloor {
namespace {

template <class T, size_t most> struct RowNumbers {
    using N = double;
    alignas(64) float maximum[most], middle[most], lowest[most];
    alignas(64) float scale[most], scale_rest[most], shift[most], unit[most];
    alignas(64) double exact_top[most], top[most], others[most];
    alignas(64) double inverse_totals[most], logs_of_totals[most];
    alignas(64) double inverse_temperature[most];
    bool plain;
    decltype(FloatRow<T>::form) form[most];  // unless plain

    // False where one of `count` rows has an infinite maximum (or nothing but NaN), which its row kernel knows to
    // treat. Those up to `padded`, of which the compiler may know the number, are not there.
    bool choose_forms(const Strided* temperature, size_t count, size_t padded) {
        plain = choose_plain_form(padded) && (!temperature || are_1(*temperature, 0, count));
        if (plain) return true;
        for (size_t k = 0; k < count; ++k) {
            FloatRow<T> row(maximum[k], temperature ? temperature_at(*temperature, k) : 1.0);
            if (row.form == FloatRow<T>::infinite) return false;
            const RowExponential& e = row.exponential;
            scale[k] = e.scale, scale_rest[k] = e.scale_rest, middle[k] = e.middle, shift[k] = e.shift;
            unit[k] = e.unit, lowest[k] = e.lowest, exact_top[k] = row.exact_top;
            form[k] = row.form, inverse_temperature[k] = row.inverse_temperature;
        }
        for (size_t k = count; k < padded; ++k) scale[k] = scale_rest[k] = shift[k] = unit[k] = 0.0f;
        return true;
    }
    template <bool plain> SOFTFLOOR_INLINE RowExponential exponential(size_t k) const {
        if constexpr (!plain) return {scale[k], scale_rest[k], middle[k], shift[k], unit[k], lowest[k]};
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

    // What a label of that logit costs in each row, and its gradient, `each` being that of an entry's share.
    void find_label_losses(size_t count, const double* logits, SideBySide<N, most>& losses) const {
        for (size_t k = 0; k < count; ++k) {
            double depth = logits[k] == double(maximum[k]) ? 0.0 : double(maximum[k]) - logits[k];
            losses.set(k, loss_of_depth(depth, logs_of_totals[k], others[k]));
        }
    }
    void find_label_slopes(size_t count, const double* logits, const SideBySide<N, most>& each,
                           SideBySide<N, most>& slopes) const {
        if (plain) find_slopes_in_form<true>(count, logits, each, slopes);
        else find_slopes_in_form<false>(count, logits, each, slopes);
    }

    // Whether results that are logarithms can be computed in float32, all by one scale, and that.
    bool writes_logs(size_t count, float* its_scale) const {
        *its_scale = plain ? 1.0f : scale[0];
        for (size_t k = 0; k < count; ++k) {
            bool in_float = plain || (row_of(k).writes_log_in_float() && scale[k] == scale[0]);
            if (!in_float || logs_of_totals[k] != logs_of_totals[k]) return false;
        }
        return true;
    }
    // A row as it is once its sum is known.
    FloatRow<T> row_of(size_t k) const {
        FloatRow<T> row;
        row.exponential = plain ? exponential<true>(k) : exponential<false>(k);
        if (!plain) row.form = form[k];
        row.inverse_temperature = inverse_temperature[k];
        row.maximum = maximum[k], row.exact_top = exact_top[k], row.top = top[k], row.others = others[k];
        return row;
    }

  private:
    template <bool plain>
    void find_slopes_in_form(size_t count, const double* logits, const SideBySide<N, most>& each,
                             SideBySide<N, most>& slopes) const {
        for (size_t k = 0; k < count; ++k) {
            float logit = float(logits[k]);
            double term = exponential<plain>(k).template term<plain>(logit);
            double without = logit == maximum[k] ? others[k] : top[k] + (others[k] - term);
            slopes.set(k, -(without * each[k]));
        }
    }
    // At temperature 1; false where a maximum asks for another form of the exponential.
    SOFTFLOOR_INLINE bool choose_plain_form(size_t count) {
        size_t in_reach = 0;
        for (size_t k = 0; k < count; ++k) {
            Origin origin(maximum[k]);
            middle[k] = float(origin.middle), lowest[k] = float(origin.lowest), exact_top[k] = origin.exact_top;
            inverse_temperature[k] = 1.0;
            in_reach += __builtin_fabsf(maximum[k]) <= float(FloatRow<T>::largest_reach);
        }
        return in_reach == count;
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
