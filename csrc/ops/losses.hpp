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

// The loss of a class from the depth of its logit, which is read before a gradient may take the logits' place.
template <class Row, class N> SOFTFLOOR_INLINE N class_loss(const Row& row, N depth, N log_of_total) {
    bool unbounded = (head(depth) == infinity) | (head(log_of_total) == infinity);
    return unbounded && head(row.others) == head(row.others) ? N(infinity) : depth + log_of_total;
}

inline size_t label_at(const Strided& labels, size_t row) {
    return size_t(*reinterpret_cast<const int64_t*>(labels.at(row, 0)));
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

struct SoftmaxCrossEntropy {  // (n),()->(): logits, label
    template <class T> static void batch(const Strided* operands, size_t n, size_t count, void* scratch) {
        Batch<T> batch(operands, nullptr, n, count, scratch);
        batch.sum_others();
        batch.each([&](auto& row, size_t k) {
            double logit = row.entry(label_at(operands[1], k));
            *batch.template at<T>(2, k) = Format<T>::store(class_loss(row, row.depth(logit), row.log_of_total()));
        });
    }
    template <class Rows> static bool together(Rows& all, const Strided* operands, size_t n, size_t count) {
        using T = typename Rows::Entry;
        if (!all.template load<true>(operands[0], n, count, nullptr)) return false;
        all.template add_terms<true>();
        for (size_t k = 0; k < count; ++k) {
            const auto& row = all.row(k);
            auto depth = row.depth(all.entry(k, label_at(operands[1], k)));
            *reinterpret_cast<T*>(operands[2].at(k, 0)) = Format<T>::store(class_loss(row, depth, all.log_of_total(k)));
        }
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
// after another. Op says what they are charged, by charge(rows, operands) and, in float32 terms, charging<T>(body,
// ...).
template <class Op, class T, int inputs, int outputs>
[[gnu::noinline]] void few_entries(const Strided* operands, size_t n, size_t count, bool* is_done) {
    typename Op::template Few<T> rows(operands[0], n, count);
    Op::charge(rows, operands);
    rows.write_losses(operands[inputs]);
    if constexpr (outputs > 1) rows.write_gradients(operands[inputs + 1]);
    for (size_t k = 0; k < count; ++k) is_done[k] = rows.is_covered[k];
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

struct SoftmaxCrossEntropyProbabilities {  // (n),(n)->(): logits, labels
    template <class T> static void batch(const Strided* operands, size_t n, size_t count, void* scratch) {
        charge_batch<SoftmaxCrossEntropyProbabilities, T, 2, 1>(operands, n, count, scratch);
    }
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
            logit[k] = row.entry(label_at(operands[1], k));
            row.find_place();
        });
        auto scale = [&](size_t k) { return N(*batch.template at<const double>(2, k)); };
        batch.write_softmax(4, [&](auto&, size_t k) { return scale(k); });
        batch.each([&](auto& row, size_t k) {
            N each = row.inverse_total() * scale(k);
            // p - 1 = -(everything but the label) / total: no cancellation where the label has nearly all the mass.
            batch.template at<T>(4, k)[label_at(operands[1], k)] =
                Format<T>::store(row.empty() ? N(0.0) : -(row.total_without(logit[k]) * each));
            *batch.template at<T>(3, k) = Format<T>::store(class_loss(row, row.depth(logit[k]), row.log_of_total()));
        });
    }
    template <class Rows> static bool together(Rows& all, const Strided* operands, size_t n, size_t count) {
        using T = typename Rows::Entry;
        if (!all.template load<true>(operands[0], n, count, nullptr)) return false;
        using N = typename Rows::N;
        double logit[Rows::most];
        N each[Rows::most];
        for (size_t k = 0; k < count; ++k) logit[k] = all.entry(k, label_at(operands[1], k));
        all.template keep_terms<true>(operands[4]);
        for (size_t k = 0; k < count; ++k)
            each[k] = all.inverse_total(k) * *reinterpret_cast<const double*>(operands[2].at(k, 0));
        if (!all.write_scaled(operands[4], [&](size_t k) { return each[k]; })) return false;
        for (size_t k = 0; k < count; ++k) {
            const auto& row = all.row(k);
            N at_label = row.empty() ? N(0.0) : -(row.total_without(logit[k]) * each[k]);
            all.replace(operands[4], k, label_at(operands[1], k), at_label);
            *reinterpret_cast<T*>(operands[3].at(k, 0)) =
                Format<T>::store(class_loss(row, row.depth(logit[k]), all.log_of_total(k)));
        }
        return true;
    }
};

struct SoftmaxCrossEntropyProbabilitiesValueAndGrad {  // (n),(n),()->(),(n): logits, labels, scale of the gradient
    template <class T> static void batch(const Strided* operands, size_t n, size_t count, void* scratch) {
        charge_batch<SoftmaxCrossEntropyProbabilitiesValueAndGrad, T, 3, 2>(operands, n, count, scratch);
    }
    template <class T> using Few = ChargedRows<T, double>;
    template <class T> static void charge(Few<T>& rows, const Strided* operands) {
        SoftmaxCrossEntropyProbabilities::charge(rows, operands);
        for (size_t k = 0; k < rows.count; ++k) rows.scale[k] = scale_of(operands[2].at(k, 0));
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
