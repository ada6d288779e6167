// Cross-entropy of the sigmoid, entry by entry of a row: weight * ((1 - y) softplus(z) + positive y softplus(-z)).
//
// softplus(+-z) = max(+-z, 0) + log1p(e^-|z|), so both terms are sums of numbers >= 0, and so is the loss: nothing
// cancels whatever the label. The slope weight * ((1 - y) sigmoid(z) - positive y sigmoid(-z)) is a difference.
#pragma once
#include "../math/compensated.hpp"
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

// The same in float32 arithmetic, for weights of 1 and a label of 0 or 1. With s = z, or -z where the label is 1:
//   loss = softplus(s) = max(s, 0) + L,  L = log1p(e) = 2 atanh(u),  u = e/(2 + e) <= 1/3,  e = e^-|z|;
//   slope = sigmoid(s), with the sign of s / z.
// A label between them has a slope that cancels, for which float32 does not have the digits.
struct SingleBinaryTerms {
    float above;        // max(s, 0)
    Sum<float> tail;    // e
    bool positive, up;  // the label; s >= 0

    // The error terms of e are normal numbers up to there.
    static constexpr float limit = 64.0f;
    template <class T> SOFTFLOOR_INLINE static bool covers(T logit, T label, double positive_weight, double weight) {
        float y = widen(label);
        float size = (y == 0) | (y == 1) ? __builtin_fabsf(widen(logit)) : __builtin_inff();
        return (size <= limit) & (positive_weight == 1) & (weight == 1);
    }
    SOFTFLOOR_INLINE SingleBinaryTerms(float logit, float label) {
        positive = label != 0;
        float s = positive ? -logit : logit;
        up = s >= 0;
        above = up ? s : 0.0f;
        tail = times(exponential<80>(-__builtin_fabsf(logit)), 1.0f);
    }
    SOFTFLOOR_INLINE Sum<float> plus_tail(float whole) const {  // whole > e
        float high = whole + tail.high;
        return {high, (tail.high - (high - whole)) + tail.low};
    }
    SOFTFLOOR_INLINE float loss() const {
        // 2 atanh(u) = 2 u + u^3 (2/3 + 2/5 u^2 + ...); what is left out is below 2^-29 of it.
        constexpr float series[] = {2.0f / 3, 2.0f / 5, 2.0f / 7, 2.0f / 9, 2.0f / 11, 2.0f / 13, 2.0f / 15};
        Sum<float> u = divide(tail, plus_tail(2.0f)).pair();
        float square = u.high * u.high, cubic = u.high * square * polynomial(series, square);
        Sum<float> sum = error_free_sum(above, 2.0f * u.high);
        return sum.high + (sum.low + (2.0f * u.low + cubic));
    }
    SOFTFLOOR_INLINE float slope(Sum<float> scale) const {
        Sum<float> size = divide(select(up, Sum<float>{1.0f, 0.0f}, tail), plus_tail(1.0f)).pair();
        float product = fma(size.high, scale.high, fma(size.high, scale.low, size.low * scale.high));
        return positive ? -product : product;
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
    SOFTFLOOR_INLINE SingleBinaryTerms single_terms(size_t i) const { return {z[i], y[i]}; }
    SOFTFLOOR_INLINE bool covers(size_t i) const {
        return SingleBinaryTerms::covers(z[i], y[i], positive[i], weight[i]);
    }
    // store(i, single(i)) where float32 arithmetic covers an entry, store(i, wide(i)) elsewhere. Memory is asked for a
    // row ahead: rows follow each other.
    static constexpr size_t part = 512;
    template <class Single, class Wide, class Store>
    SOFTFLOOR_INLINE void each(size_t n, Single single, Wide wide, Store store) const {
        for (size_t begin = 0; begin < n; begin += part) {
            size_t end = n - begin < part ? n : begin + part, count = end - begin;
            for (size_t i = begin; i < end; i += 64 / sizeof(T)) {
                __builtin_prefetch(z + n + i);
                __builtin_prefetch(y + n + i);
            }
            uint32_t covered = 0;
            for_each(count, [&](size_t k) { covered += covers(begin + k); });
            if (covered == count) {
                for_each(count, [&](size_t k) { store(begin + k, single(begin + k)); });
            } else if (covered == 0) {
                for_each(count, [&](size_t k) { store(begin + k, wide(begin + k)); });
            } else {
                for_each(count, [&](size_t k) {
                    LossAndSlope<T> one = single(begin + k), other = wide(begin + k);
                    bool by_single = covers(begin + k);
                    store(begin + k,
                          LossAndSlope<T>{by_single ? one.loss : other.loss, by_single ? one.slope : other.slope});
                });
            }
        }
    }
};

struct SigmoidCrossEntropy {  // (n),(n),(n),(n)->(n): logits, labels, weight of positives, weight
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        BinaryOperands<T> operands(in);
        T* loss = static_cast<T*>(out[0]);
        auto wide = [&](size_t i) { return LossAndSlope<T>{operands.terms(i).loss(), {}}; };
        auto store = [&](size_t i, LossAndSlope<T> result) { loss[i] = result.loss; };
        if constexpr (sizeof(T) == 4)
            operands.each(
                n, [&](size_t i) { return LossAndSlope<T>{operands.single_terms(i).loss(), {}}; }, wide, store);
        else for_each(n, [&](size_t i) { store(i, wide(i)); });
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
        auto store = [&](size_t i, LossAndSlope<T> result) {
            loss[i] = result.loss;
            gradient[i] = result.slope;
        };
        if constexpr (sizeof(T) == 4) {
            Sum<float> parts = split(scale);
            auto single = [&](size_t i) {
                SingleBinaryTerms terms = operands.single_terms(i);
                return LossAndSlope<T>{terms.loss(), terms.slope(parts)};
            };
            auto half_wide = [&](size_t i) {
                return LossAndSlope<T>{operands.single_terms(i).loss(), operands.terms(i).slope(scale)};
            };
            if (splits(scale)) operands.each(n, single, wide, store);
            else operands.each(n, half_wide, wide, store);
        } else {
            for_each(n, [&](size_t i) { store(i, wide(i)); });
        }
    }
};

// The sum of a row of losses in float64, in lanes of pairs: one rounding. As sum_of<Pair>, but of doubles: their low
// parts, which are 0, are not added.
template <class T> SOFTFLOOR_INLINE double total_of_losses(const T* loss, size_t n) {
    Lanes<Pair> sum;
    size_t i = 0;
    for (; i + lanes <= n; i += lanes)
        for (size_t j = 0; j < lanes; ++j) sum.add(j, WideRow<T>::number(loss[i + j]));
    for (size_t j = 0; i < n; ++i, ++j) sum.add(j, WideRow<T>::number(loss[i]));
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

struct NumbersOutside {  // (n),()->(): how many are not in [0, largest]; NaN is not
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        const T* numbers = static_cast<const T*>(in[0]);
        double largest_allowed = *static_cast<const double*>(in[1]);
        uint64_t outside = 0;
        for_each(n, [&](size_t i) {
            double x = WideRow<T>::number(numbers[i]);
            outside += !((x >= 0) & (x <= largest_allowed));
        });
        *static_cast<double*>(out[0]) = double(outside);
    }
};

}  // namespace
}  // namespace softfloor
