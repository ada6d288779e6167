// The softmax family on rows that lie in several chunks, on other machines perhaps. Bits depend on no chunking.
//
// Two passes over the chunks reduce a row to five numbers; a third gives results that are as long as the row.
//   summit   first and second, the two largest entries (equal if the largest occurs twice). NaN in both if there is
//   any. terms    ties, how many entries equal first, and R = sum of e^-(second - x)/T over the others, a fixed-point
//   number.
// The others' terms lie in [0, 1], and the largest of them is 1: so the binary places that are kept can be the same for
// every row, however small the whole sum is beside first. S = e^-(first - second)/T R is the sum that rows.hpp has.
//
// Integers add up to the same whatever the order. Each term is cut at 2^-30 and what is left at 2^-78, so n terms are
// off by n 2^-79; 2^32 terms fit. Chunks add high to high and low to low; low counts units of 2^-78 and carries into
// high.
#pragma once
#include "wide_row.hpp"

namespace softfloor {
namespace {

struct FixedSum {
    static constexpr double high_unit = 0x1p-26, low_unit = 0x1p-74;
    static constexpr int low_bits = 48;
    static constexpr size_t block = 256;
    int64_t high = 0, low = 0;

    // x - x mod unit, for |x| < 2^51 unit.
    SOFTFLOOR_INLINE static double cut(double x, double unit) { return (x + 0x1.8p52 * unit) - 0x1.8p52 * unit; }
    // 16 terms of size 2 per lane and block: at most 2^31 and 2^51 units, exact in a double.
    template <class Term> SOFTFLOOR_INLINE void add(size_t n, Term term) {
        double highs[block], lows[block];
        for (size_t begin = 0; begin < n; begin += block) {
            size_t count = n - begin < block ? n - begin : block;
            for_each(count, [&](size_t k) {
                Pair t = term(begin + k);
                highs[k] = cut(t.hi, high_unit);
                lows[k] = cut((t.hi - highs[k]) + t.lo, low_unit);
            });
            for (size_t k = count; k < block; ++k) highs[k] = lows[k] = 0.0;
            double high_of[lanes] = {}, low_of[lanes] = {};
            for (size_t k = 0; k < block; k += lanes)
                for (size_t j = 0; j < lanes; ++j) high_of[j] += highs[k + j], low_of[j] += lows[k + j];
            for (size_t j = 0; j < lanes; ++j) {
                high += int64_t(high_of[j] * (1 / high_unit));
                low += int64_t(low_of[j] * (1 / low_unit));
            }
            carry();
        }
    }
    SOFTFLOOR_INLINE void carry() {
        high += low >> low_bits;
        low &= (int64_t(1) << low_bits) - 1;
    }
    SOFTFLOOR_INLINE Pair value() const {
        double upper = double(high >> 32), lower = double(high & 0xffffffff);
        return two_sum(upper * (0x1p32 * high_unit), lower * high_unit) + Pair(double(low) * low_unit);
    }
};
SOFTFLOOR_INLINE Pair as_pair(double x) { return {x}; }
SOFTFLOOR_INLINE Pair as_pair(Pair x) { return x; }
SOFTFLOOR_INLINE double from_pair(Pair x, double) { return x.hi + x.lo; }
SOFTFLOOR_INLINE Pair from_pair(Pair x, Pair) { return x; }

template <class T> SOFTFLOOR_INLINE double number_of(T value) {
    if constexpr (sizeof(T) == 8) return value;
    else return double(widen(value));
}

struct Summit {  // (n)->(),(): logits; first, second
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        const T* x = static_cast<const T*>(in[0]);
        constexpr size_t many = 32;
        double first[many], second[many];
        bool nan = false;
        for (size_t j = 0; j < many; ++j) first[j] = second[j] = -infinity;
        auto meet = [&](size_t j, double value) {
            double lesser = value > first[j] ? first[j] : value;
            second[j] = lesser > second[j] ? lesser : second[j];
            first[j] = value > first[j] ? value : first[j];
        };
        size_t i = 0;
        for (; i + many <= n; i += many)
            for (size_t j = 0; j < many; ++j) meet(j, number_of(x[i + j]));
        for (; i < n; ++i) meet(0, number_of(x[i]));
        for (size_t k = 0; k < n; ++k) nan |= number_of(x[k]) != number_of(x[k]);
        for (size_t j = 1; j < many; ++j) {
            meet(0, first[j]);
            meet(0, second[j]);
        }
        *static_cast<double*>(out[0]) = nan ? __builtin_nan("") : first[0];
        *static_cast<double*>(out[1]) = nan ? __builtin_nan("") : second[0];
    }
};

// (top - x)/T >= 0, inf where x = -inf.
template <class N> SOFTFLOOR_INLINE N depth_below(double top, double x, N inverse_temperature) {
    N t = over(difference(top, x, N()), inverse_temperature);
    return select(x == top, N(0.0), select(head(t) == head(t), t, N(infinity)));
}
template <class N> SOFTFLOOR_INLINE N exponential_of_depth(N t) {
    auto e = exponential_of_minus(t);
    return apply(Scaled<N>{e.mantissa, e.power});
}

struct Terms {  // (n),(),(),()->(),(),(): logits, first, second, temperature; ties, high, low
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename Format<T>::Number;
        const T* x = static_cast<const T*>(in[0]);
        double first = *static_cast<const double*>(in[1]), second = *static_cast<const double*>(in[2]);
        N inverse_temperature = inverse_of<N>(*static_cast<const double*>(in[3]));
        FixedSum sum;
        int64_t ties = 0;
        for (size_t i = 0; i < n; ++i) ties += number_of(x[i]) == first;
        if (first == first)
            sum.add(n, [&](size_t i) {
                double value = number_of(x[i]);
                N term = exponential_of_depth(depth_below(second, value, inverse_temperature));
                bool counts = (value < first) & (value > -infinity);
                return select(counts, as_pair(term), Pair(0.0));
            });
        *static_cast<int64_t*>(out[0]) = ties;
        *static_cast<int64_t*>(out[1]) = sum.high;
        *static_cast<int64_t*>(out[2]) = sum.low;
    }
};

