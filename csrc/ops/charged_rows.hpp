// Cross-entropy of up to sixteen rows of few entries, side by side in numbers twice as wide as the entries: entry i of
// each in one vector, so that nothing is done for one row at a time. As in charges.hpp, class i is charged a_i >= 0,
// and a label at_label more. With t_i = m - x_i, c maxima, S, L and lse = m + L as in wide_row.hpp:
//   loss = sum a t + L sum a + at_label (t_label + L) + k lse^2,
//   gradient = p_i factor - a_i, at_label less at the label, with factor = sum a + at_label + 2 k lse.
#pragma once
#include "side_by_side.hpp"
#include "wide_charges.hpp"

namespace softfloor {
namespace {

// Charge is double where charges are such, and otherwise as wide as what is computed.
template <class T, class Charge> struct ChargedRows {
    using N = typename Format<T>::Number;
    static constexpr size_t most = most_batched;
    // In longer rows of float64 there is enough to do for one at a time, and others are faster in float32 terms. Below
    // 16 entries those would leave more than n 2^-26 of a gradient's terms, of which it is a difference.
    static constexpr size_t longest = sizeof(T) == 8 ? 128 : 31;
    // Beyond, products of pairs might overflow.
    static constexpr double largest_factor = 0x1p500;

    const size_t n, count;
    SideBySide<Charge, most> charges[longest];
    SideBySide<N, most> at_label;
    alignas(64) double z_loss[most], scale[most];  // of the gradient
    int64_t label[most];                           // or less than 0
    // Which rows this is right for: of others the wider text knows what to do with infinities and NaN. A row that is
    // ignored costs nothing, whatever it holds.
    alignas(64) int64_t is_covered[most], is_ignored[most];

    ChargedRows(const Strided& logits, size_t length, size_t row_count) : n(length), count(row_count) {
        read<T>(logits, [&](size_t i, size_t k, double value) { x[i][k] = value; });
        for (size_t k = 0; k < most; ++k) {
            at_label.set(k, N(0.0)), z_loss[k] = 0.0, scale[k] = 1.0, label[k] = -1;
            is_covered[k] = k < count, is_ignored[k] = false;
        }
    }

    // body(i, k, entry) for the entries of each row. Rows that are not there repeat the first.
    template <class Item, class Body> SOFTFLOOR_INLINE void read(const Strided& from, Body body) {
        if (from.row_step == 0) {
            for (size_t i = 0; i < n; ++i) {
                double value = number(*reinterpret_cast<const Item*>(from.at(0, i)));
                each_row([&](size_t k) { body(i, k, value); });
            }
            return;
        }
        if (from.row_step == sizeof(Item) && count == most) {  // as along axis 0
            for (size_t i = 0; i < n; ++i) {
                const Item* entries = reinterpret_cast<const Item*>(from.at(0, i));
                each_row([&](size_t k) { body(i, k, number(entries[k])); });
            }
            return;
        }
        for (size_t k = 0; k < most; ++k) {
            const char* entry = from.at(k < count ? k : 0, 0);
            for (size_t i = 0; i < n; ++i, entry += from.entry_step)
                body(i, k, number(*reinterpret_cast<const Item*>(entry)));
        }
    }
    // A number of each row.
    template <class Number> SOFTFLOOR_INLINE void read_numbers(const Strided& from, Number* to) const {
        for (size_t k = 0; k < most; ++k) to[k] = *reinterpret_cast<const Number*>(from.at(k < count ? k : 0, 0));
    }
    template <class Body> SOFTFLOOR_INLINE static void each_row(Body body) {
#pragma GCC ivdep
#pragma GCC unroll 1  // unrolled, it would not be vectorised
        for (size_t k = 0; k < most; ++k) body(k);
    }

    void write_losses(const Strided& out) {
        find_losses();
        for (size_t k = 0; k < count; ++k)
            if (is_covered[k]) *reinterpret_cast<T*>(out.at(k, 0)) = is_ignored[k] ? T{} : Format<T>::store(losses[k]);
    }
    // After the losses.
    void write_gradients(const Strided& out) {
        find_gradients();
        size_t covered = 0;
        for (size_t k = 0; k < most; ++k) {
            covered += size_t(is_covered[k]);
            if (is_ignored[k])
                for (size_t i = 0; i < n; ++i) x[i][k] = 0.0;
        }
        if (out.row_step == sizeof(T) && covered == most) {
            for (size_t i = 0; i < n; ++i) {
                T* entries = reinterpret_cast<T*>(out.at(0, i));
                each_row([&](size_t k) { entries[k] = Format<T>::store(N(x[i][k])); });
            }
            return;
        }
        for (size_t k = 0; k < count; ++k) {
            if (!is_covered[k]) continue;
            char* entry = out.at(k, 0);
            for (size_t i = 0; i < n; ++i, entry += out.entry_step)
                *reinterpret_cast<T*>(entry) = Format<T>::store(N(x[i][k]));
        }
    }

  private:
    alignas(64) double x[longest][most];  // the logits, then the gradients
    SideBySide<N, most> terms[longest];   // times 2^stored_power, 0 for maxima
    alignas(64) double maximum[most], ties[most], label_value[most];
    SideBySide<N, most> others, total, depths, log_normaliser, losses, label_term;
    SideBySide<Charge, most> own;

    SOFTFLOOR_INLINE static double number(double value) { return value; }
    template <class Item> SOFTFLOOR_INLINE static double number(Item value) { return double(widen(value)); }

    void find_losses() {
        sum_up();
        for (size_t k = 0; k < most; ++k) {
            size_t place = label[k] < 0 ? 0 : size_t(label[k]);
            label_value[k] = x[place][k], label_term.set(k, terms[place][k]), own.set(k, charges[place][k]);
        }
        // Short loops: long ones on pairs are left scalar.
        SideBySide<N, most> logs;
        each_row([&](size_t k) {
            others.set(k, times_power_of_two(lanes_total(others[k]), power_of_two(-stored_power)));
            total.set(k, lanes_total(total[k]));
        });
        each_row([&](size_t k) { logs.set(k, log1p_of(N(ties[k] - 1.0) + others[k])); });
        each_row([&](size_t k) { log_normaliser.set(k, N(maximum[k]) + logs[k]); });
        each_row([&](size_t k) {
            N depth = difference(maximum[k], label_value[k], N()) + logs[k];
            losses.set(k, lanes_total(depths[k]) + open_product(logs[k], total[k]) + at_label[k] * depth);
        });
        each_row([&](size_t k) { losses.set(k, losses[k] + N(z_loss[k]) * square(log_normaliser[k])); });
        each_row([&](size_t k) {
            double pull = 2 * z_loss[k] * __builtin_fabs(head(log_normaliser[k]));
            bool is_finite = __builtin_fabs(maximum[k]) < infinity, costs_number = head(losses[k]) < infinity;
            bool has_room = head(total[k]) + head(at_label[k]) + pull <= largest_factor;
            bool is_scaled = __builtin_fabs(scale[k]) <= largest_factor;
            is_covered[k] &= int64_t(is_finite & costs_number & has_room & is_scaled) | is_ignored[k];
        });
    }
    void find_gradients() {
        SideBySide<N, most> factors;
        alignas(64) double of_products[most], of_labels[most];
        each_row([&](size_t k) {
            N inverse_total = reciprocal(N(ties[k]) + others[k]), pull = N(2 * z_loss[k]) * log_normaliser[k];
            auto factor = factor_of_stored(inverse_total * (at_label[k] + total[k] + pull));
            factors.set(k, factor.each), of_products[k] = factor.of_product;
            // p - 1 = -(everything but the label) / total: no cancellation where the label has nearly all the mass.
            bool is_maximum = label_value[k] == maximum[k];
            N term = times_power_of_two(label_term[k], power_of_two(-stored_power));
            N without = others[k] - term + N(is_maximum ? ties[k] - 1.0 : ties[k]);
            N probability = select(is_maximum, N(1.0), term) * inverse_total;
            N share = (total[k] - own[k] + pull) * probability;
            of_labels[k] = collapse((share - (at_label[k] + own[k]) * (without * inverse_total)) * N(scale[k]));
        });
        for (size_t i = 0; i < n; ++i)
            each_row([&](size_t k) {
                N term = select(x[i][k] == maximum[k], N(power_of_two(stored_power)), terms[i][k]);
                x[i][k] = scaled_difference(term, {factors[k], of_products[k]}, charges[i][k], scale[k]);
            });
        for (size_t k = 0; k < most; ++k)
            if (label[k] >= 0) x[label[k]][k] = of_labels[k];
    }
    void sum_up() {
        each_row([&](size_t k) { maximum[k] = -infinity, ties[k] = 0.0; });
        each_row([&](size_t k) { others.set(k, N(0.0)), total.set(k, N(0.0)), depths.set(k, N(0.0)); });
        for (size_t i = 0; i < n; ++i)
            each_row([&](size_t k) { maximum[k] = x[i][k] > maximum[k] ? x[i][k] : maximum[k]; });
        for (size_t i = 0; i < n; ++i) {
            each_row([&](size_t k) {
                bool is_maximum = x[i][k] == maximum[k];
                N term = stored_exponential_of_minus(difference(maximum[k], x[i][k], N()), is_maximum);
                terms[i].set(k, term), ties[k] += is_maximum ? 1.0 : 0.0;
                others.set(k, open_sum(others[k], term));
            });
            each_row([&](size_t k) {
                N depth = difference(maximum[k], x[i][k], N());
                Charge charge = charges[i][k];
                N cost = select(head(charge) == 0, N(0.0), open_product(depth, charge));
                depths.set(k, open_sum(depths[k], cost));
                total.set(k, open_sum(total[k], N(charge)));
            });
        }
    }
};

}  // namespace
}  // namespace softfloor
