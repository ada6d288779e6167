// The vjps of softmax and log_softmax from the output, on contiguous rows.
//
// Sums are taken in numbers twice as wide as the entries. float32 and half precisions go on in float32, with the sum in
// two parts, so that what cancels cancels exactly.
#pragma once
#include "rows.hpp"

namespace softfloor {
namespace {

// An operation's vjp where its sum is near overflow (wide_row.hpp).
template <class Op>
[[gnu::noinline]] void vjp_of_shrunk(const double* x, const double* c, double temperature, double* result, size_t n) {
    Pair sum = sum_of<Pair>(n, [&](size_t i) { return Op::summand(x[i], c[i] * shrunk); });
    Pair inverse_temperature = inverse_of<Pair>(temperature);
    for_each(n, [&](size_t i) {
        Pair slope = Op::wide_slope(x[i], c[i] * shrunk, sum, inverse_temperature);
        result[i] = Format<double>::store(enlarged(slope, 1 / shrunk));
    });
}

struct SoftmaxVjp {  // (n),(n),()->(n): probabilities, cotangent, temperature.  p (c - sum p c) / T
    template <class T> SOFTFLOOR_INLINE static auto summand(T p, T c) {
        return exact_product(Format<T>::load(p), Format<T>::load(c));
    }
    // Two roundings: of the first difference, which is exact where the two are close, and of the result.
    SOFTFLOOR_INLINE static float slope(float p, float c, Sum<float> mean) {
        return fma(p, c - mean.high, -(p * mean.low));
    }
    template <class T, class N> SOFTFLOOR_INLINE static N wide_slope(T p, T c, N mean, N inverse_temperature) {
        return over(Format<T>::load(p) * (Format<T>::load(c) - mean), inverse_temperature);
    }
    template <class T, class N> SOFTFLOOR_INLINE static T slope(T p, T c, N mean, N inverse_temperature) {
        return Format<T>::store(wide_slope(p, c, mean, inverse_temperature));
    }
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename Format<T>::Number;
        const T *p = static_cast<const T*>(in[0]), *c = static_cast<const T*>(in[1]);
        double temperature = *static_cast<const double*>(in[2]);
        N mean = sum_of<N>(n, [&](size_t i) { return summand(p[i], c[i]); });
        T* result = static_cast<T*>(out[0]);
        if constexpr (sizeof(T) == 8) {
            if (is_near_overflow(mean)) return vjp_of_shrunk<SoftmaxVjp>(p, c, temperature, result, n);
        } else {
            if (temperature == 1.0 && splits(mean)) {
                Sum<float> parts = split(mean);
                for_each(n, [&](size_t i) { result[i] = narrow<T>(slope(widen(p[i]), widen(c[i]), parts)); });
                return;
            }
        }
        N inverse_temperature = inverse_of<N>(temperature);
        for_each(n, [&](size_t i) { result[i] = slope(p[i], c[i], mean, inverse_temperature); });
    }
};

// (n),(n),()->(n): log-probabilities, cotangent, temperature.  (c - e^q sum c) / T over the entries that are not
// masked; a masked one (q = -inf) depends on nothing and nothing on it.
struct LogSoftmaxVjp {
    // Between these, float32 arithmetic holds e^q with its rounding error; of a masked entry it is not asked.
    static constexpr float lowest = -87.0f, highest = 20.0f;
    SOFTFLOOR_INLINE static bool is_covered(float q) {
        float there = q == -__builtin_inff() ? 0.0f : q;
        return (there >= lowest) & (there <= highest);
    }
    SOFTFLOOR_INLINE static float slope(float q, float c, Sum<float> total) {
        float there = q == -__builtin_inff() ? 0.0f : q;
        Sum<float> share = times(exponential<80>(there), total);
        float difference = (c - share.high) - share.low;
        return q == -__builtin_inff() ? 0.0f : difference;
    }
    template <class T> SOFTFLOOR_INLINE static typename Format<T>::Number summand(T q, T c) {
        return select(WideRow<T>::number(q) == -infinity, typename Format<T>::Number(0.0), Format<T>::load(c));
    }
    template <class T, class N> SOFTFLOOR_INLINE static N wide_slope(T q, T c, N total, N inverse_temperature) {
        N slope = Format<T>::load(c) - WideRow<T>::exponential(-Format<T>::load(q)) * total;
        bool masked = WideRow<T>::number(q) == -infinity;
        return select(masked, N(0.0), over(slope, inverse_temperature));
    }
    template <class T, class N> SOFTFLOOR_INLINE static T slope(T q, T c, N total, N inverse_temperature) {
        return Format<T>::store(wide_slope(q, c, total, inverse_temperature));
    }
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename Format<T>::Number;
        const T *q = static_cast<const T*>(in[0]), *c = static_cast<const T*>(in[1]);
        double temperature = *static_cast<const double*>(in[2]);
        N total = sum_of<N>(n, [&](size_t i) { return summand(q[i], c[i]); });
        T* result = static_cast<T*>(out[0]);
        N inverse_temperature = inverse_of<N>(temperature);
        if constexpr (sizeof(T) == 8) {
            if (is_near_overflow(total)) return vjp_of_shrunk<LogSoftmaxVjp>(q, c, temperature, result, n);
        } else {
            if (temperature == 1.0 && splits(total)) {
                Sum<float> parts = split(total);
                uint32_t covered = 0;
                for_each(n, [&](size_t i) { covered += is_covered(widen(q[i])); });
                if (covered == n) {
                    for_each(n, [&](size_t i) { result[i] = narrow<T>(slope(widen(q[i]), widen(c[i]), parts)); });
                } else {
                    for_each(n, [&](size_t i) {
                        T wide = slope(q[i], c[i], total, inverse_temperature);
                        T single = narrow<T>(slope(widen(q[i]), widen(c[i]), parts));
                        result[i] = is_covered(widen(q[i])) ? single : wide;
                    });
                }
                return;
            }
        }
        for_each(n, [&](size_t i) { result[i] = slope(q[i], c[i], total, inverse_temperature); });
    }
};

}  // namespace
}  // namespace softfloor
