// Cross-entropy of the sigmoid, entry by entry of a row.
#pragma once
#include "binary_lanes.hpp"
#include "binary_terms.hpp"
#include "rows.hpp"

namespace softfloor {
namespace {

template <class T> struct BinaryOperands {
    const T *z, *y;
    const double *positive, *weight;
    double scale;  // of slopes

    BinaryOperands(const void* const* in, bool has_slope)
        : z(static_cast<const T*>(in[0])),
          y(static_cast<const T*>(in[1])),
          positive(static_cast<const double*>(in[2])),
          weight(static_cast<const double*>(in[3])),
          scale(has_slope ? *static_cast<const double*>(in[4]) : 0.0) {}
    // Whether float32 arithmetic is for the loss, and for the slope.
    SOFTFLOOR_INLINE bool is_plain(size_t i) const {
        bool is_near = __builtin_fabsf(widen(z[i])) <= single_binary_limit;
        return is_near & (positive[i] == 1) & (weight[i] == 1);
    }
    SOFTFLOOR_INLINE bool is_certain(size_t i) const {
        float label = widen(y[i]);
        return (label == 0) | (label == 1);
    }
    // Whether all are; for labels of -0 perhaps not found out: y - y^2 is zero for 0 and 1 alone.
    SOFTFLOOR_INLINE bool all_are_certain(size_t begin, size_t end) const {
        uint32_t labels = 0;
        for_each(end - begin, [&](size_t k) {
            float label = widen(y[begin + k]);
            labels |= float_to_bits(__builtin_fmaf(-label, label, label));
        });
        return !labels;
    }
    SOFTFLOOR_INLINE bool all_are_plain(size_t begin, size_t end) const {
        uint32_t largest = 0;
        uint64_t weights = 0;
        for_each(end - begin, [&](size_t k) {
            uint32_t size = float_to_bits(__builtin_fabsf(widen(z[begin + k])));
            largest = size > largest ? size : largest;
        });
        for_each(end - begin, [&](size_t k) {
            weights |= (double_to_bits(positive[begin + k]) ^ double_to_bits(1)) |
                       (double_to_bits(weight[begin + k]) ^ double_to_bits(1));
        });
        return !weights & (largest <= float_to_bits(single_binary_limit));
    }
    // Any entries, from `begin` on. Slopes may take the place of logits.
    template <bool has_loss, bool has_slope>
    [[gnu::noinline]] void wide(size_t begin, size_t count, T* loss, T* slope) const {
        for_each(count, [=, own = *this](size_t k) __attribute__((always_inline)) {
            size_t i = begin + k;
            BinaryTerms<T> terms(own.z[i], own.y[i], own.positive[i], own.weight[i]);
            if constexpr (has_loss) loss[k] = terms.loss();
            if constexpr (has_slope) slope[k] = terms.slope(own.scale);
        });
    }
    // Those of a part that float32 arithmetic is for.
    template <bool has_slope>
    [[gnu::noinline]] void single(size_t begin, size_t n, bool all_certain, T* loss, T* slope) const {
        auto compute = [&](const float* logits, const float* labels, float* losses, float* slopes) {
            if (all_certain) binary_in_lanes<has_slope, true>(logits, labels, split(scale), losses, slopes, n);
            else binary_in_lanes<has_slope, false>(logits, labels, split(scale), losses, slopes, n);
        };
        if constexpr (__is_same(T, float)) return compute(z + begin, y + begin, loss, slope);
        float logits[binary_part], labels[binary_part], losses[binary_part], slopes[has_slope ? binary_part : 1];
        widen_all(z + begin, logits, n);
        widen_all(y + begin, labels, n);
        compute(logits, labels, losses, slopes);
        narrow_each(loss, n, [&](size_t k) { return losses[k]; });
        if constexpr (has_slope) narrow_each(slope, n, [&](size_t k) { return slopes[k]; });
    }
    // Memory is asked for a row ahead: rows follow each other.
    template <bool has_slope> void each(size_t n, T* loss, T* slope) const {
        const bool has_single_slopes = has_slope && splits(scale);  // two floats hold the scale
        for (size_t begin = 0; begin < n; begin += binary_part) {
            size_t end = n - begin < binary_part ? n : begin + binary_part, count = end - begin;
            for (size_t i = begin; i < end; i += 64 / sizeof(T)) {
                __builtin_prefetch(z + n + i);
                __builtin_prefetch(y + n + i);
            }
            bool all_certain = all_are_certain(begin, end);
            size_t plain = all_are_plain(begin, end) ? count : 0, certain = all_certain ? count : 0;
            if (!plain) for_each(count, [&](size_t k) { plain += is_plain(begin + k); });
            if (!certain) for_each(count, [&](size_t k) { certain += is_certain(begin + k); });
            T *to = loss + begin, *slopes_to = slope + begin * has_slope;
            if (plain == 0) {
                wide<true, has_slope>(begin, count, to, slopes_to);
            } else if (plain == count && !has_slope) {
                single<false>(begin, count, all_certain, to, nullptr);
            } else if (plain == count && (certain == 0 || !has_single_slopes)) {
                single<false>(begin, count, all_certain, to, nullptr);
                wide<false, true>(begin, count, nullptr, slopes_to);
            } else if (plain == count && all_certain) {
                single<has_slope>(begin, count, true, to, slopes_to);
            } else {
                T losses[binary_part], others[binary_part] = {}, slopes[binary_part], other_slopes[binary_part];
                single<has_slope>(begin, count, false, losses, slopes);
                if (plain == count) wide<false, has_slope>(begin, count, nullptr, other_slopes);
                else wide<true, has_slope>(begin, count, others, other_slopes);
                for_each(count, [&](size_t k) {
                    bool by_single = is_plain(begin + k), slope_by_single = by_single & is_certain(begin + k);
                    to[k] = by_single ? losses[k] : others[k];
                    if constexpr (has_slope)
                        slopes_to[k] = slope_by_single & has_single_slopes ? slopes[k] : other_slopes[k];
                });
            }
        }
    }
};
template <bool has_slope, class T>
SOFTFLOOR_INLINE void run_binary(const void* const* in, size_t n, void* loss, void* slope) {
    BinaryOperands<T> operands(in, has_slope);
    if constexpr (sizeof(T) == 8)
        operands.template wide<true, has_slope>(0, n, static_cast<T*>(loss), static_cast<T*>(slope));
    else operands.template each<has_slope>(n, static_cast<T*>(loss), static_cast<T*>(slope));
}

struct SigmoidCrossEntropy {  // (n),(n),(n),(n)->(n): logits, labels, weight of positives, weight
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        run_binary<false, T>(in, n, out[0], nullptr);
    }
};

// (n),(n),(n),(n),()->(n),(n): logits, labels, weight of positives, weight, scale of the gradient
struct SigmoidCrossEntropyValueAndGrad {
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        run_binary<true, T>(in, n, out[0], out[1]);
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
