// Cross-entropy of rows in float32 terms (float_row.hpp), where class i is charged a_i >= 0, and a label at_label
// more. With t_i, L and lse = m + L as there:
//   loss = sum_i a_i (t_i + L) + at_label (t_label + L) + k lse^2,
//   gradient = p_i factor - a_i, at_label less at the label, with factor = sum a + at_label + 2 k lse.
// Sums over charges run in double.
#pragma once
#include "rows.hpp"

namespace softfloor {
namespace {

struct Label {
    int64_t place = -1;  // none
    double charge = 0.0;
};

// What a row is charged: charge(i) is a_i, where `is_spread` says that there are any. The gradient is scaled.
template <class Charge> struct Charging {
    Charge charge;
    bool is_spread;
    Label label = {};
    double z_loss = 0.0, scale = 1.0;
    bool is_wanted = true;  // by this text
};

// sum a, sum a (m - x), and the logit of the label, which is read before a gradient may take its place.
struct ChargeSums {
    double charges = 0.0, depths = 0.0, label_logit = 0.0;
};
template <class Charge>
ChargeSums charge_sums(const float* x, size_t n, float maximum, const Charging<Charge>& charging) {
    ChargeSums sums;
    if (charging.is_spread) {
        auto charge = charging.charge;
        Lanes<double> charges, depths;
        add_in_lanes(n, [&](size_t j, size_t i) __attribute__((always_inline)) {
            double amount = charge(i);
            charges.add(j, amount), depths.add(j, amount * (double(maximum) - double(x[i])));
        });
        sums.charges = charges.total(), sums.depths = depths.total();
    }
    if (charging.label.place >= 0) sums.label_logit = double(x[charging.label.place]);
    return sums;
}

// What returns false, here and below, leaves a row to the wider text, with no output touched that could be an input.
template <class T, class Charge> struct ChargedRow {
    FloatRow<T>& row;
    const Charging<Charge>& charging;
    ChargeSums sums;
    double loss = 0.0, log_normaliser = 0.0;

    // After the sum over the row is known.
    bool find_loss(double log_of_total) {
        log_normaliser = double(row.maximum) + log_of_total;
        loss = sums.depths + sums.charges * log_of_total;
        if (charging.label.place >= 0) loss += charging.label.charge * (row.depth(sums.label_logit) + log_of_total);
        if (charging.z_loss > 0) {
            if (cancels(row, log_normaliser)) return false;
            loss += charging.z_loss * log_normaliser * log_normaliser;
        }
        return row.form != FloatRow<T>::infinite && loss < infinity;  // not NaN either
    }
    void write_gradient(const float* terms, double inverse_total, T* gradient) const {
        const auto& [charge, is_spread, label, z_loss, scale, is_wanted] = charging;
        double pull = z_loss > 0 ? 2 * z_loss * log_normaliser : 0.0;
        double factor = label.charge + sums.charges + pull, each = factor * inverse_total * scale;
        T at_label{};
        if (label.place >= 0) {
            // p - 1 = -(everything but the label) / total: no cancellation where the label has nearly all the mass.
            double own = is_spread ? charge(size_t(label.place)) : 0.0;
            double missing = row.total_without(sums.label_logit) * inverse_total;
            double share = (sums.charges - own + pull) * (double(terms[label.place]) * inverse_total);
            at_label = Format<T>::store((share - (label.charge + own) * missing) * scale);
        }
        if (!is_spread) {
            row.write_scaled(terms, gradient, each);
        } else if (splits(each)) {
            Sum<float> parts = split(each);
            auto its_charge = charge;
            double its_scale = scale;
            narrow_each(gradient, row.n, [=](size_t i) {
                float charged = float(its_charge(i) * its_scale);
                return fma(terms[i], parts.high, fma(terms[i], parts.low, -charged));
            });
        } else {
            for_each(row.n, [&](size_t i) { gradient[i] = Format<T>::store(terms[i] * each - charge(i) * scale); });
        }
        if (label.place >= 0) gradient[label.place] = at_label;
    }
};

// The loss of a row, and its gradient where that is asked for. Terms wait in the gradient's memory, or where that is
// the charges', in scratch.
template <class T, class Charge>
bool charge_row(const T* logits, size_t n, const Charging<Charge>& charging, void* scratch, T* loss, T* gradient,
                const void* charges_memory) {
    FloatRow<T> row(logits, n, 1.0, scratch);
    row.find_place();
    ChargedRow<T, Charge> charged{row, charging, charge_sums(row.x, n, row.maximum, charging)};
    float* terms = !gradient ? nullptr : gradient == charges_memory ? row.room : row.terms_in(gradient);
    if (!gradient || (sizeof(T) == 4 && terms == row.x)) {  // the wider text would find its logits gone
        row.sum_others();
        if (!charged.find_loss(row.log_of_total())) return false;
        if (gradient) row.sum_into(terms);
    } else {
        row.sum_into(terms);
        if (!charged.find_loss(row.log_of_total())) return false;
    }
    if (gradient) charged.write_gradient(terms, row.inverse_total(), gradient);
    *loss = Format<T>::store(charged.loss);
    return true;
}
// The same for rows that ShortRows holds together, with the same bits. charging(k) is that of a row.
template <class T, size_t width>
[[gnu::noinline]] void charge_short_rows(const Strided& logits, size_t n, size_t count, auto charging,
                                         const Strided& losses, const Strided* gradients, bool* is_done) {
    ShortRows<T, width> all;
    if (!all.template load<true>(logits, n, count, nullptr)) return;
    ChargeSums sums[most_batched];
    for (size_t k = 0; k < count; ++k) sums[k] = charge_sums(all.x[k], n, all.maximum[k], charging(k));
    if (gradients) all.template keep_terms<true>(*gradients);
    else all.template add_terms<true>();
    for (size_t k = 0; k < count; ++k) {
        const auto its_charging = charging(k);
        FloatRow<T> row = all.row(k);
        row.n = n;
        ChargedRow<T, decltype(its_charging.charge)> charged{row, its_charging, sums[k]};
        if (!its_charging.is_wanted || !charged.find_loss(all.log_of_total(k))) continue;
        if (gradients)
            charged.write_gradient(all.entries[k], all.inverse_total(k), reinterpret_cast<T*>(gradients->at(k, 0)));
        *reinterpret_cast<T*>(losses.at(k, 0)) = Format<T>::store(charged.loss);
        is_done[k] = true;
    }
}

}  // namespace
}  // namespace softfloor