// A row's state, as operands in[k], in[k + 1] ...: first, second, ties, high, low, temperature.
template <class T> struct State {
    using N = typename Format<T>::Number;
    double first, ties;
    N inverse_temperature, others;

    State(const void* const* in, int k) {
        first = *static_cast<const double*>(in[k]);
        double second = *static_cast<const double*>(in[k + 1]);
        ties = double(*static_cast<const int64_t*>(in[k + 2]));
        FixedSum sum = {*static_cast<const int64_t*>(in[k + 3]), *static_cast<const int64_t*>(in[k + 4])};
        sum.carry();
        inverse_temperature = inverse_of<N>(*static_cast<const double*>(in[k + 5]));
        N below = exponential_of_depth(depth_below(first, second, inverse_temperature));
        others = first == first ? below * from_pair(sum.value(), N()) : N(first);
    }
    bool empty() const { return first == -infinity; }
    bool is_nan() const { return first != first; }
    N log_of_total() const { return empty() ? N(infinity) : log1p_of(N(ties - 1.0) + others); }
    N inverse_total() const { return empty() ? N(0.0) : reciprocal(N(ties) + others); }
    N depth(double x) const { return depth_below(first, x, inverse_temperature); }

    // factor * softmax(x / T)
    SOFTFLOOR_INLINE void write_softmax(const void* logits, void* out, size_t n, N factor) const {
        const T* x = static_cast<const T*>(logits);
        T* result = static_cast<T*>(out);
        N each = inverse_total() * factor;
        if (is_nan()) each = N(first);
        for_each(n, [&](size_t i) {
            auto e = exponential_of_minus(depth(number_of(x[i])));
            result[i] = Format<T>::store(apply(scaled_product(each, e.mantissa, e.power)));
        });
    }
    // log softmax(x / T), times a sign.
    SOFTFLOOR_INLINE void write_logarithm(const void* logits, void* out, size_t n, double sign) const {
        const T* x = static_cast<const T*>(logits);
        T* result = static_cast<T*>(out);
        N logarithm = log_of_total();
        bool unbounded = head(logarithm) == infinity, nan = is_nan();
        for_each(n, [&](size_t i) {
            N t = depth(number_of(x[i]));
            N bounded = sign < 0 ? N(0.0) - (t + logarithm) : t + logarithm;  // neither is -0
            N written = select(unbounded | (head(t) == infinity), N(sign * infinity), bounded);
            result[i] = Format<T>::store(select(nan, N(first), written));
        });
    }
};

