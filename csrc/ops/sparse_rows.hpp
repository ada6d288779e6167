// sparsemax and entmax15 on one contiguous row.
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
// Rows in parts of as many entries as there are lanes, as far as they have any for which is_it(i): blocks that have
// none as a whole are passed, and which parts of others have none is told without a branch.
constexpr size_t search_part = lanes;
template <class Predicate> SOFTFLOOR_INLINE bool any_of(size_t begin, size_t end, Predicate is_it) {
    uint32_t found = 0;
    for (size_t i = begin; i < end; ++i) found += is_it(i);
    return found != 0;
}
// As one, where most parts have some, or there are less than `least` entries.
struct Parts {
    size_t n, count = 0;
    size_t* begins;

    // room: for n numbers of 8 bytes, of which `count` remain taken.
    template <class Predicate>
    Parts(size_t length, void* room, Predicate is_it, size_t least = 0)
        : n(length), begins(static_cast<size_t*>(room)) {
        for (size_t begin = 0; begin < n && n >= least; begin += search_block) {
            size_t end = n - begin < search_block ? n : begin + search_block;
            if (!any_of(begin, end, is_it)) continue;
            for (size_t from = begin; from < end; from += search_part) {
                begins[count] = from;
                count += any_of(from, end - from < search_part ? end : from + search_part, is_it);
            }
        }
        if (n < least || 2 * count * search_part > n) begins = nullptr, count = 0;
    }
    // body(begin, end, whether there is any in between), in order.
    template <class Body> SOFTFLOOR_INLINE void each(Body body) const {
        if (!begins) return body(0, n, true);
        size_t before = 0;
        for (size_t k = 0; k < count; ++k) {
            size_t begin = begins[k], end = n - begin < search_part ? n : begin + search_part;
            if (before < begin) body(before, begin, false);
            body(begin, end, true);
            before = end;
        }
        if (before < n) body(before, n, false);
    }
};
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
    double* candidates;  // the logits that may be in the support; the first count of them are left
    double maximum;
    decltype(WideRow<T>::plain(T())) low;  // no logit up to low is in the support
    double unit;                           // the temperature over the power of two that brings it into [1, 2)
    double before, first, second;          // exact factors that do the same to a difference of logits

    SparseRow(const T* row, size_t length, double largest_logit, double temperature, double* scratch)
        : x(row), n(length), candidates(scratch), maximum(largest_logit) {
        double bound = maximum - Law::reach * temperature * (1.0 + 0x1p-40) - __builtin_fabs(maximum) * 0x1p-50;
        // Rounded down.
        if constexpr (sizeof(low) == 8) low = bound - __builtin_fabs(bound) * 0x1p-50;
        else low = float(bound - __builtin_fabs(bound) * 0x1p-22 - 0x1p-148);
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

    // The threshold of the candidates there are.
    Pair threshold() {
        size_t kept = 0;
        double deepest = Law::reach * unit;
        for (size_t i = 0; i < count; ++i) {
            double z = candidates[i];
            candidates[kept] = z;
            kept += depth(z, 0.0) <= deepest;  // rounded: what is equal here may be less
        }
        count = kept;
        // In double first, where entries near the threshold are kept for the pairs to decide. The tolerance stays above
        // the rounding errors of a sum over the row, so that the loop ends.
        double noise = double(n) * 0x1p-52;
        double rough = settled<double>(deepest, 0x1p-40 + noise, 0x1p-32 + 4 * noise);
        return settled<Pair>(rough * (1.0 + 0x1p-36 + 4 * noise), 0x1p-48, 0.0);
    }
    SOFTFLOOR_INLINE T probability(double z, Pair threshold, Pair inverse_unit) const {
        Pair gap = threshold - depth(z, Pair()), p = Law::probability(gap, inverse_unit);
        return stored<T>(select(head(gap) > 0, p, Pair(0.0)));
    }

    void write(T* out) {
        const Parts parts(n, candidates, [&](size_t i) { return WideRow<T>::plain(x[i]) > low; });
        candidates += parts.count;
        parts.each([&](size_t begin, size_t end, bool any) {
            for (size_t i = begin; any && i < end; ++i) {
                double z = WideRow<T>::number(x[i]);
                candidates[count] = z;
                count += z > low;
            }
        });
        Pair v = threshold(), inverse_unit = reciprocal(Pair(unit));
        parts.each([&](size_t begin, size_t end, bool any) {
            if (!any) return for_each(end - begin, [&](size_t i) { out[begin + i] = T(0); });
            for_each(end - begin, [&](size_t i) {
                out[begin + i] = probability(WideRow<T>::number(x[begin + i]), v, inverse_unit);
            });
        });
    }
};

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

}  // namespace
}  // namespace softfloor
