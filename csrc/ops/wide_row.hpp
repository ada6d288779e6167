// One contiguous row in numbers twice as wide as its entries.
//
// A row is reduced to its maximum m, the number c of entries equal to m, and S = sum of e^-(m - x)/T over the others.
//   softmax = e^-(m-x)/T / (c + S),   logsumexp = m/T + L,   log_softmax = -(m-x)/T - L,   L = log1p(c - 1 + S).
// Keeping the maxima out of S keeps L accurate when it is tiny, and lets +inf entries share the mass without inf - inf.
// Sums run over 16 lanes, added in one order at the end: the bits depend neither on vector width nor on threads.
#pragma once
#include "../math/exp_wide.hpp"
#include "../math/log1p.hpp"
#include "../kernels.hpp"
#include "../math/narrow.hpp"
#include "folds.hpp"

namespace softfloor {
namespace {

constexpr size_t lanes = 16;

// body(i) for i = 0 ... n-1, independent of each other: a plain loop, which the compiler vectorises.
template <class Body> SOFTFLOOR_INLINE void for_each(size_t n, Body body) {
#pragma GCC ivdep
    for (size_t i = 0; i < n; ++i) body(i);
}

// Adds the upper half of the lanes to the lower one, then that again; of rows of n entries only those that have one.
template <class Add> SOFTFLOOR_INLINE void fold_lanes(size_t n, Add add) {
    size_t filled = n < lanes ? n : lanes;
    for (size_t half = lanes / 2; half; half /= 2) {
        for (size_t k = 0; k + half < filled; ++k) add(k, k + half);
        if (filled > half) filled = half;
    }
}

// A sum in lanes, added up in one order: of doubles for results up to float32; for float64 with its own rounding
// errors.
template <class N> struct Lanes;
template <> struct Lanes<double> {
    double high[lanes] = {};
    SOFTFLOOR_INLINE void add(size_t j, double x) { high[j] += x; }
    double total() {
        for (size_t half = lanes / 2; half; half /= 2)
            for (size_t j = 0; j < half; ++j) high[j] += high[j + half];
        return high[0];
    }
};
// Rounding errors are added up beside the sum; at the end they are added to it.
SOFTFLOOR_INLINE double lanes_total(double sum) { return sum; }
SOFTFLOOR_INLINE Pair lanes_total(Pair sum) { return two_sum(sum.hi, sum.lo); }
template <> struct Lanes<Pair> {
    double high[lanes] = {}, low[lanes] = {};
    SOFTFLOOR_INLINE void add(size_t j, Pair x) {
        Pair sum = open_sum(Pair(high[j], low[j]), x);
        high[j] = sum.hi, low[j] = sum.lo;
    }
    Pair total() {
        for (size_t half = lanes / 2; half; half /= 2)
            for (size_t j = 0; j < half; ++j) add(j, Pair(high[j + half], low[j + half]));
        return lanes_total(Pair(high[0], low[0]));
    }
};
// add(i % lanes, i) for i = 0 ... count-1.
template <class Add> SOFTFLOOR_INLINE void add_in_lanes(size_t count, Add add) {
    size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
#pragma GCC ivdep
#pragma GCC unroll 1  // unrolled, it would not be vectorised
        for (size_t j = 0; j < lanes; ++j) add(j, i + j);
    }
    for (size_t j = 0; i < count; ++i, ++j) add(j, i);
}
template <class N, class Term> SOFTFLOOR_INLINE void add_all(Lanes<N>& sum, size_t count, Term term) {
    add_in_lanes(count, [&](size_t j, size_t i) __attribute__((always_inline)) { sum.add(j, term(i)); });
}

// The sum of term(i) for i = 0 ... n-1.
template <class N, class Term> SOFTFLOOR_INLINE N sum_of(size_t n, Term term) {
    Lanes<N> sum;
    add_all(sum, n, term);
    return sum.total();
}

// The largest of x[0] ... x[n-1], NaN ignored; which of several lanes finds it does not matter.
template <class Get> SOFTFLOOR_INLINE auto maximum_of(size_t n, Get get) {
    using Plain = decltype(get(0));
    constexpr size_t many = 64;
    Plain largest_of[many];
    for (size_t j = 0; j < many; ++j) largest_of[j] = Plain(-infinity);
    size_t i = 0;
    for (; i + many <= n; i += many)
        for (size_t j = 0; j < many; ++j) largest_of[j] = get(i + j) > largest_of[j] ? get(i + j) : largest_of[j];
    if (i < n)
        for (size_t j = 0; j < many; ++j) {
            Plain value = Plain(-infinity);
            if (j < n - i) value = get(i + j);
            largest_of[j] = value > largest_of[j] ? value : largest_of[j];
        }
    constexpr size_t left = folded_lanes<Plain>;
    return folded<left, Plain>(folded_to_lanes<many>(largest_of, Larger{}), Larger{});
}

SOFTFLOOR_INLINE double difference(double a, double b, double) { return a - b; }
SOFTFLOOR_INLINE Pair difference(double a, double b, Pair) { return two_sum(a, -b); }

// 1/T; infinite, where a Pair would be NaN, if T is subnormal and it overflows.
template <class N> SOFTFLOOR_INLINE N inverse_of(double temperature) {
    if (temperature == 1.0) return N(1.0);
    N inverse = reciprocal(N(temperature));
    return head(inverse) == head(inverse) ? inverse : N(infinity);
}
// x/T, with overflow to infinity and 0 over any T.
template <class N> SOFTFLOOR_INLINE N over(N x, N inverse_temperature) {
    double plain = head(x) * head(inverse_temperature);
    N quotient = select(__builtin_fabs(plain) > largest<Pair>, N(plain), x * inverse_temperature);
    return select(head(x) == 0, x, quotient);
}

inline double temperature_at(const Strided& temperature, size_t row) {
    return *reinterpret_cast<const double*>(temperature.at(row, 0));
}

// body<is_1>(): where temperatures are 1, there is less to do.
SOFTFLOOR_INLINE void by_temperature(bool is_1, auto body) {
    if (is_1) body.template operator()<true>();
    else body.template operator()<false>();
}
inline bool are_1(const Strided& temperatures, size_t first, size_t count) {
    size_t different = temperatures.row_step ? count : 1;
    for (size_t k = first; k < first + different; ++k)
        if (temperature_at(temperatures, k) != 1.0) return false;
    return true;
}

// (term factor - c) scale.
SOFTFLOOR_INLINE double scaled_difference(double term, FactorOfStored<double> factor, double c, double scale) {
    return (term * factor.each * factor.of_product - c) * scale;
}
SOFTFLOOR_INLINE double scaled_difference(Pair term, FactorOfStored<Pair> factor, Pair c, double scale) {
    const Pair each = factor.each;
    double product = term.hi * each.hi;
    double lost = fma(term.lo, each.hi, fma(term.hi, each.lo, fma(term.hi, each.hi, -product)));
    Pair difference = two_sum(product * factor.of_product, -c.hi);
    return fma(difference.hi, scale, fma(lost, factor.of_product, difference.lo - c.lo) * scale);
}

// float64 cotangents of which a sum is near overflow are computed at 2^-64 of their size; infinities and NaN as well,
// which stay what they are.
constexpr double shrunk = 0x1p-64;
SOFTFLOOR_INLINE bool is_near_overflow(double sum) { return !(__builtin_fabs(sum) <= 0x1p960); }
SOFTFLOOR_INLINE bool is_near_overflow(Pair sum) { return is_near_overflow(sum.hi); }
SOFTFLOOR_INLINE double enlarged(double x, double factor) { return x * factor; }
SOFTFLOOR_INLINE Pair enlarged(Pair x, double factor) {
    double high = x.hi * factor;
    return {high, __builtin_fabs(high) > largest<Pair> ? 0.0 : x.lo * factor};
}

// The loss of a class from the depth of its logit.
template <class N> SOFTFLOOR_INLINE N loss_of_depth(N depth, N log_of_total, N others) {
    bool unbounded = (head(depth) == infinity) | (head(log_of_total) == infinity);
    return select(unbounded & (head(others) == head(others)), N(infinity), depth + log_of_total);
}

template <class T> struct WideRow {
    using N = typename Format<T>::Number;
    const T* x;
    size_t n;
    N inverse_temperature;
    double temperature = 1.0;
    double maximum;
    double ties;     // how many entries equal the maximum
    N others = 0.0;  // the sum of e^-(m-x)/T over the other entries

    SOFTFLOOR_INLINE static auto plain(T value) {
        if constexpr (sizeof(T) == 8) return value;
        else return widen(value);
    }
    SOFTFLOOR_INLINE static double number(T value) { return double(plain(value)); }

    // (m - x)/T >= 0; 0 at a maximum, an infinite one too.
    SOFTFLOOR_INLINE N depth(double value) const {
        return select(value == maximum, N(0.0), over(difference(maximum, value, N()), inverse_temperature));
    }
    // The same, with fewer operations where T is 1. Of an infinite one the low part may be NaN.
    template <bool is_1> SOFTFLOOR_INLINE N depth_at(double value) const {
        if constexpr (!is_1) return depth(value);
        return select(value == maximum, N(0.0), difference(maximum, value, N()));
    }
    SOFTFLOOR_INLINE static N exponential(N t) {
        auto e = exponential_of_minus(t);
        return apply(Scaled<N>{e.mantissa, e.power});
    }
    // A term times 2^stored_power: none that can matter is subnormal while it waits in a float64.
    template <bool is_1> SOFTFLOOR_INLINE N stored_term(double value) const {
        N below = difference(maximum, value, N());
        if constexpr (!is_1) below = over(below, inverse_temperature);
        return stored_exponential_of_minus(below, value == maximum);
    }

    WideRow() = default;
    WideRow(const T* row, size_t count, double its_temperature, void* = nullptr)
        : WideRow(count, its_temperature, [=](size_t i) { return plain(row[i]); }) {
        x = row;
    }
    // A row of entry(i), which is not in memory.
    template <class Entry>
    WideRow(size_t count, double its_temperature, Entry entry)
        : n(count), inverse_temperature(inverse_of<N>(its_temperature)), temperature(its_temperature) {
        maximum = maximum_of(n, entry);
        size_t equal = 0;
        for (size_t i = 0; i < n; ++i) equal += double(entry(i)) == maximum;
        ties = double(equal);
    }

    void find_place(size_t = 0) {}  // every maximum is kept apart
    void sum_others() {
        sum_others([&](size_t i) { return number(x[i]); });
    }
    template <class Entry> void sum_others(Entry entry) {
        by_temperature(temperature == 1, [&]<bool is_1>() {
            set_others(sum_of<N>(n, [&](size_t i) { return stored_term<is_1>(entry(i)); }));
        });
    }
    SOFTFLOOR_INLINE void set_others(N stored_sum) {
        others = times_power_of_two(stored_sum, power_of_two(-stored_power));
    }
    // Terms wait in the output row for the sum, times 2^stored_power.
    T* terms_in(T* out) const { return out; }
    void sum_into(T* terms) {
        by_temperature(temperature == 1, [&]<bool is_1>() {
            set_others(sum_of<N>(n, [&](size_t i) {
                double value = number(x[i]);
                N term = stored_term<is_1>(value);
                terms[i] = value == maximum ? power_of_two(stored_power) : head(term);
                return term;
            }));
        });
    }

    double entry(size_t i) const { return number(x[i]); }
    bool empty() const { return (maximum == -infinity) & (head(others) == 0); }  // every entry masked: -inf
    SOFTFLOOR_INLINE N log_of_total() const { return select(empty(), N(infinity), log1p_of(N(ties - 1.0) + others)); }
    SOFTFLOOR_INLINE N inverse_total() const { return select(empty(), N(0.0), reciprocal(N(ties) + others)); }
    // The sum of all terms but that of an entry: no cancellation, for the maxima stay.
    SOFTFLOOR_INLINE N total_without(double entry) const {
        bool is_maximum = entry == maximum;
        N term = times_power_of_two(stored_term<false>(entry), power_of_two(-stored_power));
        return (others - term) + N(is_maximum ? ties - 1.0 : ties);
    }

    // out = terms * factor
    void write_scaled(const T* terms, T* out, N factor) const {
        const auto of_stored = factor_of_stored(factor);
        for_each(n, [&](size_t i) { out[i] = scaled_term(terms[i], of_stored); });
    }
    SOFTFLOOR_INLINE static T scaled_term(double term, FactorOfStored<Pair> factor) {
        return canonical(fma(term, factor.each.hi, term * factor.each.lo) * factor.of_product);
    }
    template <bool is_1> SOFTFLOOR_INLINE T log_of_share(double value, N log_of_total) const {
        bool unbounded = head(log_of_total) == infinity, number = head(log_of_total) == head(log_of_total);
        N t = depth_at<is_1>(value), sum = two_sum(t.hi, log_of_total.hi);
        bool nothing = unbounded | ((head(t) == infinity) & number);
        return canonical(nothing ? -infinity : 0.0 - (sum.hi + (sum.lo + (t.lo + log_of_total.lo))));
    }
    // At temperature 1 it is x less the log-sum-exp: as a pair that has all digits that matter, unless the logarithm of
    // the total is tiny beside the maximum.
    SOFTFLOOR_INLINE bool has_whole_logsumexp(N log_of_total) const {
        bool is_1 = (inverse_temperature.hi == 1) & (inverse_temperature.lo == 0);
        return is_1 & (log_of_total.hi > 0x1p-30 * __builtin_fabs(maximum));
    }
    SOFTFLOOR_INLINE static T less_logsumexp(double value, N logsumexp) {
        N difference = two_sum(value, -logsumexp.hi);
        double rest = difference.lo - logsumexp.lo;
        return canonical(difference.hi == -infinity ? -infinity : difference.hi + rest);
    }
    void write_log(T* out) const {
        N log_of_total = this->log_of_total();
        if (has_whole_logsumexp(log_of_total)) {
            const N logsumexp = N(maximum) + log_of_total;
            return for_each(n, [&](size_t i) { out[i] = less_logsumexp(WideRow::number(x[i]), logsumexp); });
        }
        by_temperature(temperature == 1, [&]<bool is_1>() {
            for_each(n, [&](size_t i) { out[i] = log_of_share<is_1>(WideRow::number(x[i]), log_of_total); });
        });
    }
};

}  // namespace
}  // namespace softfloor
