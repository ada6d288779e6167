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

// A sum of doubles for results up to float32; for float64 one that carries its own rounding errors.
template <class N> struct Sum;
template <> struct Sum<double> {
    double lane[lanes] = {};
    SOFTFLOOR_INLINE void add(size_t j, double x) { lane[j] += x; }
    double total() const {
        double sum[lanes];
        for (size_t j = 0; j < lanes; ++j) sum[j] = lane[j];
        for (size_t half = lanes / 2; half; half /= 2)
            for (size_t j = 0; j < half; ++j) sum[j] += sum[j + half];
        return sum[0];
    }
};
template <> struct Sum<Pair> {
    double high[lanes] = {}, low[lanes] = {};
    SOFTFLOOR_INLINE void add(size_t j, Pair x) {
        Pair sum = two_sum(high[j], x.hi);
        high[j] = sum.hi;
        low[j] += sum.lo + x.lo;
    }
    Pair total() const {
        Pair sum = 0.0;
        for (size_t j = 0; j < lanes; ++j) sum = sum + two_sum(high[j], low[j]);
        return sum;
    }
};

// body(i, lane) for i = 0 ... n-1; the full blocks have a constant inner trip count, which the compiler vectorises.
template <class Body> SOFTFLOOR_INLINE void for_each_lane(size_t n, Body body) {
    size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
#pragma GCC ivdep
        for (size_t j = 0; j < lanes; ++j) body(i + j, j);
    }
    for (size_t j = 0; i < n; ++i, ++j) body(i, j);
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
    double maximum = -infinity;
    double ties = 0;  // how many entries equal the maximum
    N others = 0.0;

    SOFTFLOOR_INLINE static double number(T value) {
        if constexpr (sizeof(T) == 8) return value;
        else return double(widen(value));
    }

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

    Row(const T* row, size_t count, double temperature)
        : x(row), n(count), inverse_temperature(temperature == 1.0 ? N(1.0) : reciprocal(N(temperature))) {
        double largest_of[lanes];
        for (size_t j = 0; j < lanes; ++j) largest_of[j] = -infinity;
        for_each_lane(n, [&](size_t i, size_t j) {
            double value = number(x[i]);
            largest_of[j] = value > largest_of[j] ? value : largest_of[j];
        });
        for (size_t j = 0; j < lanes; ++j) maximum = largest_of[j] > maximum ? largest_of[j] : maximum;
    }

    // e^-(m-x)/T of every entry into terms; the sum without the maxima.
    template <class Term> void sum_terms(Term* terms) {
        Sum<N> sum;
        double count[lanes] = {};
        for_each_lane(n, [&](size_t i, size_t j) {
            double value = number(x[i]);
            N term = exponential(depth(value));
            bool top = value == maximum;
            if (terms) terms[i] = Term(scalar(term));
            sum.add(j, select(top, N(0.0), term));
            count[j] += top ? 1.0 : 0.0;
        });
        others = sum.total();
        for (size_t j = 0; j < lanes; ++j) ties += count[j];
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
    row.sum_terms(terms);
    N each = row.inverse_total() * factor;
    for_each_lane(row.n, [&](size_t i, size_t) { out[i] = Format<T>::store(scaled_term(terms[i], each)); });
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
        row.sum_terms(static_cast<T*>(nullptr));
        auto log_of_total = row.log_of_total();
        bool unbounded = head(log_of_total) == infinity;
        T* result = static_cast<T*>(out[0]);
        for_each_lane(n, [&](size_t i, size_t) {
            auto t = row.depth(Row<T>::number(row.x[i]));
            bool nothing = unbounded | (head(t) == infinity);
            result[i] = Format<T>::store(select(nothing, decltype(t)(-infinity), -(t + log_of_total)));
        });
    }
};

struct Logsumexp {  // (n),()->(): logits, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename Row<T>::N;
        Row<T> row(static_cast<const T*>(in[0]), n, *static_cast<const double*>(in[1]));
        row.sum_terms(static_cast<T*>(nullptr));
        bool bounded = __builtin_fabs(row.maximum) != infinity;
        N total = bounded ? N(row.maximum) * row.inverse_temperature + row.log_of_total() : N(row.maximum) + N(0.0) * row.others;
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
        Sum<N> sum;
        for_each_lane(n, [&](size_t i, size_t j) { sum.add(j, exact_product(Format<T>::load(p[i]), Format<T>::load(c[i]))); });
        N mean = sum.total();
        T* result = static_cast<T*>(out[0]);
        for_each_lane(n, [&](size_t i, size_t) {
            N slope = Format<T>::load(p[i]) * (Format<T>::load(c[i]) - mean);
            result[i] = Format<T>::store(slope * inverse_temperature);
        });
    }
};

struct LogSoftmaxVjp {  // (n),(n),()->(n): log-probabilities, cotangent, temperature.  (c - e^q sum c) / T
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename Row<T>::N;
        const T *q = static_cast<const T*>(in[0]), *c = static_cast<const T*>(in[1]);
        N inverse_temperature = reciprocal(N(*static_cast<const double*>(in[2])));
        Sum<N> sum;
        for_each_lane(n, [&](size_t i, size_t j) { sum.add(j, Format<T>::load(c[i])); });
        N total = sum.total();
        T* result = static_cast<T*>(out[0]);
        for_each_lane(n, [&](size_t i, size_t) {
            N slope = Format<T>::load(c[i]) - Row<T>::exponential(-Format<T>::load(q[i])) * total;
            result[i] = Format<T>::store(slope * inverse_temperature);
        });
    }
};

}  // namespace
}  // namespace softfloor
