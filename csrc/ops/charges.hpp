// Cross-entropy of one row in float32 terms (float_row.hpp), where class i is charged a_i >= 0, and a label at_label
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

// charge(i) is a_i, where `spread` says that there are any. Everything returns false where a row needs the wider text,
// with no output touched that could be an input.
template <class T, class Charge> struct ChargedRow {
    FloatRow<T>& row;
    Charge charge;
    bool spread;
    Label label;
    double z_loss;
    double charges = 0.0, depths = 0.0, label_logit = 0.0, loss = 0.0, log_normaliser = 0.0;

    // A gradient is a difference; below this length float32 terms would leave more than n 2^-26 of what it is one of.
    static constexpr size_t shortest = 16;

    ChargedRow(FloatRow<T>& its_row, Charge its_charge, bool is_spread, Label its_label, double its_z_loss)
        : row(its_row), charge(its_charge), spread(is_spread), label(its_label), z_loss(its_z_loss) {
        row.find_place();
        if (spread) {
            charges = sum_of<double>(row.n, [&](size_t i) { return charge(i); });
            depths =
                sum_of<double>(row.n, [&](size_t i) { return charge(i) * (double(row.maximum) - double(row.x[i])); });
        }
        if (label.place >= 0) label_logit = row.entry(size_t(label.place));
    }

    // After the sum over the row is known.
    bool find_loss() {
        double log_of_total = row.log_of_total();
        log_normaliser = double(row.maximum) + log_of_total;
        loss = depths + charges * log_of_total;
        if (label.place >= 0) loss += label.charge * (row.depth(label_logit) + log_of_total);
        if (z_loss > 0) {
            if (cancels(row, log_normaliser)) return false;
            loss += z_loss * log_normaliser * log_normaliser;
        }
        return row.form != FloatRow<T>::infinite && loss < infinity;  // not NaN either
    }
    bool value() {
        if (row.n < shortest) return false;
        row.sum_others();
        return find_loss();
    }
    // Terms wait in the gradient's memory, or where that is the charges', in scratch.
    bool value_and_gradient(T* gradient, double scale, const void* charges_memory) {
        if (row.n < shortest) return false;
        float* terms = gradient == charges_memory ? row.room : row.terms_in(gradient);
        if (terms == row.x && sizeof(T) == 4) {  // the wider text would find its logits gone
            if (!value()) return false;
            row.sum_into(terms);
        } else {
            row.sum_into(terms);
            if (!find_loss()) return false;
        }
        double pull = z_loss > 0 ? 2 * z_loss * log_normaliser : 0.0, inverse_total = row.inverse_total();
        double factor = label.charge + charges + pull, each = factor * inverse_total * scale;
        T at_label{};
        if (label.place >= 0) {
            // p - 1 = -(everything but the label) / total: no cancellation where the label has nearly all the mass.
            double own = spread ? charge(size_t(label.place)) : 0.0;
            double missing = row.total_without(label_logit) * inverse_total;
            double share = (charges - own + pull) * (double(terms[label.place]) * inverse_total);
            at_label = Format<T>::store((share - (label.charge + own) * missing) * scale);
        }
        if (!spread) {
            row.write_scaled(terms, gradient, each);
        } else if (splits(each)) {
            Sum<float> parts = split(each);
            narrow_each(gradient, row.n, [&](size_t i) {
                float charged = float(charge(i) * scale);
                return fma(terms[i], parts.high, fma(terms[i], parts.low, -charged));
            });
        } else {
            for_each(row.n, [&](size_t i) { gradient[i] = Format<T>::store(terms[i] * each - charge(i) * scale); });
        }
        if (label.place >= 0) gradient[label.place] = at_label;
        return true;
    }
};

}  // namespace
}  // namespace softfloor
