// sparsemax and entmax15, and their vjps from the output; hardmax, their limit.
#pragma once
#include "sparse_columns.hpp"

namespace softfloor {
namespace {

template <class Law> struct Sparse {  // (n),()->(n): logits, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        const T* x = static_cast<const T*>(in[0]);
        T* result = static_cast<T*>(out[0]);
        double maximum = maximum_of(n, [&](size_t i) { return WideRow<T>::plain(x[i]); });
        if (is_limit(x, result, n, maximum)) return;
        SparseRow<T, Law>(x, n, maximum, *static_cast<const double*>(in[1]), static_cast<double*>(scratch))
            .write(result);
    }
    template <class T> static size_t columns(const Strided* operands, size_t n, size_t count, ColumnScratch scratch) {
        return wide_tiles<SparseColumns<T, Law>, 3>(operands, n, count, scratch);
    }
};
using Sparsemax = Sparse<SparsemaxLaw>;
using Entmax15 = Sparse<Entmax15Law>;

template <class Shares> struct SparseVjp {  // (n),(n),()->(n): probabilities, cotangent, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        using N = typename WideRow<T>::N;
        const T *p = static_cast<const T*>(in[0]), *c = static_cast<const T*>(in[1]);
        T* result = static_cast<T*>(out[0]);
        N inverse_temperature = inverse_of<N>(*static_cast<const double*>(in[2]));
        bool nan = any_nan(p, n);
        auto present = [&](size_t i) { return WideRow<T>::plain(p[i]) != 0; };
        auto share = [&](size_t i) { return Shares::of(Format<T>::load(p[i])); };
        double factor = 1.0;
        auto cotangent = [&](size_t i) { return times_power_of_two(Format<T>::load(c[i]), factor); };
        // To pass what is not in the support takes longer in fewer.
        const Parts parts(n, scratch, present, search_block);
        auto sum_up = [&](auto term) {  // zeros that are left out would change no sum
            Lanes<N> sum;
            parts.each([&](size_t begin, size_t end, bool any) {
                if (!any) return;
                add_all(sum, end - begin,
                        [&](size_t j) { return select(present(begin + j), term(begin + j), N(0.0)); });
            });
            return sum.total();
        };
        auto weigh = [&] { return sum_up([&](size_t i) { return share(i) * cotangent(i); }); };
        N weighted = weigh();
        if (is_near_overflow(weighted)) factor = shrunk, weighted = weigh();
        N mean = nan ? N(__builtin_nan("")) : weighted * reciprocal(sum_up(share));
        parts.each([&](size_t begin, size_t end, bool any) {
            T other = Format<T>::store(nan ? __builtin_nan("") : 0.0);
            if (!any) return for_each(end - begin, [&](size_t i) { result[begin + i] = other; });
            for_each(end - begin, [&](size_t j) {
                size_t i = begin + j;
                N slope = enlarged(over(share(i) * (cotangent(i) - mean), inverse_temperature), 1 / factor);
                result[i] = present(i) ? Format<T>::store(slope) : other;
            });
        });
    }
    template <class T> static size_t columns(const Strided* operands, size_t n, size_t count, ColumnScratch scratch) {
        return wide_tiles<SparseVjpColumns<T, Shares>, 4>(operands, n, count, scratch);
    }
};
using SparsemaxVjp = SparseVjp<EqualShares>;
using Entmax15Vjp = SparseVjp<RootShares>;

// 1 at the first maximum, which is no entry if all are -inf.
template <class T, class Get> SOFTFLOOR_INLINE void write_one_hot(T* out, size_t n, Get get) {
    auto maximum = maximum_of(n, get);
    bool nan = any_nan_of(n, get);
    size_t position = double(maximum) == -infinity ? n : first_of(n, [&](size_t i) { return get(i) == maximum; });
    T one = Format<T>::store(1.0), other = Format<T>::store(nan ? __builtin_nan("") : 0.0);
    for_each(n, [&](size_t i) { out[i] = other; });
    if (position < n && !nan) out[position] = one;
}

struct Hardmax {  // (n)->(n): logits
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        const T* x = static_cast<const T*>(in[0]);
        write_one_hot(static_cast<T*>(out[0]), n, [&](size_t i) { return WideRow<T>::plain(x[i]); });
    }
    template <class T> static size_t columns(const Strided* operands, size_t n, size_t count, ColumnScratch scratch) {
        return wide_tiles<HardmaxColumns<T>, 2>(operands, n, count, scratch);
    }
};

struct HardmaxVjp {  // (n)->(n): what hardmax returned.  0 wherever a derivative exists
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        write(static_cast<const T*>(in[0]), static_cast<T*>(out[0]), n);
    }
    template <class T> static void write(const T* p, T* result, size_t count) {
        for_each(count, [&](size_t i) {
            double value = WideRow<T>::number(p[i]);
            result[i] = Format<T>::store(value == value ? 0.0 : value);
        });
    }
    template <class T> static size_t columns(const Strided* operands, size_t n, size_t count, ColumnScratch) {
        for (size_t i = 0; i < n; ++i)
            write(reinterpret_cast<const T*>(operands[0].at(0, i)), reinterpret_cast<T*>(operands[1].at(0, i)), count);
        return count;
    }
};

}  // namespace
}  // namespace softfloor
