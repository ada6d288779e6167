// softmax, log_softmax, logsumexp and their vjps on one contiguous row.
//
// A row is reduced to its maximum m, the number c of entries equal to m, and S = sum of e^-(m - x)/T over the others.
//   softmax = e^-(m-x)/T / (c + S),   logsumexp = m/T + L,   log_softmax = -(m-x)/T - L,   L = log1p(c - 1 + S).
// Keeping the maxima out of S keeps L accurate when it is tiny, and lets +inf entries share the mass without inf - inf.
// Sums run over 16 lanes, added in one order at the end: the bits depend neither on vector width nor on threads.
#pragma once
#include "../math/log1p.hpp"
#include "../math/narrow.hpp"

namespace softfloor {
namespace {

constexpr size_t lanes = 16;
constexpr double infinity = __builtin_inf();

// body(i) for i = 0 ... n-1, independent of each other: a plain loop, which the compiler vectorises.
template <class Body> SOFTFLOOR_INLINE void for_each(size_t n, Body body) {
#pragma GCC ivdep
    for (size_t i = 0; i < n; ++i) body(i);
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
template <> struct Lanes<Pair> {
    double high[lanes] = {}, low[lanes] = {};
    SOFTFLOOR_INLINE void add(size_t j, Pair x) {
        Pair sum = two_sum(high[j], x.hi);
        high[j] = sum.hi;
        low[j] += sum.lo + x.lo;
    }
    Pair total() {
        Pair sum = 0.0;
        for (size_t j = 0; j < lanes; ++j) sum = sum + two_sum(high[j], low[j]);
        return sum;
    }
};

// The sum of term(i) for i = 0 ... n-1. Terms go through a block in the first-level cache: computing them and adding
// them in lanes are then two loops that the compiler vectorises each.
constexpr size_t block = 256;
template <class N, class Term> SOFTFLOOR_INLINE N sum_of(size_t n, Term term) {
    Lanes<N> sum;
    N terms[block];
    for (size_t begin = 0; begin < n; begin += block) {
        size_t count = n - begin < block ? n - begin : block, i = 0;
        for_each(count, [&](size_t k) { terms[k] = term(begin + k); });
        for (; i + lanes <= count; i += lanes)
            for (size_t j = 0; j < lanes; ++j) sum.add(j, terms[i + j]);
        for (size_t j = 0; i < count; ++i, ++j) sum.add(j, terms[i]);
    }
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
    for (; i < n; ++i) largest_of[0] = get(i) > largest_of[0] ? get(i) : largest_of[0];
    for (size_t j = 1; j < many; ++j) largest_of[0] = largest_of[j] > largest_of[0] ? largest_of[j] : largest_of[0];
    return largest_of[0];
}

SOFTFLOOR_INLINE double scalar(Pair x) { return x.hi; }
SOFTFLOOR_INLINE double scalar(double x) { return x; }
SOFTFLOOR_INLINE double difference(double a, double b, double) { return a - b; }
SOFTFLOOR_INLINE Pair difference(double a, double b, Pair) { return two_sum(a, -b); }

template <class T> struct Row {
    using N = typename Format<T>::Number;
    const T* x;
    size_t n;
    N inverse_temperature;
    double maximum;
    double ties;     // how many entries equal the maximum
    N others = 0.0;  // the sum of e^-(m-x)/T over the other entries

    SOFTFLOOR_INLINE static auto plain(T value) {
        if constexpr (sizeof(T) == 8) return value;
        else return widen(value);
    }
    SOFTFLOOR_INLINE static double number(T value) { return double(plain(value)); }

    // (m - x)/T >= 0, inf where x = -inf; 0 at a maximum, an infinite one too.
    SOFTFLOOR_INLINE N depth(double value) const {
        N t = difference(maximum, value, N());
        t = select(head(t) > largest<Pair>, N(infinity), t * inverse_temperature);
        return select(value == maximum, N(0.0), t);
    }
    SOFTFLOOR_INLINE static N exponential(N t) {
        auto e = exponential_of_minus(t);
        return apply(Scaled<N>{e.mantissa, e.power});
    }
    // The same times 2^stored_power: no term that can matter is subnormal while it waits in a float32 or float64.
    SOFTFLOOR_INLINE static N stored_exponential(N t) {
        auto e = exponential_of_minus(t);
        if constexpr (sizeof(T) == 8) return apply(Scaled<N>{e.mantissa, {e.power.exponent + stored_power}});
        else return e.value * power_of_two(stored_power);
    }
    static constexpr double stored_power = sizeof(T) == 8 ? 512 : 64;

    Row(const T* row, size_t count, double temperature)
        : x(row), n(count), inverse_temperature(temperature == 1.0 ? N(1.0) : reciprocal(N(temperature))) {
        maximum = maximum_of(n, [&](size_t i) { return plain(x[i]); });
        size_t equal = 0;
        for (size_t i = 0; i < n; ++i) equal += number(x[i]) == maximum;
        ties = double(equal);
    }

    void sum_others() {
        others = sum_of<N>(n, [&](size_t i) {
            double value = number(x[i]);
            return select(value == maximum, N(0.0), exponential(depth(value)));
        });
    }
    // The same, and every term times 2^stored_power goes into terms, which may be the row itself.
    template <class Term> void sum_others_into(Term* terms) {
        others = sum_of<N>(n, [&](size_t i) {
            double value = number(x[i]);
            N term = stored_exponential(depth(value));
            terms[i] = Term(scalar(term));
            return select(value == maximum, N(0.0), times_power_of_two(term, power_of_two(-stored_power)));
        });
    }

    bool empty() const { return maximum == -infinity && head(others) == 0; }  // every entry masked: -inf
    N log_of_total() const { return empty() ? N(infinity) : log1p_of(N(ties - 1.0) + others); }
    N inverse_total() const { return empty() ? N(0.0) : reciprocal(N(ties) + others); }
};

SOFTFLOOR_INLINE double scaled_term(double term, double factor) { return term * factor; }
SOFTFLOOR_INLINE Pair scaled_term(double term, Pair factor) { return Pair(term) * factor; }

// The terms e^-(m-x)/T wait in the output row for the sum; half precision would lose digits there and borrows scratch.
template <class T> SOFTFLOOR_INLINE auto* terms_of(T* out, void* scratch) {
    if constexpr (sizeof(T) >= 4) return (void)scratch, out;
    else return (void)out, static_cast<float*>(scratch);
}

// out = factor * softmax(x / T)
template <class T, class N> SOFTFLOOR_INLINE void write_softmax(Row<T>& row, T* out, void* scratch, N factor) {
    auto* terms = terms_of(out, scratch);
    row.sum_others_into(terms);
    N each = times_power_of_two(row.inverse_total() * factor, power_of_two(-row.stored_power));
    for_each(row.n, [&](size_t i) { out[i] = Format<T>::store(scaled_term(terms[i], each)); });
}

struct Softmax {  // (n),()->(n): logits, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        Row<T> row(static_cast<const T*>(in[0]), n, *static_cast<const double*>(in[1]));
        write_softmax(row, static_cast<T*>(out[0]), scratch, typename Row<T>::N(1.0));
    }
};

struct LogSoftmax {  // (n),()->(n): logits, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        Row<T> row(static_cast<const T*>(in[0]), n, *static_cast<const double*>(in[1]));
        row.sum_others();
        auto log_of_total = row.log_of_total();
        bool unbounded = head(log_of_total) == infinity, number = head(log_of_total) == head(log_of_total);
        T* result = static_cast<T*>(out[0]);
        for_each(n, [&](size_t i) {
            auto t = row.depth(Row<T>::number(row.x[i]));
            bool nothing = unbounded | ((head(t) == infinity) & number);
            result[i] =
                Format<T>::store(select(nothing, decltype(t)(-infinity), decltype(t)(0.0) - (t + log_of_total)));
        });
    }
};

struct Logsumexp {  // (n),()->(): logits, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename Row<T>::N;
        Row<T> row(static_cast<const T*>(in[0]), n, *static_cast<const double*>(in[1]));
        row.sum_others();
        bool bounded = __builtin_fabs(row.maximum) != infinity;
        N total = bounded ? N(row.maximum) * row.inverse_temperature + row.log_of_total()
                          : N(row.maximum + 0.0 * head(row.others));  // NaN in the row stays NaN
        *static_cast<T*>(out[0]) = Format<T>::store(total);
    }
};

