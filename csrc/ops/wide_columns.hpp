// Rows of float64 that lie side by side: what wide_row.hpp does for one row is done here for the same entry of each, in
// the same steps and order, and so with the same bits. What a row needs once, its reciprocal and logarithm, is computed
// for all of them in vectors, too.
#pragma once
#include "side_by_side.hpp"
#include "tile_order.hpp"
#include "wide_row.hpp"

namespace softfloor {
namespace {

template <size_t count> using Pairs = SideBySide<Pair, count>;

template <class T> struct WideColumns {
    using Entry = T;
    using N = Pair;
    static constexpr size_t most = most_columns;

    TileOrder::Tile taken, following;
    size_t n, count = 0;
    Strided x;
    double sign;  // times what is read
    bool temperatures_are_1;
    alignas(64) double maximum[most], ties[most], of_products[most], whole[most];
    Pairs<most> inverse_temperatures, others, inverse_totals, logs_of_totals, factors, sums[lanes];

    explicit WideColumns(size_t length) : n(length) {}

    template <bool apart, bool negative = false>
    bool load(const Strided& logits, size_t, size_t row_count, const Strided* temperature) {
        x = logits, count = row_count, sign = negative ? -1.0 : 1.0;
        temperatures_are_1 = !temperature || are_1(*temperature, 0, count);
        for (size_t k = 0; k < count; ++k) {
            inverse_temperatures.set(k, inverse_of<N>(temperature ? temperature_at(*temperature, k) : 1.0));
            maximum[k] = -infinity, ties[k] = 0.0;
        }
        for (size_t i = 0; i < n; ++i) {
            ask_ahead<T>(x, 0, i, count);
            each(i, [&](size_t k, double value)
                        __attribute__((always_inline)) { maximum[k] = value > maximum[k] ? value : maximum[k]; });
        }
        for (size_t i = 0; i < n; ++i)
            each(i, [&](size_t k, double value) __attribute__((always_inline)) { ties[k] += value == maximum[k]; });
        return true;
    }

    // Every maximum is kept apart in any case; here, logarithms of the totals are asked for.
    template <bool apart> void add_terms() {
        sum_up<apart, false>([](size_t, size_t, double, N) {});
    }
    // Terms wait in the result for the sum, times 2^stored_power.
    template <bool apart> void keep_terms(const Strided& out) {
        sum_up<apart, true>([&](size_t k, size_t i, double value, N term) __attribute__((always_inline)) {
            reinterpret_cast<T*>(out.at(0, i))[k] = value == maximum[k] ? power_of_two(stored_power) : head(term);
        });
    }

    double entry(size_t k, size_t i) const { return sign * *reinterpret_cast<const T*>(x.at(k, i)); }
    SOFTFLOOR_INLINE WideRow<T> row(size_t k) const {
        WideRow<T> result;
        result.inverse_temperature = inverse_temperatures[k];
        result.maximum = maximum[k], result.ties = ties[k], result.others = others[k];
        return result;
    }
    N inverse_total(size_t k) const { return inverse_totals[k]; }
    N log_of_total(size_t k) const { return logs_of_totals[k]; }

    // As those of RowNumbers.
    void find_label_losses(size_t count, const double* logits, SideBySide<N, most>& losses) const {
        for_each(count, [&](size_t k) {
            losses.set(k, loss_of_depth(row(k).depth(logits[k]), logs_of_totals[k], others[k]));
        });
    }
    void find_label_slopes(size_t count, const double* logits, const SideBySide<N, most>& each,
                           SideBySide<N, most>& slopes) const {
        for_each(count, [&](size_t k) {
            auto its_row = row(k);
            slopes.set(k, select(its_row.empty(), N(0.0), -(its_row.total_without(logits[k]) * each[k])));
        });
    }

    template <class Factor> bool write_scaled(const Strided& out, Factor factor) {
        for_each(count, [&](size_t k) {
            auto of_stored = factor_of_stored(factor(k));
            factors.set(k, of_stored.each), of_products[k] = of_stored.of_product;
        });
        for (size_t i = 0; i < n; ++i) {
            T* to = reinterpret_cast<T*>(out.at(0, i));
            ask_ahead<T, true>(out, 0, i, count);
            for_each(count, [&](size_t k) { to[k] = WideRow<T>::scaled_term(to[k], {factors[k], of_products[k]}); });
        }
        return true;
    }
    bool write_log(const Strided& out) {
        size_t wholes = 0;
        for (size_t k = 0; k < count; ++k) {
            bool is_whole = row(k).has_whole_logsumexp(logs_of_totals[k]);
            whole[k] = is_whole ? 1.0 : 0.0, wholes += is_whole;
            factors.set(k, N(maximum[k]) + logs_of_totals[k]);
        }
        auto write = [&](auto log_of_share) __attribute__((always_inline)) {
            for (size_t i = 0; i < n; ++i) {
                T* to = reinterpret_cast<T*>(out.at(0, i));
                ask_ahead<T>(x, 0, i, count);
                ask_ahead<T, true>(out, 0, i, count);
                each(i, [&](size_t k, double value) __attribute__((always_inline)) { to[k] = log_of_share(k, value); });
            }
        };
        auto by_logsumexp = [&](size_t k, double value) __attribute__((always_inline)) {
            return WideRow<T>::less_logsumexp(value, factors[k]);
        };
        if (wholes == count) {
            write(by_logsumexp);
            return true;
        }
        by_temperature(temperatures_are_1, [&]<bool is_1>() {
            write([&](size_t k, double value) __attribute__((always_inline)) {
                T apart = row(k).template log_of_share<is_1>(value, logs_of_totals[k]);
                return whole[k] != 0 ? by_logsumexp(k, value) : apart;
            });
        });
        return true;
    }
    void replace(const Strided& out, size_t k, size_t entry, N value) {
        *reinterpret_cast<T*>(out.at(k, entry)) = Format<T>::store(value);
    }
    void finish() {}

  private:
    // body(row, value) for an entry of all rows.
    template <class Body> SOFTFLOOR_INLINE void each(size_t i, Body body) const {
        const T* from = reinterpret_cast<const T*>(x.at(0, i));
        for_each(count, [&](size_t k) __attribute__((always_inline)) { body(k, sign * from[k]); });
    }
    template <bool logarithms, bool inverses, class Keep> SOFTFLOOR_INLINE void sum_up(Keep keep) {
        const size_t filled = n < lanes ? n : lanes;
        for (size_t i = 0; i < filled; ++i) for_each(count, [&](size_t k) { sums[i].set(k, 0.0); });
        by_temperature(temperatures_are_1, [&]<bool is_1>() {
            for (size_t i = 0; i < n; ++i) {
                Pairs<most>& sum = sums[i % lanes];
                each(i, [&](size_t k, double value) __attribute__((always_inline)) {
                    N term = row(k).template stored_term<is_1>(value);
                    keep(k, i, value, term);
                    sum.set(k, open_sum(sum[k], term));
                });
            }
        });
        fold_lanes(n, [&](size_t i, size_t other) __attribute__((always_inline)) {
            for_each(count, [&](size_t k) { sums[i].set(k, open_sum(sums[i][k], sums[other][k])); });
        });
        for_each(count, [&](size_t k) {
            Pair sum = n ? two_sum(sums[0].high[k], sums[0].low[k]) : Pair(0.0);
            others.set(k, times_power_of_two(sum, power_of_two(-stored_power)));
        });
        if constexpr (inverses) for_each(count, [&](size_t k) { inverse_totals.set(k, row(k).inverse_total()); });
        if constexpr (logarithms) for_each(count, [&](size_t k) { logs_of_totals.set(k, row(k).log_of_total()); });
    }
};

}  // namespace
}  // namespace softfloor
