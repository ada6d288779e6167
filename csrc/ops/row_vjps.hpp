// The vjps of softmax and log_softmax from the output, on contiguous rows.
//
// Sums are taken in numbers twice as wide as the entries. float32 and half precisions go on in float32, with the sum in
// two parts, so that what cancels cancels exactly.
#pragma once
#include "rows.hpp"

namespace softfloor {
namespace {

// A slope in float64 over T, of which the low part is what the high one lacks.
SOFTFLOOR_INLINE double over_temperature(Pair slope, Pair inverse_temperature) {
    return Format<double>::store(over(fast_two_sum(slope.hi, slope.lo), inverse_temperature));
}
// The same at temperature 1; by the text of float32, in two roundings, where that serves both.
template <class Op> SOFTFLOOR_INLINE double rounded_slope(double x, double c, Pair sum) {
    if constexpr (requires(Sum<double> parts) { Op::slope(x, c, parts); }) {
        return canonical(Op::slope(x, c, Sum<double>{sum.hi, sum.lo}));
    } else {
        Pair slope = Op::slope(x, c, sum);
        return canonical(slope.hi + slope.lo);
    }
}
// The vjp in float64: by slope where the operation covers x and the sum, by wide_slope elsewhere. Sums near overflow
// (wide_row.hpp) are of cotangents at `shrunk` of their size.
template <class Op>
void vjp_in_float64(const double* x, const double* c, double temperature, double* result, size_t n, Pair sum) {
    size_t covered = n;
    if constexpr (requires { Op::is_covered(1.0); }) {
        covered = 0;
        for_each(n, [&](size_t i) { covered += Op::is_covered(x[i]); });
    }
    Pair inverse_temperature = inverse_of<Pair>(temperature);
    double size = is_near_overflow(sum) ? shrunk : 1.0;
    if (size != 1) sum = sum_of<Pair>(n, [&](size_t i) { return Op::summand(x[i], c[i] * size); });
    auto write = [&](auto slope) { for_each(n, [&](size_t i) { result[i] = slope(x[i], c[i]); }); };
    auto write_enlarged = [&](auto slope) {
        write([&](double its_x, double its_c) {
            Pair over_T = over(slope(its_x, its_c * size), inverse_temperature);
            return Format<double>::store(enlarged(over_T, 1 / size));
        });
    };
    if (covered < n || !Op::covers_sum(sum)) {
        write_enlarged([&](double its_x, double its_c) { return Op::wide_slope(its_x, its_c, sum); });
    } else if (size != 1) {
        write_enlarged([&](double its_x, double its_c) {
            if (temperature == 1) return Pair(rounded_slope<Op>(its_x, its_c, sum));
            Pair slope = Op::slope(its_x, its_c, sum);
            return fast_two_sum(slope.hi, slope.lo);
        });
    } else if (temperature == 1) {
        write([&](double its_x, double its_c) { return rounded_slope<Op>(its_x, its_c, sum); });
    } else {
        write([&](double its_x, double its_c) {
            return over_temperature(Op::slope(its_x, its_c, sum), inverse_temperature);
        });
    }
}

struct SoftmaxVjp {  // (n),(n),()->(n): probabilities, cotangent, temperature.  p (c - sum p c) / T
    template <class T> SOFTFLOOR_INLINE static auto summand(T p, T c) {
        return exact_product(Format<T>::load(p), Format<T>::load(c));
    }
    // Two roundings: of the first difference, which is exact where the two are close, and of the result.
    template <class Real> SOFTFLOOR_INLINE static Real slope(Real p, Real c, Sum<Real> mean) {
        return fma(p, c - mean.high, -(p * mean.low));
    }
    template <class T, class N> SOFTFLOOR_INLINE static N wide_slope(T p, T c, N mean) {
        return Format<T>::load(p) * (Format<T>::load(c) - mean);
    }
    // In float64, in two parts.
    static bool covers_sum(Pair mean) { return __builtin_fabs(mean.hi) <= largest<Pair>; }
    SOFTFLOOR_INLINE static Pair slope(double p, double c, Pair mean) {
        Pair difference = two_sum(c, -mean.hi);
        double product = p * difference.hi, lost = fma(p, difference.hi, -product);
        return {product, fma(p, difference.lo - mean.lo, lost)};
    }
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        using N = typename Format<T>::Number;
        float* room = static_cast<float*>(scratch);
        const auto* p = spread_where_slow(static_cast<const T*>(in[0]), n, room);
        const auto* c = spread_where_slow(static_cast<const T*>(in[1]), n, room + n);
        double temperature = *static_cast<const double*>(in[2]);
        N mean = sum_of<N>(n, [&](size_t i) { return summand(p[i], c[i]); });
        T* result = static_cast<T*>(out[0]);
        if constexpr (sizeof(T) == 8) {
            vjp_in_float64<SoftmaxVjp>(p, c, temperature, result, n, mean);
        } else if (temperature == 1.0 && splits(mean)) {
            Sum<float> parts = split(mean);
            narrow_each(result, n, [&](size_t i) { return slope(widen(p[i]), widen(c[i]), parts); });
        } else {
            N inverse_temperature = inverse_of<N>(temperature);
            for_each(n, [&](size_t i) {
                result[i] = Format<T>::store(over(wide_slope(p[i], c[i], mean), inverse_temperature));
            });
        }
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
    template <class T, class N> SOFTFLOOR_INLINE static N wide_slope(T q, T c, N total) {
        N slope = Format<T>::load(c) - WideRow<T>::exponential(-Format<T>::load(q)) * total;
        return select(WideRow<T>::number(q) == -infinity, N(0.0), slope);
    }
    // In float64, in two parts. e^q is 2^stored_power times as large, and the sum as much smaller, without losing
    // digits.
    static constexpr double smallest_total = 0x1p-400;
    SOFTFLOOR_INLINE static bool is_covered(double q) { return q <= 0; }
    static bool covers_sum(Pair total) {
        double size = __builtin_fabs(total.hi);
        return (size >= smallest_total && size <= largest<Pair>) || size == 0;
    }
    SOFTFLOOR_INLINE static Pair slope(double q, double c, Pair total) {
        Pair e = stored_exponential_of_minus(Pair(-q)), small = times_power_of_two(total, power_of_two(-stored_power));
        double share = e.hi * small.hi, lost = fma(e.hi, small.hi, -share);
        lost = fma(e.lo, small.hi, fma(e.hi, small.lo, lost));
        Pair difference = two_sum(c, -share);
        return select(q == -infinity, Pair(0.0), Pair(difference.hi, difference.lo - lost));
    }
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        using N = typename Format<T>::Number;
        float* room = static_cast<float*>(scratch);
        const auto* q = spread_where_slow(static_cast<const T*>(in[0]), n, room);
        const auto* c = spread_where_slow(static_cast<const T*>(in[1]), n, room + n);
        double temperature = *static_cast<const double*>(in[2]);
        N total = sum_of<N>(n, [&](size_t i) { return summand(q[i], c[i]); });
        T* result = static_cast<T*>(out[0]);
        N inverse_temperature = inverse_of<N>(temperature);
        auto wide = [&](size_t i) __attribute__((always_inline)) {
            return Format<T>::store(over(wide_slope(q[i], c[i], total), inverse_temperature));
        };
        if constexpr (sizeof(T) == 8) {
            return vjp_in_float64<LogSoftmaxVjp>(q, c, temperature, result, n, total);
        } else {
            if (temperature == 1.0 && splits(total)) {
                Sum<float> parts = split(total);
                uint32_t covered = 0;
                for_each(n, [&](size_t i) { covered += is_covered(widen(q[i])); });
                if (covered == n) {
                    narrow_each(result, n, [&](size_t i) { return slope(widen(q[i]), widen(c[i]), parts); });
                } else {
                    for_each(n, [&](size_t i) {
                        T single = narrow<T>(slope(widen(q[i]), widen(c[i]), parts));
                        result[i] = is_covered(widen(q[i])) ? single : wide(i);
                    });
                }
                return;
            }
        }
        for_each(n, [&](size_t i) { result[i] = wide(i); });
    }
};

}  // namespace
}  // namespace softfloor
