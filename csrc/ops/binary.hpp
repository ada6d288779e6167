// Cross-entropy of the sigmoid, entry by entry of a row: weight * ((1 - y) softplus(z) + positive y softplus(-z)).
//
// softplus(+-z) = max(+-z, 0) + log1p(e^-|z|), so both terms are sums of numbers >= 0, and so is the loss: nothing
// cancels whatever the label. The slope weight * ((1 - y) sigmoid(z) - positive y sigmoid(-z)) is a difference.
#pragma once
#include "binary_lanes.hpp"
#include "rows.hpp"

namespace softfloor {
namespace {

// log(1 + s) for s in [0, 1] as 2 atanh(u), of (1 + s)/2 above sqrt(2) - 1: log1p_of with k = 0 or 1, which vectorises.
SOFTFLOOR_INLINE double log1p_of_fraction(double s) {
    bool above = s > 0x1.a827999fcef32p-2;
    double u = (above ? s - 1.0 : s) / (above ? s + 3.0 : s + 2.0);
    constexpr double atanh_series[] = {1.0, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17};
    return __builtin_fma(2.0 * u, polynomial(atanh_series, u * u), above ? coefficients::In<double>::ln2.high : 0.0);
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

template <class T> struct LossAndSlope {
    T loss, slope;
};

template <class T> struct BinaryOperands {
    const T *z, *y;
    const double *positive, *weight;

    explicit BinaryOperands(const void* const* in)
        : z(static_cast<const T*>(in[0])),
          y(static_cast<const T*>(in[1])),
          positive(static_cast<const double*>(in[2])),
          weight(static_cast<const double*>(in[3])) {}
    SOFTFLOOR_INLINE BinaryTerms<T> terms(size_t i) const { return {z[i], y[i], positive[i], weight[i]}; }
    SOFTFLOOR_INLINE bool covers(size_t i) const { return single_binary_covers(z[i], y[i], positive[i], weight[i]); }
    // Whether all are, for labels of -0 perhaps not found out: y - y^2 is zero for 0 and 1 alone.
    SOFTFLOOR_INLINE bool all_are_covered(size_t begin, size_t end) const {
        uint32_t labels = 0, largest = 0;
        uint64_t weights = 0;
        for_each(end - begin, [&](size_t k) {
            float label = widen(y[begin + k]);
            uint32_t size = float_to_bits(__builtin_fabsf(widen(z[begin + k])));
            labels |= float_to_bits(__builtin_fmaf(-label, label, label));
            largest = size > largest ? size : largest;
        });
        for_each(end - begin, [&](size_t k) {
            weights |= (double_to_bits(positive[begin + k]) ^ double_to_bits(1)) |
                       (double_to_bits(weight[begin + k]) ^ double_to_bits(1));
        });
        return !labels & !weights & (largest <= float_to_bits(single_binary_limit));
    }
    // single(begin, count, loss, slope) where float32 arithmetic covers entries, store(i, wide(i)) elsewhere. Memory is
    // asked for a row ahead: rows follow each other.
    static constexpr size_t part = binary_part;
    template <bool has_slope, class Single, class Wide>
    SOFTFLOOR_INLINE void each(size_t n, T* loss, T* slope, Single single, Wide wide) const {
        auto store = [=](size_t i, LossAndSlope<T> result) __attribute__((always_inline)) {
            loss[i] = result.loss;
            if constexpr (has_slope) slope[i] = result.slope;
        };
        for (size_t begin = 0; begin < n; begin += part) {
            size_t end = n - begin < part ? n : begin + part, count = end - begin;
            for (size_t i = begin; i < end; i += 64 / sizeof(T)) {
                __builtin_prefetch(z + n + i);
                __builtin_prefetch(y + n + i);
            }
            size_t covered = all_are_covered(begin, end) ? count : 0;
            if (!covered) for_each(count, [&](size_t k) { covered += covers(begin + k); });
            if (covered == count) {
                single(begin, count, loss + begin, has_slope ? slope + begin : nullptr);
            } else if (covered == 0) {
                for_each(count, [&](size_t k) { store(begin + k, wide(begin + k)); });
            } else {
                T losses[part], slopes[has_slope ? part : 1];
                single(begin, count, losses, slopes);
                for_each(count, [&](size_t k) {
                    LossAndSlope<T> other = wide(begin + k);
                    bool by_single = covers(begin + k);
                    if constexpr (has_slope) other.slope = by_single ? slopes[k] : other.slope;
                    store(begin + k, {by_single ? losses[k] : other.loss, other.slope});
                });
            }
        }
    }
};

struct SigmoidCrossEntropy {  // (n),(n),(n),(n)->(n): logits, labels, weight of positives, weight
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        BinaryOperands<T> operands(in);
        T* loss = static_cast<T*>(out[0]);
        if constexpr (sizeof(T) == 4)
            operands.template each<false>(
                n, loss, nullptr,
                [&](size_t begin, size_t count, T* to, T*) {
                    binary_in_lanes<false>(operands.z + begin, operands.y + begin, {}, to, nullptr, count);
                },
                [&](size_t i) { return LossAndSlope<T>{operands.terms(i).loss(), {}}; });
        else for_each(n, [&](size_t i) { loss[i] = operands.terms(i).loss(); });
    }
};

// (n),(n),(n),(n),()->(n),(n): logits, labels, weight of positives, weight, scale of the gradient
struct SigmoidCrossEntropyValueAndGrad {
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        BinaryOperands<T> operands(in);
        double scale = *static_cast<const double*>(in[4]);
        T *loss = static_cast<T*>(out[0]), *gradient = static_cast<T*>(out[1]);
        auto wide = [&](size_t i) {
            BinaryTerms<T> terms = operands.terms(i);
            return LossAndSlope<T>{terms.loss(), terms.slope(scale)};
        };
        if constexpr (sizeof(T) == 4) {
            auto single = [&](size_t begin, size_t count, T* losses, T* slopes) {
                binary_in_lanes<true>(operands.z + begin, operands.y + begin, split(scale), losses, slopes, count);
            };
            auto half_wide = [&](size_t begin, size_t count, T* losses, T* slopes) {
                T wide_slopes[BinaryOperands<T>::part];  // apart: slopes may take the place of logits
                for_each(count, [&](size_t k) { wide_slopes[k] = operands.terms(begin + k).slope(scale); });
                binary_in_lanes<false>(operands.z + begin, operands.y + begin, {}, losses, nullptr, count);
                for_each(count, [&](size_t k) { slopes[k] = wide_slopes[k]; });
            };
            if (splits(scale)) operands.template each<true>(n, loss, gradient, single, wide);
            else operands.template each<true>(n, loss, gradient, half_wide, wide);
        } else {
            for_each(n, [&](size_t i) {
                LossAndSlope<T> result = wide(i);
                loss[i] = result.loss;
                gradient[i] = result.slope;
            });
        }
    }
};

// The sum of a row of losses in float64, in lanes of pairs: one rounding. As sum_of<Pair>, but of doubles: their low
// parts, which are 0, are not added.
template <class T> SOFTFLOOR_INLINE double total_of_losses(const T* loss, size_t n) {
    Lanes<Pair> sum;
    add_all(sum, n, [&](size_t i) __attribute__((always_inline)) { return WideRow<T>::number(loss[i]); });
    Pair total = sum.total();
    // Beyond the largest float64, and for NaN, the plain sum is right.
    return canonical(__builtin_fabs(total.hi) <= largest<Pair> ? collapse(total) : sum_of<double>(n, [&](size_t i) {
        return WideRow<T>::number(loss[i]);
    }));
}

// The same with the losses summed where they are computed, a row at a time, instead of stored.
struct SigmoidCrossEntropyTotal {  // (n),(n),(n),(n)->()
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        SigmoidCrossEntropy::run<T>(in, &scratch, n, nullptr);
        *static_cast<double*>(out[0]) = total_of_losses(static_cast<const T*>(scratch), n);
    }
};
struct SigmoidCrossEntropyTotalAndGrad {  // (n),(n),(n),(n),()->(),(n)
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        void* const losses_and_gradient[] = {scratch, out[1]};
        SigmoidCrossEntropyValueAndGrad::run<T>(in, losses_and_gradient, n, nullptr);
        *static_cast<double*>(out[0]) = total_of_losses(static_cast<const T*>(scratch), n);
    }
};

// (n),()->(): how many are not in [0, largest]; NaN is not. Compared in the format of float or double that holds them,
// which is largest's as well, or ends before it.
struct NumbersOutside {
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using Real = decltype(widen(T()));
        const T* numbers = static_cast<const T*>(in[0]);
        double largest_allowed = *static_cast<const double*>(in[1]);
        constexpr Real end = sizeof(Real) == 4 ? Real(largest<double>) : Real(largest<Pair>);
        Real most = largest_allowed < double(end) ? Real(largest_allowed) : end;
        uint32_t outside = 0;
        for_each(n, [&](size_t i) {
            Real x = widen(numbers[i]);
            outside += !((x >= 0) & (x <= most));
        });
        *static_cast<double*>(out[0]) = double(outside);
    }
};

}  // namespace
}  // namespace softfloor