struct SoftmaxOfState {  // (n),state->(n): logits
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        State<T>(in, 1).write_softmax(in[0], out[0], n, typename State<T>::N(1.0));
    }
};

struct LogSoftmaxOfState {  // (n),state->(n): logits
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        State<T>(in, 1).write_logarithm(in[0], out[0], n, -1.0);
    }
};

struct LossOfState {  // (n),state->(n): logits of the classes that are labels
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        State<T>(in, 1).write_logarithm(in[0], out[0], n, 1.0);
    }
};

struct LogsumexpOfState {  // (n),state->(n): anything, which only tells the dtype
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename State<T>::N;
        State<T> state(in, 1);
        N top = over(N(state.first), state.inverse_temperature);
        bool bounded = __builtin_fabs(head(top)) < infinity;
        N total = bounded ? top + state.log_of_total() : top;
        for (size_t i = 0; i < n; ++i) static_cast<T*>(out[0])[i] = Format<T>::store(total);
    }
};

struct LogsumexpVjpOfState {  // (n),state,()->(n): logits, cotangent
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        State<T> state(in, 1);
        auto cotangent = Format<T>::load(*static_cast<const T*>(in[7]));
        state.write_softmax(in[0], out[0], n, state.inverse_temperature * cotangent);
    }
};

struct LossGradientOfState {  // (n),state,(),()->(n): logits, where the label is in them (or not), scale
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename State<T>::N;
        State<T> state(in, 1);
        int64_t label = *static_cast<const int64_t*>(in[7]);
        N scale = *static_cast<const double*>(in[8]);
        bool here = label >= 0 && label < int64_t(n);
        double logit = here ? number_of(static_cast<const T*>(in[0])[label]) : 0.0;
        state.write_softmax(in[0], out[0], n, scale);
        if (!here) return;
        // As in losses.hpp: the sum of the others, which does not cancel where the label has nearly all the mass.
        N term = exponential_of_depth(state.depth(logit));
        N rest = logit == state.first ? state.others + N(state.ties - 1.0) : state.others - term + N(state.ties);
        N slope = state.is_nan() ? N(state.first) : state.empty() ? N(0.0) : -(rest * (state.inverse_total() * scale));
        static_cast<T*>(out[0])[label] = Format<T>::store(slope);
    }
};

// ---------------------------------------------- vjps from the output: a sum of products of either sign
// Products are divided by a power of two near the largest of them, which a first pass finds; what is infinite or NaN
// adds up apart.
struct SoftmaxProduct {
    template <class T> SOFTFLOOR_INLINE static auto at(T p, T c) {
        return exact_product(Format<T>::load(p), Format<T>::load(c));
    }
};
struct LogSoftmaxProduct {  // entries that are masked take no part
    template <class T> SOFTFLOOR_INLINE static auto at(T q, T c) {
        using N = typename Format<T>::Number;
        return select(number_of(q) == -infinity, N(0.0), Format<T>::load(c));
    }
};

// 2^-k for a size in [2^k, 2^(k+1)); sizes below 2^-1000 count as that.
SOFTFLOOR_INLINE double inverse_scale(double size) {
    double exponent = double((double_to_bits(size < 0x1p-1000 ? 0x1p-1000 : size) >> 52) - 1023);
    return power_of_two(-exponent);
}