struct LogsumexpVjp {  // (n),(),()->(n): logits, temperature, cotangent
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        Row<T> row(static_cast<const T*>(in[0]), n, *static_cast<const double*>(in[1]));
        auto cotangent = Format<T>::load(*static_cast<const T*>(in[2]));
        write_softmax(row, static_cast<T*>(out[0]), scratch, row.inverse_temperature * cotangent);
    }
};

struct SoftmaxVjp {  // (n),(n),()->(n): probabilities, cotangent, temperature.  p (c - sum p c) / T
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename Row<T>::N;
        const T *p = static_cast<const T*>(in[0]), *c = static_cast<const T*>(in[1]);
        N inverse_temperature = reciprocal(N(*static_cast<const double*>(in[2])));
        N mean = sum_of<N>(n, [&](size_t i) { return exact_product(Format<T>::load(p[i]), Format<T>::load(c[i])); });
        T* result = static_cast<T*>(out[0]);
        for_each(n, [&](size_t i) {
            N slope = Format<T>::load(p[i]) * (Format<T>::load(c[i]) - mean);
            result[i] = Format<T>::store(slope * inverse_temperature);
        });
    }
};

// (n),(n),()->(n): log-probabilities, cotangent, temperature.  (c - e^q sum c) / T over the entries that are not
// masked; a masked one (q = -inf) depends on nothing and nothing on it.
struct LogSoftmaxVjp {
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename Row<T>::N;
        const T *q = static_cast<const T*>(in[0]), *c = static_cast<const T*>(in[1]);
        N inverse_temperature = reciprocal(N(*static_cast<const double*>(in[2])));
        N total = sum_of<N>(
            n, [&](size_t i) { return select(Row<T>::number(q[i]) == -infinity, N(0.0), Format<T>::load(c[i])); });
        T* result = static_cast<T*>(out[0]);
        for_each(n, [&](size_t i) {
            N slope = Format<T>::load(c[i]) - Row<T>::exponential(-Format<T>::load(q[i])) * total;
            bool masked = Row<T>::number(q[i]) == -infinity;
            result[i] = Format<T>::store(select(masked, N(0.0), slope * inverse_temperature));
        });
    }
};

}  // namespace
}  // namespace softfloor
