// Cross-entropy of softmax(x) on one contiguous row, from the same maximum, ties and sum as softmax itself (rows.hpp).
//   class label l:    loss = t_l + L,                gradient = softmax - onehot(l)
//   probabilities y:  loss = sum_i y_i (t_i + L),    gradient = softmax sum(y) - y
// with t_i = m - x_i and L = log1p(c - 1 + S): the logarithm of softmax is never taken.
#pragma once
#include "charged_rows.hpp"
#include "charges.hpp"
#include "rows.hpp"
#include "wide_charges.hpp"

namespace softfloor {
namespace {

// A row of which the label is less than 0 costs nothing, whatever it holds.
inline int64_t label_at(const Strided& labels, size_t row) {
    return *reinterpret_cast<const int64_t*>(labels.at(row, 0));
}

template <class T>
SOFTFLOOR_INLINE auto probability_charges(const WideRow<T>& row, const T* labels, typename WideRow<T>::N log_of_total) {
    return WideCharges<typename WideRow<T>::N>(
        row.x, row.n, log_of_total, [=](size_t i) { return WideRow<T>::number(labels[i]); },
        [=](double value) { return row.template depth_at<true>(value); });
}
template <class N> SOFTFLOOR_INLINE N probability_loss(const WideCharges<N>& charges, N log_of_total) {
    N loss = charges.loss(log_of_total);
    bool number = head(loss) == head(loss) && head(log_of_total) == head(log_of_total);
    return !number ? N(loss + log_of_total) : charges.costs_infinity ? N(infinity) : loss;
}

// The labels of rows that are held together, and their logits; of an ignored row those of its first entry.
template <class Rows> struct LabelLogits {
    double logits[Rows::most];
    size_t places[Rows::most], ignored_rows[Rows::most], ignored = 0;

    LabelLogits(const Rows& all, const Strided& operand, size_t count) {
        int64_t least = 0;
        for (size_t k = 0; k < count; ++k) {
            int64_t label = label_at(operand, k);
            least = label < least ? label : least, places[k] = size_t(label);
        }
        for (size_t k = 0; least < 0 && k < count; ++k) {
            if (int64_t(places[k]) >= 0) continue;
            ignored_rows[ignored++] = k, places[k] = 0;
        }
        for (size_t k = 0; k < count; ++k) logits[k] = all.entry(k, places[k]);
    }
    void write_losses(const Rows& all, size_t count, const Strided& out) const {
        using T = typename Rows::Entry;
        SideBySide<typename Rows::N, Rows::most> losses;
        all.find_label_losses(count, logits, losses);
        auto loss_of = [&](size_t k) { return reinterpret_cast<T*>(out.at(k, 0)); };
        for (size_t k = 0; k < count; ++k) *loss_of(k) = Format<T>::store(losses[k]);
        for (size_t k = 0; k < ignored; ++k) *loss_of(ignored_rows[k]) = T{};
    }
};

struct SoftmaxCrossEntropy {  // (n),()->(): logits, label
    template <class T> static void batch(const Strided* operands, size_t n, size_t count, void* scratch) {
        Batch<T> batch(operands, nullptr, n, count, scratch);
        batch.sum_others();
        batch.each([&](auto& row, size_t k) {
            int64_t label = label_at(operands[1], k);
            auto depth = label < 0 ? row.depth(row.maximum) : row.depth(row.entry(size_t(label)));
            auto loss = loss_of_depth(depth, row.log_of_total(), row.others);
            *batch.template at<T>(2, k) = label < 0 ? T{} : Format<T>::store(loss);
        });
    }
    template <class Rows> static bool together(Rows& all, const Strided* operands, size_t n, size_t count) {
        if (!all.template load<true>(operands[0], n, count, nullptr)) return false;
        all.template add_terms<true>();
        LabelLogits<Rows>(all, operands[1], count).write_losses(all, count, operands[2]);
        return true;
    }
};

// Probabilities in float32 terms; false where a row needs the wider text.
template <class T> SOFTFLOOR_INLINE auto charging_of(const T* probabilities, size_t n, float* room, double scale) {
    const auto* charges = spread_where_slow(probabilities, n, room);
    auto charge = [=](size_t i) { return double(widen(charges[i])); };
    return Charging<decltype(charge)>{charge, true, {}, 0.0, scale};
}
template <class T>
bool probabilities_in_float(const void* const* in, size_t n, void* scratch, void* loss, void* gradient, double scale) {
    const T *logits = static_cast<const T*>(in[0]), *labels = static_cast<const T*>(in[1]);
    float* room = static_cast<float*>(scratch) + n;  // beside the row's
    return charge_row(logits, n, charging_of(labels, n, room, scale), scratch, static_cast<T*>(loss),
                      static_cast<T*>(gradient), labels);
}
inline double scale_of(const void* operand) { return *static_cast<const double*>(operand); }

// Rows of few entries side by side, short ones together, and others, or what only the wider text knows to treat, one
// after another. Op says what they are charged: charge(rows, operands) tells ChargedRows, and charging(...) gives its
// body a function that has the Charging of each row. entry_sizes are those of operands with rows.
template <class Op>
concept HasFew = requires { typename Op::template Few<float>; };
template <class Op, class T, int inputs, int outputs>
[[gnu::noinline]] void few_entries(const Strided* operands, size_t n, size_t count, bool* is_done) {
    typename Op::template Few<T> rows(operands[0], n, count);
    Op::charge(rows, operands);
    rows.write_losses(operands[inputs]);
    if constexpr (outputs > 1) rows.write_gradients(operands[inputs + 1]);
    for (size_t k = 0; k < count; ++k) is_done[k] = rows.is_covered[k] != 0;
}
template <class Op, class T, int inputs, int outputs>
void charge_batch(const Strided* operands, size_t n, size_t count, void* scratch) {
    bool is_done[most_batched] = {};
    if (n && n <= Op::template Few<T>::longest) {
        few_entries<Op, T, inputs, outputs>(operands, n, count, is_done);
    } else if constexpr (sizeof(T) < 8) {
        const Strided *losses = &operands[inputs], *gradients = outputs > 1 ? &operands[inputs + 1] : nullptr;
        auto together = [&]<size_t width>() {
            Op::template charging<T>(operands, n, static_cast<float*>(scratch), [&](auto charging) {
                charge_short_rows<T, width>(operands[0], n, count, charging, *losses, gradients, is_done);
            });
        };
        if (n == 32) together.template operator()<32>();
        else if (32 < n && n <= 64) together.template operator()<64>();
        else if (64 < n && n <= 128) together.template operator()<128>();
    }
    for (size_t k = 0; k < count; ++k)
        if (!is_done[k]) run_row<Op, T, inputs, outputs>(operands, k, n, scratch);
}

// The same for rows of few entries that lie side by side, as along axis 0.
inline void copy_entries(size_t size, char* to, ptrdiff_t to_step, const char* from, ptrdiff_t from_step, size_t n) {
    auto copy = [&]<size_t bytes>() {
        for (size_t i = 0; i < n; ++i, to += to_step, from += from_step) __builtin_memcpy(to, from, bytes);
    };
    if (size == 2) copy.template operator()<2>();
    else if (size == 4) copy.template operator()<4>();
    else copy.template operator()<8>();
}
template <class Op, class T, int inputs, int outputs>
[[gnu::noinline]] void run_copied_row(const Strided* operands, size_t row, size_t n, char* scratch) {
    constexpr auto& sizes = Op::template entry_sizes<T>;
    Strided copies[inputs + outputs];
    for (int k = 0; k < inputs + outputs; ++k) {
        copies[k] = {operands[k].at(row, 0), 0, 0};
        if (!sizes[k]) continue;
        copies[k].memory = scratch, scratch += n * sizeof(double);
        if (k < inputs)
            copy_entries(sizes[k], copies[k].memory, ptrdiff_t(sizes[k]), operands[k].at(row, 0),
                         operands[k].entry_step, n);
    }
    run_row<Op, T, inputs, outputs>(copies, 0, n, scratch);
    for (int k = inputs; k < inputs + outputs; ++k)
        if (sizes[k])
            copy_entries(sizes[k], operands[k].at(row, 0), operands[k].entry_step, copies[k].memory,
                         ptrdiff_t(sizes[k]), n);
}
template <class Op, class T, int inputs, int outputs>
size_t charge_columns(const Strided* operands, size_t n, size_t count, ColumnScratch scratch) {
    for (size_t first = 0; first < count; first += most_batched) {
        Strided some[inputs + outputs];
        for (int k = 0; k < inputs + outputs; ++k)
            some[k] = {operands[k].at(first, 0), operands[k].row_step, operands[k].entry_step};
        size_t rows = count - first < most_batched ? count - first : most_batched;
        bool is_done[most_batched] = {};
        few_entries<Op, T, inputs, outputs>(some, n, rows, is_done);
        for (size_t k = 0; k < rows; ++k)
            if (!is_done[k]) run_copied_row<Op, T, inputs, outputs>(some, k, n, static_cast<char*>(scratch.memory));
    }
    return count;
}

struct SoftmaxCrossEntropyProbabilities {  // (n),(n)->(): logits, labels
    template <class T> static constexpr size_t entry_sizes[] = {sizeof(T), sizeof(T), 0};
    template <class T> using Few = ChargedRows<T, double>;
    template <class T> static void charge(Few<T>& rows, const Strided* operands) {
        rows.template read<T>(operands[1], [&](size_t i, size_t k, double label) { rows.charges[i].set(k, label); });
    }
    template <class T> static void charging(const Strided* operands, size_t n, float* room, auto body) {
        body([=](size_t k) {
            return charging_of(reinterpret_cast<const T*>(operands[1].at(k, 0)), n, room + k * n, 1.0);
        });
    }
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        if constexpr (sizeof(T) < 8)
            if (n > Few<T>::longest && probabilities_in_float<T>(in, n, scratch, out[0], nullptr, 1.0)) return;
        WideRow<T> row(static_cast<const T*>(in[0]), n, 1.0);
        row.sum_others();
        auto log_of_total = row.log_of_total();
        auto charges = probability_charges(row, static_cast<const T*>(in[1]), log_of_total);
        *static_cast<T*>(out[0]) = Format<T>::store(probability_loss(charges, log_of_total));
    }
};

struct SoftmaxCrossEntropyValueAndGrad {  // (n),(),()->(),(n): logits, label, scale of the gradient
    template <class T> static void batch(const Strided* operands, size_t n, size_t count, void* scratch) {
        using N = typename Row<T>::N;
        Batch<T> batch(operands, nullptr, n, count, scratch);
        double logit[most_batched];  // read before the gradient may take the logits' place
        batch.each([&](auto& row, size_t k) {
            int64_t label = label_at(operands[1], k);
            logit[k] = label < 0 ? double(row.maximum) : row.entry(size_t(label));
            row.find_place();
        });
        auto scale = [&](size_t k) { return N(*batch.template at<const double>(2, k)); };
        batch.write_softmax(4, [&](auto&, size_t k) { return scale(k); });
        batch.each([&](auto& row, size_t k) {
            T *loss = batch.template at<T>(3, k), *gradient = batch.template at<T>(4, k);
            int64_t label = label_at(operands[1], k);
            if (label < 0) {
                *loss = T{};
                return for_each(n, [=](size_t i) { gradient[i] = T{}; });
            }
            N each = row.inverse_total() * scale(k);
            // p - 1 = -(everything but the label) / total: no cancellation where the label has nearly all the mass.
            gradient[label] = Format<T>::store(row.empty() ? N(0.0) : -(row.total_without(logit[k]) * each));
            *loss = Format<T>::store(loss_of_depth(row.depth(logit[k]), row.log_of_total(), row.others));
        });
    }
    template <class Rows> static bool together(Rows& all, const Strided* operands, size_t n, size_t count) {
        using T = typename Rows::Entry;
        if (!all.template load<true>(operands[0], n, count, nullptr)) return false;
        using N = typename Rows::N;
        double scales[Rows::most];
        SideBySide<N, Rows::most> each, slopes;
        LabelLogits<Rows> labels(all, operands[1], count);
        for (size_t k = 0; k < count; ++k) scales[k] = *reinterpret_cast<const double*>(operands[2].at(k, 0));
        all.template keep_terms<true>(operands[4]);
        for (size_t k = 0; k < count; ++k) each.set(k, all.inverse_total(k) * N(scales[k]));
        for (size_t k = 0; k < labels.ignored; ++k) {
            size_t row = labels.ignored_rows[k];
            // Terms that are NaN stay NaN. In float64 what was written is set to 0 below.
            if (sizeof(T) < 8 && head(all.inverse_total(row)) != head(all.inverse_total(row))) return false;
            each.set(row, N(0.0));
        }
        if (!all.write_scaled(operands[4], [&](size_t k) { return each[k]; })) return false;
        labels.write_losses(all, count, operands[3]);
        all.find_label_slopes(count, labels.logits, each, slopes);
        for (size_t k = 0; k < labels.ignored; ++k) slopes.set(labels.ignored_rows[k], N(0.0));  // not -0
        for (size_t k = 0; k < count; ++k) all.replace(operands[4], k, labels.places[k], slopes[k]);
        if constexpr (sizeof(T) == 8)
            for (size_t k = 0; k < labels.ignored; ++k)
                for (size_t i = 0; i < n; ++i) *reinterpret_cast<T*>(operands[4].at(labels.ignored_rows[k], i)) = T{};
        return true;
    }
};

struct SoftmaxCrossEntropyProbabilitiesValueAndGrad {  // (n),(n),()->(),(n): logits, labels, scale of the gradient
    template <class T> static constexpr size_t entry_sizes[] = {sizeof(T), sizeof(T), 0, 0, sizeof(T)};
    template <class T> using Few = ChargedRows<T, double>;
    template <class T> static void charge(Few<T>& rows, const Strided* operands) {
        SoftmaxCrossEntropyProbabilities::charge(rows, operands);
        rows.read_numbers(operands[2], rows.scale);
    }
    template <class T> static void charging(const Strided* operands, size_t n, float* room, auto body) {
        body([=](size_t k) {
            const T* labels = reinterpret_cast<const T*>(operands[1].at(k, 0));
            return charging_of(labels, n, room + k * n, scale_of(operands[2].at(k, 0)));
        });
    }
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        using N = typename WideRow<T>::N;
        if constexpr (sizeof(T) < 8)
            if (n > Few<T>::longest && probabilities_in_float<T>(in, n, scratch, out[0], out[1], scale_of(in[2])))
                return;
        WideRow<T> row(static_cast<const T*>(in[0]), n, 1.0);
        const T* labels = static_cast<const T*>(in[1]);
        double scale = *static_cast<const double*>(in[2]);
        row.sum_others();
        N log_of_total = row.log_of_total();
        auto charges = probability_charges(row, labels, log_of_total);
        N loss = probability_loss(charges, log_of_total);
        const auto each = factor_of_stored(row.inverse_total() * charges.total);
        T* gradient = static_cast<T*>(out[1]);
        // The term is computed again with all its digits: softmax and label may cancel. By copies, which a gradient in
        // float64 cannot change.
        if (row.empty()) for_each(n, [=](size_t i) { gradient[i] = T{}; });
        else
            for_each(n, [=](size_t i) {
                N e = stored_exponential_of_minus(row.template depth_at<true>(WideRow<T>::number(row.x[i])));
                double slope = scaled_difference(e, each, WideRow<T>::number(labels[i]), scale);
                gradient[i] = Format<T>::store(N(slope));
            });
        *static_cast<T*>(out[0]) = Format<T>::store(loss);
    }
};

}  // namespace
}  // namespace softfloor
