// The log-sum-exp of a row where m/T and L cancel. What the errors of its terms leave in L is a share of S/(1 + S):
// 2^-24 of terms in float32, 2^-32 in double, 2^-57 of those of float64 rows. Where that would reach the last digits of
// the sum, it is computed again with smaller errors, in the end with such of 2^-90.
#pragma once
#include "../math/exact.hpp"
#include "float_row.hpp"
#include "wide_row.hpp"

namespace softfloor {
namespace {

// m/T + L.
template <class Row, class N> SOFTFLOOR_INLINE N total_of(const Row& row, N log_of_total) {
    N top = over(N(row.maximum), row.inverse_temperature);
    bool bounded = __builtin_fabs(head(top)) != infinity;
    return bounded ? top + log_of_total : N(head(top) + 0.0 * head(row.others));  // NaN stays NaN
}

template <class T> double term_of_maximum(const FloatRow<T>& row) { return row.exact_top; }
template <class T> double term_of_maximum(const WideRow<T>& row) { return row.ties; }
// Whether the total is below some shares S/(1 + S).
template <class Row, class N> SOFTFLOOR_INLINE bool is_below(const Row& row, N total, double shares) {
    double others = head(row.others);
    return __builtin_fabs(head(total)) * (term_of_maximum(row) + others) < shares * others;
}
template <class Row> SOFTFLOOR_INLINE bool cancels(const Row& row, double total) { return is_below(row, total, 2.0); }
template <class Row> SOFTFLOOR_INLINE bool cancels(const Row& row, Pair total) {
    constexpr double smallest = 0x1p-900;  // of terms that exact.hpp is for
    return is_below(row, total, 0.5) && head(row.others) > smallest;
}

template <class Entry> [[gnu::noinline]] Pair exact_total(size_t n, double temperature, Entry entry) {
    WideRow<double> row(n, temperature, entry);
    row.others = sum_of<Pair>(n, [=](size_t i) __attribute__((always_inline)) {
        double value = entry(i);
        return select(value == row.maximum, Pair(0.0), exact_exponential_of_minus(row.depth(value)).value);
    });
    return total_of(row, exact_log1p_of(Pair(row.ties - 1.0) + row.others));
}
// For results up to float32, which an error of 2^-27 of them does not show: in double, or in the terms of float64 rows.
template <class Entry> [[gnu::noinline]] double wide_total(size_t n, double temperature, Entry entry) {
    WideRow<float> row(n, temperature, entry);
    row.sum_others(entry);
    double total = total_of(row, row.log_of_total());
    if (!is_below(row, total, 0x1p-4)) return total;
    WideRow<double> wider(n, temperature, entry);
    wider.sum_others(entry);
    Pair with_rest = total_of(wider, wider.log_of_total());
    return is_below(wider, with_rest, 0x1p-30) ? exact_total(n, temperature, entry).hi : with_rest.hi;
}
template <class N, class Entry> N total_again(size_t n, double temperature, Entry entry) {
    if constexpr (__is_same(N, Pair)) return exact_total(n, temperature, entry);
    else return wide_total(n, temperature, entry);
}

}  // namespace
}  // namespace softfloor
