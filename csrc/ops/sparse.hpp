// sparsemax and entmax15 on one contiguous row, and their vjps from the output; hardmax, their limit.
//
// With depths d_i = m - z_i >= 0 below the maximum m, and the temperature T,
//   sparsemax:  p_i = (v - d_i)+ / T,           sum_i (v - d_i)+   = T
//   entmax15:   p_i = ((v - d_i)+ / 2T)^2,      sum_i (v - d_i)+^2 = 4 T^2
// and all that is needed is the threshold v. Both sums are convex in v: Newton's method from the right never passes the
// threshold, so that an entry whose depth it has reached is out for good. Each pass halves the excess or the slope of
// the sum, hence their number stays below about 100 whatever the row holds, and 3 to 8 passes over ever fewer entries
// are common. Nothing is sorted. The last passes run in pairs of doubles for every dtype: an entry near the threshold
// is a difference of nearly equal numbers, and keeps its digits down to 2^-78 (entmax15: 2^-156).
#pragma once
#include "rows.hpp"

namespace softfloor {
namespace {

struct SparsemaxLaw {
    static constexpr double reach = 1.0;  // deeper than reach * T, an entry is out whatever the others are
    static constexpr bool curved = false;
    // Newton's step: how far the sum of terms exceeds its target, over its slope. linear is the sum of (v - d)+.
    template <class N> SOFTFLOOR_INLINE static N term(N gap) { return gap; }
    template <class N> SOFTFLOOR_INLINE static N step(N sum, N, size_t count, double unit) {
        return (sum - N(unit)) * reciprocal(N(double(count)));
    }
    SOFTFLOOR_INLINE static Pair probability(Pair gap, Pair inverse_unit) { return gap * inverse_unit; }
};

struct Entmax15Law {
    static constexpr double reach = 2.0;
    static constexpr bool curved = true;
    template <class N> SOFTFLOOR_INLINE static N term(N gap) { return square(gap); }
    template <class N> SOFTFLOOR_INLINE static N step(N sum, N linear, size_t, double unit) {
        return (sum - exact_product(N(2.0 * unit), N(2.0 * unit))) * reciprocal(linear + linear);
    }
    SOFTFLOOR_INLINE static Pair probability(Pair gap, Pair inverse_unit) {
        return square(times_power_of_two(gap * inverse_unit, 0.5));
    }
};

template <class T> SOFTFLOOR_INLINE T stored(Pair x) {
    if constexpr (sizeof(T) == 8) return Format<T>::store(x);
    else return Format<T>::store(collapse(x));
}

// The first i in [0, n) for which is_it(i), n if there is none; a block without any is passed by vector comparisons,
// and one with some is searched without a branch that its place would make unpredictable.
constexpr size_t search_block = 64;
template <class Predicate> SOFTFLOOR_INLINE size_t first_of(size_t n, Predicate is_it) {
    auto first_in = [&](size_t begin, int count) {
        int found = 0, first = count;
        for (int j = 0; j < count; ++j) found += is_it(begin + size_t(j));
        if (found == 0) return count;
        for (int j = 0; j < count; ++j) {
            int candidate = is_it(begin + size_t(j)) ? j : count;
            first = candidate < first ? candidate : first;
        }
        return first;
    };
    size_t begin = 0;
    for (; begin + search_block <= n; begin += search_block) {
        int first = first_in(begin, int(search_block));
        if (first < int(search_block)) return begin + size_t(first);
    }
    return begin + size_t(first_in(begin, int(n - begin)));
}
template <class Get> SOFTFLOOR_INLINE bool any_nan_of(size_t n, Get get) {
    uint32_t found = 0;
    for (size_t i = 0; i < n; ++i) found |= get(i) != get(i);
    return found;
}
template <class T> SOFTFLOOR_INLINE bool any_nan(const T* x, size_t n) {
    return any_nan_of(n, [&](size_t i) { return WideRow<T>::plain(x[i]); });
}

// What is left to write of a row that has no threshold: NaN, or the maxima share the mass; true if that was all.
template <class T> SOFTFLOOR_INLINE bool is_limit(const T* x, T* out, size_t n, double maximum) {
    bool nan = any_nan(x, n);
    if (!nan && __builtin_fabs(maximum) != infinity) return false;
    double ties = 0;
    for (size_t i = 0; i < n; ++i) ties += WideRow<T>::number(x[i]) == maximum;
    double share = nan ? __builtin_nan("") : maximum > 0 ? 1.0 / ties : 0.0;
    for_each(n, [&](size_t i) { out[i] = Format<T>::store(nan || WideRow<T>::number(x[i]) == maximum ? share : 0.0); });
    return true;
}

template <class T, class Law> struct SparseRow {
    const T* x;
    size_t n, count = 0;
    double* candidates;            // the logits that may be in the support; the first count of them are left
    double maximum, low;           // no logit below low is in the support
    double unit;                   // the temperature over the power of two that brings it into [1, 2)
    double before, first, second;  // exact factors that do the same to a difference of logits

    SparseRow(const T* row, size_t length, double largest_logit, double temperature, double* scratch)
        : x(row), n(length), candidates(scratch), maximum(largest_logit) {
        double bound = maximum - Law::reach * temperature * (1.0 + 0x1p-40) - __builtin_fabs(maximum) * 0x1p-50;
        low = decltype(low)(bound - __builtin_fabs(bound) * (sizeof(low) == 8 ? 0x1p-50 : 0x1p-22));
        bool subnormal = temperature < 0x1p-1022;
        int64_t bits = double_to_bits(subnormal ? temperature * 0x1p64 : temperature);
        double exponent = double((bits >> 52) - 1023 - (subnormal ? 64 : 0));
        unit = bits_to_double((bits & 0xfffffffffffff) | int64_t(1023) << 52);
        // Halved first under large temperatures: the difference of two large float64 must not overflow.
        before = exponent >= 0 ? 0.5 : 1.0;
        double power = exponent >= 0 ? 1.0 - exponent : -exponent, half = round_to_integer(0.5 * power);
        first = power_of_two(half);
        second = power_of_two(power - half);
    }

    SOFTFLOOR_INLINE double depth(double z, double) const { return before * (maximum - z) * first * second; }
    SOFTFLOOR_INLINE Pair depth(double z, Pair) const {
        Pair d = two_sum(before * maximum, -(before * z));
        return {d.hi * first * second, d.lo * first * second};
    }

    // body(begin, end, whether a logit in between may be in the support): most blocks of most rows have none.
    template <class Body> SOFTFLOOR_INLINE void for_each_block(Body body) const {
        for (size_t begin = 0; begin < n; begin += search_block) {
            size_t end = n - begin < search_block ? n : begin + search_block;
            uint32_t above = 0;
            for (size_t i = begin; i < end; ++i) above += WideRow<T>::plain(x[i]) > low;
            body(begin, end, above != 0);
        }
    }

    // A handful of candidates, the usual case, is not worth lanes.
    template <class N, class Term> SOFTFLOOR_INLINE N sum_of_candidates(Term term) const {
        if (count > 2 * lanes) return sum_of<N>(count, term);
        N sum = 0.0;
        for (size_t i = 0; i < count; ++i) sum = sum + term(i);
        return sum;
    }

    // Newton's method down to the threshold of the candidates, dropping those that it passes by more than slack.
    template <class N> N settled(N threshold, double tolerance, double slack) {
        for (bool done = false; !done;) {
            auto gap = [&](size_t i) {
                N g = threshold - depth(candidates[i], N());
                return select(head(g) > 0, g, N(0.0));
            };
            N sum = sum_of_candidates<N>([&](size_t i) { return Law::term(gap(i)); }), linear = 0.0;
            if constexpr (Law::curved) linear = sum_of_candidates<N>(gap);
            N step = Law::step(sum, linear, count, unit);
            threshold = threshold - step;
            size_t kept = 0;
            for (size_t i = 0; i < count; ++i) {
                double z = candidates[i];
                candidates[kept] = z;
                kept += head(threshold - depth(z, N())) > -slack * head(threshold);
            }
            done = kept == count && !(__builtin_fabs(head(step)) > tolerance * head(threshold));
            count = kept;
        }
        return threshold;
    }

    void write(T* out) {
        double reach = Law::reach * unit;
        for_each_block([&](size_t begin, size_t end, bool any) {
            if (!any) return;
            for (size_t i = begin; i < end; ++i) {
                double z = WideRow<T>::number(x[i]);
                candidates[count] = z;
                count += depth(z, 0.0) <= reach;  // rounded: what is equal here may be less
            }
        });
        // In double first, where entries near the threshold are kept for the pairs to decide. The tolerance stays above
        // the rounding errors of a sum over the row, so that the loop ends.
        double noise = double(n) * 0x1p-52;
        double rough = settled<double>(reach, 0x1p-40 + noise, 0x1p-32 + 4 * noise);
        Pair threshold = settled<Pair>(rough * (1.0 + 0x1p-36 + 4 * noise), 0x1p-48, 0.0);
        Pair inverse_unit = reciprocal(Pair(unit));
        for_each_block([&](size_t begin, size_t end, bool any) {
            if (!any) return for_each(end - begin, [&](size_t i) { out[begin + i] = T(0); });
            for_each(end - begin, [&](size_t i) {
                Pair gap = threshold - depth(WideRow<T>::number(x[begin + i]), Pair());
                Pair p = Law::probability(gap, inverse_unit);
                out[begin + i] = stored<T>(select(head(gap) > 0, p, Pair(0.0)));
            });
        });
    }
};

template <class Law> struct Sparse {  // (n),()->(n): logits, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        const T* x = static_cast<const T*>(in[0]);
        T* result = static_cast<T*>(out[0]);
        double maximum = maximum_of(n, [&](size_t i) { return WideRow<T>::plain(x[i]); });
        if (is_limit(x, result, n, maximum)) return;
        SparseRow<T, Law>(x, n, maximum, *static_cast<const double*>(in[1]), static_cast<double*>(scratch))
            .write(result);
    }
};
using Sparsemax = Sparse<SparsemaxLaw>;
using Entmax15 = Sparse<Entmax15Law>;

// sqrt(p), with the rounding error of the double result as the low part.
SOFTFLOOR_INLINE double square_root(double x) { return __builtin_sqrt(x); }
SOFTFLOOR_INLINE Pair square_root(Pair x) {
    // Scaled by an exact power of four: the residual of a subnormal p would be lost.
    bool small = x.hi < 0x1p-900;
    double p = small ? x.hi * 0x1p200 : x.hi, root = __builtin_sqrt(p);
    double rest = root > 0 ? __builtin_fma(-root, root, p) / (root + root) : 0.0;
    return times_power_of_two(Pair(root, rest), small ? 0x1p-100 : 1.0);
}

// s_i (c_i - sum s c / sum s) / T with s = p^0 on the support (sparsemax) or p^(1/2) (entmax15); 0 off the support,
// where the cotangent is not read.
struct EqualShares {
    template <class N> SOFTFLOOR_INLINE static N of(N) { return N(1.0); }
};
struct RootShares {
    template <class N> SOFTFLOOR_INLINE static N of(N p) { return square_root(p); }
};
template <class Shares> struct SparseVjp {  // (n),(n),()->(n): probabilities, cotangent, temperature
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void*) {
        using N = typename WideRow<T>::N;
        const T *p = static_cast<const T*>(in[0]), *c = static_cast<const T*>(in[1]);
        T* result = static_cast<T*>(out[0]);
        N inverse_temperature = inverse_of<N>(*static_cast<const double*>(in[2]));
        bool nan = any_nan(p, n);
        auto absent = [&](size_t i) { return WideRow<T>::number(p[i]) == 0; };
        auto share = [&](size_t i) { return Shares::of(Format<T>::load(p[i])); };
        double factor = 1.0;
        auto cotangent = [&](size_t i) { return times_power_of_two(Format<T>::load(c[i]), factor); };
        auto weigh = [&] {
            return sum_of<N>(n, [&](size_t i) { return select(absent(i), N(0.0), share(i) * cotangent(i)); });
        };
        N weighted = weigh();
        if (is_near_overflow(weighted)) factor = shrunk, weighted = weigh();
        N total = sum_of<N>(n, [&](size_t i) { return select(absent(i), N(0.0), share(i)); });
        N mean = nan ? N(__builtin_nan("")) : weighted * reciprocal(total);
        for_each(n, [&](size_t i) {
            N slope = enlarged(over(share(i) * (cotangent(i) - mean), inverse_temperature), 1 / factor);
            result[i] = Format<T>::store(select(absent(i) & !nan, N(0.0), slope));
        });
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
    // A tile of rows that lie side by side: the place of each first maximum (-1 where nothing exceeds -inf), and NaN.
    template <class T> static void tile(const Strided& x, const Strided& out, size_t n, size_t count) {
        using Plain = decltype(WideRow<T>::plain(T()));
        alignas(64) Plain maximum[most_read_again];
        alignas(64) int32_t place[most_read_again], nan[most_read_again];
        for (size_t j = 0; j < count; ++j) maximum[j] = -Plain(infinity), place[j] = -1, nan[j] = 0;
        for (size_t i = 0; i < n; ++i) {
            const T* from = reinterpret_cast<const T*>(x.at(0, i));
            ask_ahead<T>(x, 0, i, count);
            int32_t here = int32_t(i);
#pragma GCC ivdep
            for (size_t j = 0; j < count; ++j) {
                Plain value = WideRow<T>::plain(from[j]);
                place[j] = later_place(place[j], value > maximum[j], here);
                maximum[j] = value > maximum[j] ? value : maximum[j];
                nan[j] |= value != value;
            }
        }
        T one = Format<T>::store(1.0), zero = Format<T>::store(0.0), not_a_number = Format<T>::store(__builtin_nan(""));
        for (size_t i = 0; i < n; ++i) {
            T* to = reinterpret_cast<T*>(out.at(0, i));
            ask_ahead<T, true>(out, 0, i, count);
            int32_t here = int32_t(i);
#pragma GCC ivdep
            for (size_t j = 0; j < count; ++j) to[j] = nan[j] ? not_a_number : place[j] == here ? one : zero;
        }
    }
    template <class T> static size_t columns(const Strided* operands, size_t n, size_t count, ColumnScratch) {
        TileOrder order{count, true};
        TileOrder::Tile next = order.from(0);
        for (; next.count; next = order.from(next.next)) {
            TileOperands<2> some(operands, next);
            tile<T>(some.operands[0], some.operands[1], n, next.count);
        }
        return next.first;
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