template <class Product> struct ProductSize {  // (n),(n)->(),(): output, cotangent; the largest, those without bound
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        const T *y = static_cast<const T*>(in[0]), *c = static_cast<const T*>(in[1]);
        auto size = [&](size_t i) { return __builtin_fabs(head(Product::at(y[i], c[i]))); };
        double unbounded = 0.0;
        double largest_size = maximum_of(n, [&](size_t i) { return size(i) <= largest<Pair> ? size(i) : 0.0; });
        for (size_t i = 0; i < n; ++i) {
            double value = head(Product::at(y[i], c[i]));
            unbounded += __builtin_fabs(value) <= largest<Pair> ? 0.0 : value;
        }
        *static_cast<double*>(out[0]) = n ? largest_size : 0.0;
        *static_cast<double*>(out[1]) = canonical(unbounded);
    }
};

template <class Product> struct ProductSum {  // (n),(n),()->(),(): output, cotangent, the largest; high, low
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        const T *y = static_cast<const T*>(in[0]), *c = static_cast<const T*>(in[1]);
        double scale = inverse_scale(*static_cast<const double*>(in[2]));
        FixedSum sum;
        sum.add(n, [&](size_t i) {
            Pair term = as_pair(Product::at(y[i], c[i]));
            return select(__builtin_fabs(term.hi) <= largest<Pair>, times_power_of_two(term, scale), Pair(0.0));
        });
        *static_cast<int64_t*>(out[0]) = sum.high;
        *static_cast<int64_t*>(out[1]) = sum.low;
    }
};

// The sum from in[k], in[k + 1] ...: the largest, those without bound, high, low.
template <class N> SOFTFLOOR_INLINE N sum_of_products(const void* const* in, int k) {
    double scale = inverse_scale(*static_cast<const double*>(in[k])),
           unbounded = *static_cast<const double*>(in[k + 1]);
    FixedSum sum = {*static_cast<const int64_t*>(in[k + 2]), *static_cast<const int64_t*>(in[k + 3])};
    sum.carry();
    N total = from_pair(times_power_of_two(sum.value(), 1 / scale), N());
    return unbounded == 0 ? total : N(unbounded);
}

struct SoftmaxVjpOfState {  // (n),(n),sum,()->(n): probabilities, cotangent, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename Format<T>::Number;
        const T *p = static_cast<const T*>(in[0]), *c = static_cast<const T*>(in[1]);
        N mean = sum_of_products<N>(in, 2), inverse_temperature = inverse_of<N>(*static_cast<const double*>(in[6]));
        T* result = static_cast<T*>(out[0]);
        for_each(n, [&](size_t i) {
            N slope = Format<T>::load(p[i]) * (Format<T>::load(c[i]) - mean);
            result[i] = Format<T>::store(over(slope, inverse_temperature));
        });
    }
};

struct LogSoftmaxVjpOfState {  // (n),(n),sum,()->(n): log-probabilities, cotangent, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename Format<T>::Number;
        const T *q = static_cast<const T*>(in[0]), *c = static_cast<const T*>(in[1]);
        N total = sum_of_products<N>(in, 2), inverse_temperature = inverse_of<N>(*static_cast<const double*>(in[6]));
        T* result = static_cast<T*>(out[0]);
        for_each(n, [&](size_t i) {
            N slope = Format<T>::load(c[i]) - exponential_of_depth(-Format<T>::load(q[i])) * total;
            bool masked = number_of(q[i]) == -infinity;
            result[i] = Format<T>::store(select(masked, N(0.0), over(slope, inverse_temperature)));
        });
    }
};

using SoftmaxProductSize = ProductSize<SoftmaxProduct>;
using SoftmaxProductSum = ProductSum<SoftmaxProduct>;
using LogSoftmaxProductSize = ProductSize<LogSoftmaxProduct>;
using LogSoftmaxProductSum = ProductSum<LogSoftmaxProduct>;

}  // namespace
}  // namespace softfloor
