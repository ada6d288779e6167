// Cross-entropy of the sigmoid, entry by entry of a row: weight * ((1 - y) softplus(z) + positive y softplus(-z)).
//
// softplus(+-z) = max(+-z, 0) + log1p(e^-|z|), so both terms are sums of numbers >= 0, and so is the loss: nothing
// cancels whatever the label. The slope weight * ((1 - y) sigmoid(z) - positive y sigmoid(-z)) is a difference.
#pragma once
#include "rows.hpp"

namespace softfloor {
namespace {

// log(1 + s) for s in [0, 1] as 2 atanh(u), of (1 + s)/2 above sqrt(2) - 1: log1p_of with k = 0 or 1, which vectorises.
SOFTFLOOR_INLINE double log1p_of_fraction(double s) {
    bool above = s > 0x1.a827999fcef32p-2;
    double u = (above ? s - 1.0 : s) / (above ? s + 3.0 : s + 2.0);
    constexpr double atanh_series[] = {1.0, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17};
    return __builtin_fma(2.0 * u, polynomial(atanh_series, u * u), above ? coefficients::ln2.hi : 0.0);
}
SOFTFLOOR_INLINE Pair log1p_of_fraction(Pair s) {
    double y = log1p_of_fraction(s.hi);
    auto e = exponential_of_minus(Pair(y));  // Newton's step squares the error, as in log1p_of
    return Pair(y) + (e.minus_one + s * e.value);
}

template <class T> struct BinaryTerms {
    using N = typename Format<T>::Number;
    N negative, positive;  // the weights of the two terms, label included
    N size, tail;          // |z| made finite; e^-|z|, times 2^lift
    bool above, infinite, number;
    bool alone;  // the loss is a multiple of the tail, which may be subnormal in float64: it is lifted until the end

    static constexpr double lift = 600.0;

    SOFTFLOOR_INLINE BinaryTerms(T logit, T label, double positive_weight, double weight) {
        N y = Format<T>::load(label), z = Format<T>::load(logit);
        negative = (N(1.0) - y) * N(weight);
        positive = y * exact_product(N(positive_weight), N(weight));
        above = head(z) > 0;
        number = head(z) == head(z);
        size = finite(absolute(z));
        infinite = __builtin_fabs(head(z)) == infinity;
        alone = (sizeof(T) == 8) & (head(size) > lift) & (head(select(above, negative, positive)) == 0);
        auto e = exponential_of_minus(size);
        if constexpr (sizeof(T) == 8)
            tail = apply(Scaled<N>{e.mantissa, {e.power.exponent + select(alone, lift, 0.0)}});
        else tail = e.value;
    }
    SOFTFLOOR_INLINE T stored(N x) const {
        x = select(number, x, N(__builtin_nan("")));
        if constexpr (sizeof(T) == 8) return canonical(collapse(x) * select(alone, 0x1p-600, 1.0));
        else return Format<T>::store(x);
    }
    SOFTFLOOR_INLINE T loss() const {
        N rest = log1p_of_fraction(tail);  // of a lifted tail, below 2^-200, it is the tail itself
        N sum = negative * (select(above, size, N(0.0)) + rest) + positive * (select(above, N(0.0), size) + rest);
        double slope = head(select(above, negative, positive)), plain = slope * head(size);
        // Beyond the largest float64 a pair turns NaN where the plain product is infinite.
        sum = select(plain > 0x1p1000, N(plain), sum);
        return stored(select(infinite & (slope != 0), N(infinity), sum));
    }
    SOFTFLOOR_INLINE T slope(double scale) const {
        N large = reciprocal(N(1.0) + select(alone, N(0.0), tail)), small = tail * large;
        N difference = negative * select(above, large, small) - positive * select(above, small, large);
        return stored(difference * N(scale));
    }
};

struct SigmoidCrossEntropy {  // (n),(n),(n),(n)->(n): logits, labels, weight of positives, weight
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        const T *z = static_cast<const T*>(in[0]), *y = static_cast<const T*>(in[1]);
        const double *positive = static_cast<const double*>(in[2]), *weight = static_cast<const double*>(in[3]);
        T* loss = static_cast<T*>(out[0]);
        for_each(n, [&](size_t i) { loss[i] = BinaryTerms<T>(z[i], y[i], positive[i], weight[i]).loss(); });
    }
};

// (n),(n),(n),(n),()->(n),(n): logits, labels, weight of positives, weight, scale of the gradient
struct SigmoidCrossEntropyValueAndGrad {
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        const T *z = static_cast<const T*>(in[0]), *y = static_cast<const T*>(in[1]);
        const double *positive = static_cast<const double*>(in[2]), *weight = static_cast<const double*>(in[3]);
        double scale = *static_cast<const double*>(in[4]);
        T *loss = static_cast<T*>(out[0]), *gradient = static_cast<T*>(out[1]);
        for_each(n, [&](size_t i) {
            BinaryTerms<T> terms(z[i], y[i], positive[i], weight[i]);
            loss[i] = terms.loss();
            gradient[i] = terms.slope(scale);
        });
    }
};

struct SigmoidCrossEntropyTotal {  // (n)->(): losses.  Their sum in float64, in lanes of pairs: one rounding
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        const T* loss = static_cast<const T*>(in[0]);
        double plain = sum_of<double>(n, [&](size_t i) { return WideRow<T>::number(loss[i]); });
        Pair total = sum_of<Pair>(n, [&](size_t i) { return Pair(WideRow<T>::number(loss[i])); });
        *static_cast<double*>(out[0]) = canonical(plain <= largest<Pair> ? collapse(total) : plain);
    }
};

}  // namespace
}  // namespace softfloor
