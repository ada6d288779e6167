// gumbel_softmax: the softmax of y = z + g, where g = -log(-log u) is Gumbel noise. NumPy's uniform numbers U are
// multiples of 2^-53 in [0, 1); u = U + 2^-54 is the middle of such a step, so u is neither 0 nor 1 and g lies in
// [-3.63, 37.43]. g is computed in pairs of doubles, and y rounded to float64 once.
#pragma once
#include "sparse.hpp"

namespace softfloor {
namespace {

// log x for x > 0 as the logarithm of 1 + s, s >= 0, of x or of its reciprocal.
SOFTFLOOR_INLINE Pair logarithm(Pair x) {
    bool above = x.hi >= 1;
    Pair result = log1p_of(above ? x - Pair(1.0) : (Pair(1.0) - x) * reciprocal(x));
    return above ? result : -result;
}

template <class T> void write_perturbed(const T* z, const double* uniform, double* y, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        Pair noise = -logarithm(-logarithm(two_sum(uniform[i], 0x1p-54)));
        double logit = WideRow<T>::number(z[i]);
        Pair sum = two_sum(logit, noise.hi);
        y[i] = __builtin_fabs(logit) <= largest<Pair> ? sum.hi + (sum.lo + noise.lo) : logit;
    }
}

struct GumbelSoftmax {  // (n),(n),()->(n): logits, uniform numbers, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        double* y = static_cast<double*>(scratch);
        T* result = static_cast<T*>(out[0]);
        write_perturbed(static_cast<const T*>(in[0]), static_cast<const double*>(in[1]), y, n);
        WideRow<double> row(y, n, *static_cast<const double*>(in[2]));
        row.sum_into(y);
        Pair each = times_power_of_two(row.inverse_total(), power_of_two(-stored_power));
        for_each(n, [&](size_t i) { result[i] = stored<T>(Pair(y[i]) * each); });
    }
};

struct GumbelSoftmaxHard {  // (n),(n)->(n): logits, uniform numbers
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        double* y = static_cast<double*>(scratch);
        write_perturbed(static_cast<const T*>(in[0]), static_cast<const double*>(in[1]), y, n);
        write_one_hot(static_cast<T*>(out[0]), n, [&](size_t i) { return y[i]; });
    }
};

}  // namespace
}  // namespace softfloor
