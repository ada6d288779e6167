// softmax, log_softmax, logsumexp and their vjps on one contiguous row.
#pragma once
#include "float_columns.hpp"
#include "float_row.hpp"
#include "wide_row.hpp"

namespace softfloor {
namespace {

template <class T> struct RowFor {
    using Type = FloatRow<T>;
};
template <> struct RowFor<double> {
    using Type = WideRow<double>;
};
template <class T> using Row = typename RowFor<T>::Type;

// out = factor * softmax(x / T)
template <class T, class N> SOFTFLOOR_INLINE void write_softmax(Row<T>& row, T* out, N factor) {
    auto* terms = row.terms_in(out);
    row.sum_into(terms);
    row.write_scaled(terms, out, row.inverse_total() * factor);
}

struct Softmax {  // (n),()->(n): logits, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        Row<T> row(static_cast<const T*>(in[0]), n, *static_cast<const double*>(in[1]), scratch);
        write_softmax(row, static_cast<T*>(out[0]), typename Row<T>::N(1.0));
    }
    template <class T> static bool columns(const Strided* operands, size_t n, size_t count, float* scratch) {
        FloatColumns<T> all;
        if (!all.load(operands[0], n, count, &operands[1], scratch)) return false;
        all.template add_terms<false, true>();
        return all.write_scaled(operands[2], [&](size_t row) { return all.rows[row].inverse_total(); });
    }
};

struct LogSoftmax {  // (n),()->(n): logits, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        Row<T> row(static_cast<const T*>(in[0]), n, *static_cast<const double*>(in[1]), scratch);
        row.find_place();
        row.sum_others();
        row.write_log(static_cast<T*>(out[0]));
    }
    template <class T> static bool columns(const Strided* operands, size_t n, size_t count, float* scratch) {
        FloatColumns<T> all;
        if (!all.load(operands[0], n, count, &operands[1], scratch)) return false;
        all.template add_terms<true, false>();
        return all.write_log(operands[2]);
    }
};

struct Logsumexp {  // (n),()->(): logits, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        using N = typename Row<T>::N;
        Row<T> row(static_cast<const T*>(in[0]), n, *static_cast<const double*>(in[1]), scratch);
        row.find_place();
        row.sum_others();
        bool bounded = __builtin_fabs(row.maximum) != infinity;
        N total = bounded ? N(row.maximum) * row.inverse_temperature + row.log_of_total()
                          : N(row.maximum + 0.0 * head(row.others));  // NaN in the row stays NaN
        if constexpr (sizeof(T) < 8) {
            if (bounded && cancels(row, total)) {
                WideRow<T> wide(static_cast<const T*>(in[0]), n, *static_cast<const double*>(in[1]));
                wide.sum_others();
                total = wide.maximum * wide.inverse_temperature + wide.log_of_total();
            }
        }
        *static_cast<T*>(out[0]) = Format<T>::store(total);
    }
    // m/T and L cancel: float32 terms leave about 2^-24 of S/(1 + S) as error in L, which must stay below the last
    // digit of the sum.
    template <class Row> static bool cancels(const Row& row, double total) {
        return __builtin_fabs(total) * (row.exact_top + row.others) < 2.0 * row.others;
    }
    template <class T> static bool columns(const Strided* operands, size_t n, size_t count, float* scratch) {
        FloatColumns<T> all;
        if (!all.load(operands[0], n, count, &operands[1], scratch)) return false;
        all.template add_terms<true, false>();
        double totals[most_columns];
        for (size_t k = 0; k < count; ++k) {
            const FloatRow<T>& row = all.rows[k];
            totals[k] = double(row.maximum) * row.inverse_temperature + row.log_of_total();
            if (cancels(row, totals[k])) return false;
        }
        for (size_t k = 0; k < count; ++k) *reinterpret_cast<T*>(operands[2].at(k, 0)) = Format<T>::store(totals[k]);
        return true;
    }
};

struct LogsumexpVjp {  // (n),(),()->(n): logits, temperature, cotangent
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        Row<T> row(static_cast<const T*>(in[0]), n, *static_cast<const double*>(in[1]), scratch);
        auto cotangent = Format<T>::load(*static_cast<const T*>(in[2]));
        write_softmax(row, static_cast<T*>(out[0]), row.inverse_temperature * cotangent);
    }
};

struct SoftmaxVjp {  // (n),(n),()->(n): probabilities, cotangent, temperature.  p (c - sum p c) / T
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename Format<T>::Number;
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
        using N = typename Format<T>::Number;
        const T *q = static_cast<const T*>(in[0]), *c = static_cast<const T*>(in[1]);
        N inverse_temperature = reciprocal(N(*static_cast<const double*>(in[2])));
        N total = sum_of<N>(
            n, [&](size_t i) { return select(WideRow<T>::number(q[i]) == -infinity, N(0.0), Format<T>::load(c[i])); });
        T* result = static_cast<T*>(out[0]);
        for_each(n, [&](size_t i) {
            N slope = Format<T>::load(c[i]) - WideRow<T>::exponential(-Format<T>::load(q[i])) * total;
            bool masked = WideRow<T>::number(q[i]) == -infinity;
            result[i] = Format<T>::store(select(masked, N(0.0), slope * inverse_temperature));
        });
    }
};

}  // namespace
}  // namespace softfloor
