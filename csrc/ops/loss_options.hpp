// Cross-entropy of softmax(z) on one contiguous row with everything that may be asked of it: class weights w, label
// smoothing e, a share k of the squared normaliser, and a softcap, z = cap tanh(x / cap). With n classes:
//   a_i = w_i ((1 - e) y_i + e / n)          what class i is charged for, y the label or the probabilities
//   loss = sum_i a_i (t_i + L) + k lse^2,    gradient = (p_i (sum a + 2 k lse) - a_i) (1 - tanh^2(x_i / cap))
// with t_i = m - z_i, L and lse = m + L as in wide_row.hpp. No term of the loss is negative.
#pragma once
#include "losses.hpp"
#include "sigmoid.hpp"

namespace softfloor {
namespace {

// A row whose logits may be capped on the way. tanh keeps their order, so the largest entry stays the largest; another
// may become as large. -inf still takes no part.
template <class T, bool capped> struct CappedRow : WideRow<T> {
    using Wide = WideRow<T>;
    using N = typename Wide::N;
    struct Logit {
        N value, slope;
    };
    double softcap;
    N inverse_softcap, top;

    CappedRow(const T* row, size_t count, double cap)
        : Wide(row, count, 1.0),
          softcap(cap),
          inverse_softcap(capped ? reciprocal(N(cap)) : N(0.0)),
          top(logit(this->maximum).value) {}

    SOFTFLOOR_INLINE Logit logit(double value) const {
        if constexpr (!capped) {
            return {N(value), N(1.0)};
        } else {
            double limit = 1000 * softcap;  // the slope has long vanished there, also as a float64
            double bounded = value > limit ? limit : value < -limit ? -limit : value;
            auto [tanh, slope] = Tanh::at(N(bounded) * inverse_softcap);
            bool absent = value == -infinity;
            return {select(absent, N(-infinity), apply(tanh) * N(softcap)), select(absent, N(0.0), apply(slope))};
        }
    }
    SOFTFLOOR_INLINE N depth_of(N logit, double value) const {
        if constexpr (!capped) {
            return Wide::template depth_at<true>(value);
        } else {
            N t = top - logit;
            bool absent = double_to_bits(value) == double_to_bits(-infinity);  // by bits, as in wide_charges.hpp
            return select((value == this->maximum) | (head(t) < 0), N(0.0), select(absent, N(infinity), t));
        }
    }
    SOFTFLOOR_INLINE N depth(double value) const { return depth_of(logit(value).value, value); }

    void sum_others() {
        if constexpr (!capped) return Wide::sum_others();
        this->others = sum_of<N>(this->n, [own = *this](size_t i) __attribute__((always_inline)) {
            double value = Wide::number(own.x[i]);
            return select(value == own.maximum, N(0.0), Wide::exponential(own.depth(value)));
        });
    }
    SOFTFLOOR_INLINE N total_without(double value) const {
        N maxima = N(this->ties), without = this->others - Wide::exponential(depth(value)) + maxima;
        return value == this->maximum ? this->others + (maxima - N(1.0)) : without;
    }
    N log_normaliser() const {
        bool bounded = __builtin_fabs(head(top)) != infinity;
        return bounded ? top + this->log_of_total() : N(head(top) + 0.0 * head(this->others));
    }
};

// Numbers of a block that wait for the next loop.
constexpr size_t block = 256;

// What class i is charged for, beside the label.
template <class T> struct Charges {
    using N = typename Format<T>::Number;
    const double* weights;
    const T* shares;  // the probabilities of the classes; zeros beside a class label
    N kept, each;

    SOFTFLOOR_INLINE N charge(size_t i) const { return N(weights[i]) * (kept * Format<T>::load(shares[i]) + each); }
};

// The operands of a row and what both kernels make of them.
template <class T, bool capped> struct OptionsRow : Charges<T> {
    using Row = CappedRow<T, capped>;
    using N = typename Row::N;
    using Charges<T>::charge;
    static constexpr int64_t ignored = -1, probabilities = -2;

    Row row;
    int64_t label;
    bool spread;  // more classes than the label are charged for
    double z_loss;
    N at_label = 0.0, log_of_total, log_normaliser;
    WideCharges<N> charges;  // but for the label's

    OptionsRow(const void* const* in, size_t n)
        : Charges<T>{static_cast<const double*>(in[1]), static_cast<const T*>(in[2]), N(1.0) - N(number(in[5])),
                     N(number(in[5])) * reciprocal(N(double(n)))},
          row(static_cast<const T*>(in[0]), n, number(in[7])),
          label(*static_cast<const int64_t*>(in[3])),
          spread(number(in[5]) > 0 || label == probabilities),
          z_loss(number(in[6])) {
        if (label >= 0) at_label = N(this->weights[label]) * this->kept;
        row.sum_others();
        log_of_total = row.log_of_total();
        log_normaliser = row.log_normaliser();
        if (!spread) return;
        auto depth = [own = row](double value) __attribute__((always_inline)) { return own.depth(value); };
        const Charges<T> charged = *this;
        if (label >= 0) {  // shares of 0
            const N each = charged.each;
            const double* weights = charged.weights;
            auto charge = [=](size_t i) __attribute__((always_inline)) { return open_product(each, weights[i]); };
            charges = WideCharges<N>(row.x, n, log_of_total, charge, depth);
        } else {
            auto charge = [=](size_t i) __attribute__((always_inline)) { return charged.charge(i); };
            charges = WideCharges<N>(row.x, n, log_of_total, charge, depth);
        }
    }
    SOFTFLOOR_INLINE static double number(const void* operand) { return *static_cast<const double*>(operand); }

    N loss() const {
        bool unbounded = z_loss > 0 && __builtin_fabs(head(log_normaliser)) == infinity;
        N sum = charges.loss(log_of_total);
        unbounded |= charges.costs_infinity;
        if (label >= 0 && head(at_label) != 0) {
            N depth = row.depth(row.entry(size_t(label)));
            if (head(log_of_total) == infinity || head(depth) == infinity) unbounded = true;
            else sum = sum + at_label * (depth + log_of_total);
        }
        bool valid = head(charges.total) == head(charges.total);
        if (z_loss > 0) sum = sum + N(z_loss) * square(log_normaliser);
        valid &= head(row.others) == head(row.others);
        // Of numbers that are not negative, only an overflow makes NaN.
        bool overflow = !(head(sum) <= largest<Pair>);
        return !valid ? N(__builtin_nan("")) : unbounded || overflow ? N(infinity) : sum;
    }

    void write_gradient(T* gradient, double scale) const {
        N inverse_total = row.inverse_total(), others = charges.total;
        N pull = z_loss > 0 ? N(2 * z_loss) * log_normaliser : N(0.0), factor = at_label + others + pull;
        if (row.empty()) return for_each(row.n, [=](size_t i) { gradient[i] = T{}; });
        bool unbounded = !(__builtin_fabs(head(factor)) <= largest<Pair>);
        // An infinite normaliser pulls at the entries that share its mass, and at no other.
        double limit = scale == 0 ? 0.0 : infinity * scale;
        // e^-inf is tiny, not 0, in double; an infinite factor must not meet it.
        N nothing = N(0.0 * head(inverse_total));
        auto probability_of = [=](N depth) __attribute__((always_inline)) {
            return select(head(depth) == infinity, nothing, Row::exponential(depth) * inverse_total);
        };
        auto result = [=](N difference, N probability, N slope) __attribute__((always_inline)) {
            bool infinite = unbounded & (head(probability) > 0);
            N finite_result = difference * slope * N(scale);
            return Format<T>::store(select(infinite, N(limit), finite_result));
        };
        // The label before its logit is written over.
        double label_value = label >= 0 ? row.entry(size_t(label)) : 0.0;
        T at_place{};
        if (label >= 0) {
            // p - 1 = -(everything but the label) / total: no cancellation where the label has nearly all the mass.
            N own = charge(size_t(label)), missing = row.total_without(label_value) * inverse_total;
            auto [logit, slope] = row.logit(label_value);
            N probability = probability_of(row.depth_of(logit, label_value));
            N share = select(head(probability) == 0, N(0.0), (others - own + pull) * probability);
            at_place = result(share - (at_label + own) * missing, probability, slope);
        }
        // By copies of what the row is and is charged, which a gradient in float64 cannot change.
        const Charges<T> charged = *this;
        if constexpr (!capped) {
            if (!unbounded) {
                const auto of_stored = factor_of_stored(inverse_total * factor);
                const Row own = row;
                auto write = [=](auto charge) {
                    for_each(own.n, [=](size_t i) {
                        N term = stored_exponential_of_minus(own.template depth_at<true>(Row::number(own.x[i])));
                        gradient[i] = Format<T>::store(N(scaled_difference(term, of_stored, charge(i), scale)));
                    });
                };
                if (label < 0) {
                    write([=](size_t i) { return charged.charge(i); });
                } else {  // shares of 0
                    write([=](size_t i) { return open_product(charged.each, charged.weights[i]); });
                    gradient[label] = at_place;
                }
                return;
            }
        }
        // Two loops that the compiler vectorises each; one with both was left scalar, at 20 ns per entry.
        const N bounded_factor = unbounded ? N(0.0) : factor;
        SideBySide<N, block> probabilities, slopes;
        for (size_t begin = 0; begin < row.n; begin += block) {
            size_t count = row.n - begin < block ? row.n - begin : block;
            for_each(count, [&, own = row](size_t k) __attribute__((always_inline)) {
                double value = Row::number(own.x[begin + k]);
                auto both = own.logit(value);
                slopes.set(k, both.slope);
                probabilities.set(k, probability_of(own.depth_of(both.value, value)));
            });
            for_each(count, [&](size_t k) __attribute__((always_inline)) {
                N share = probabilities[k] * bounded_factor;
                gradient[begin + k] = result(share - charged.charge(begin + k), probabilities[k], slopes[k]);
            });
        }
        if (label >= 0) gradient[label] = at_place;
    }
};

// An ignored row costs nothing, whatever it holds. Without a softcap, the operand is inf.
template <bool with_gradient> struct LossWithOptions {
    template <class T>
    static constexpr size_t entry_sizes[] = {sizeof(T), sizeof(double), sizeof(T), 0, 0, 0, 0, 0, 0, sizeof(T)};
    template <class T> using Few = ChargedRows<T, typename Format<T>::Number>;
    template <class T> static void charge(Few<T>& rows, const Strided* operands) {
        using N = typename Few<T>::N;
        SideBySide<N, rows.most> kept, each;
        alignas(64) double weights[rows.longest][rows.most], smoothing[rows.most], softcap[rows.most];
        rows.read_numbers(operands[3], rows.label);
        rows.read_numbers(operands[4], rows.scale);
        rows.read_numbers(operands[5], smoothing);
        rows.read_numbers(operands[6], rows.z_loss);
        rows.read_numbers(operands[7], softcap);
        const N share = reciprocal(N(double(rows.n)));
        rows.each_row([&](size_t k) {
            kept.set(k, N(1.0) - N(smoothing[k])), each.set(k, N(smoothing[k]) * share);
            rows.is_ignored[k] = rows.label[k] == OptionsRow<T, false>::ignored;
            rows.is_covered[k] &= rows.is_ignored[k] | (softcap[k] == infinity);
        });
        rows.template read<double>(operands[1], [&](size_t i, size_t k, double weight) { weights[i][k] = weight; });
        rows.template read<T>(operands[2], [&](size_t i, size_t k, double share) { rows.charges[i].set(k, N(share)); });
        for (size_t i = 0; i < rows.n; ++i)
            rows.each_row(
                [&](size_t k) { rows.charges[i].set(k, N(weights[i][k]) * (kept[k] * rows.charges[i][k] + each[k])); });
        for (size_t k = 0; k < rows.most; ++k)
            if (rows.label[k] >= 0) rows.at_label.set(k, N(weights[rows.label[k]][k]) * kept[k]);
    }
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        T* loss = static_cast<T*>(out[0]);
        if (*static_cast<const int64_t*>(in[3]) == OptionsRow<T, false>::ignored) {
            *loss = T{};
            if constexpr (with_gradient) for_each(n, [&](size_t i) { static_cast<T*>(out[1])[i] = T{}; });
        } else if (*static_cast<const double*>(in[7]) < infinity) {
            write(OptionsRow<T, true>(in, n), in, out);
        } else {
            if constexpr (sizeof(T) < 8)
                if (n > Few<T>::longest && in_float<T>(in, out, n, scratch)) return;
            write(OptionsRow<T, false>(in, n), in, out);
        }
    }
    template <class T, bool capped>
    static void write(const OptionsRow<T, capped>& row, const void* const* in, void* const* out) {
        auto loss = row.loss();
        if constexpr (with_gradient) row.write_gradient(static_cast<T*>(out[1]), row.number(in[4]));
        *static_cast<T*>(out[0]) = Format<T>::store(loss);
    }
    // In float32 terms; false where a row needs the wider text.
    template <class T> static bool in_float(const void* const* in, void* const* out, size_t n, void* scratch) {
        const T *logits = static_cast<const T*>(in[0]), *shares = static_cast<const T*>(in[2]);
        T *loss = static_cast<T*>(out[0]), *gradient = with_gradient ? static_cast<T*>(out[with_gradient]) : nullptr;
        float* room = static_cast<float*>(scratch) + n;  // beside the row's
        if (*static_cast<const int64_t*>(in[3]) == OptionsRow<T, false>::probabilities)
            return charge_row(logits, n, charging_of<T, true>(in, n, room), scratch, loss, gradient, shares);
        return charge_row(logits, n, charging_of<T, false>(in, n, room), scratch, loss, gradient, shares);
    }
    template <class T> static void charging(const Strided* operands, size_t n, float* room, auto body) {
        auto by = [=]<bool has_shares>() {
            body([=](size_t k) { return charging_of<T, has_shares>(RowInputs<8>(operands, k).in, n, room + k * n); });
        };
        bool has_shares = label_at(operands[3], 0) == OptionsRow<T, false>::probabilities;
        if (has_shares) by.template operator()<true>();
        else by.template operator()<false>();
    }
    template <class T, bool has_shares> static auto charging_of(const void* const* in, size_t n, float* room) {
        using Options = OptionsRow<T, false>;
        const double* weights = static_cast<const double*>(in[1]);
        int64_t place = *static_cast<const int64_t*>(in[3]);
        double smoothing = Options::number(in[5]), kept = 1.0 - smoothing, each = smoothing / double(n);
        auto charge = [=] {
            if constexpr (has_shares) {
                const auto* shares = spread_where_slow(static_cast<const T*>(in[2]), n, room);
                return [=](size_t i) { return weights[i] * (kept * double(widen(shares[i])) + each); };
            } else {
                return [=](size_t i) { return weights[i] * each; };
            }
        }();
        Charging<decltype(charge)> result{charge, has_shares || smoothing > 0};
        if (place >= 0) result.label = {place, weights[place] * kept};
        result.z_loss = Options::number(in[6]), result.scale = Options::number(in[4]);
        result.is_wanted = place != Options::ignored && Options::number(in[7]) == infinity;
        return result;
    }
};

// (n),(n),(n),(),(),(),(),()->(): logits, weights, probabilities, label, scale, smoothing, z_loss, softcap
struct SoftmaxCrossEntropyWithOptions : LossWithOptions<false> {};
struct SoftmaxCrossEntropyWithOptionsValueAndGrad : LossWithOptions<true> {};  // also ->(n)

}  // namespace
}  // namespace softfloor
