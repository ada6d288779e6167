// Cross-entropy of the sigmoid of one entry: weight * ((1 - y) softplus(z) + positive y softplus(-z)).
//
// softplus(+-z) = max(+-z, 0) + log1p(e^-|z|), so both terms are sums of numbers >= 0, and so is the loss: nothing
// cancels whatever the label. The slope weight * ((1 - y) sigmoid(z) - positive y sigmoid(-z)) is a difference.
//
// With t = |z|, e = e^-t, and the weights `with` of the term that has max = t, `without` of the other:
//   loss = with t + (with + without) log1p(e);   slope = +-(with - without e)/(1 + e), - where z <= 0.
#pragma once
#include "../math/exp.hpp"
#include "../math/narrow.hpp"

namespace softfloor {
namespace {

// log(1 + s) for s in [0, 1] as 2 atanh(u), of (1 + s)/2 above sqrt(2) - 1: log1p_of with k = 0 or 1, which vectorises.
constexpr double halved_from = 0x1.a827999fcef32p-2;
SOFTFLOOR_INLINE double log1p_of_fraction(double s) {
    bool above = s > halved_from;
    double u = (above ? s - 1.0 : s) / (above ? s + 3.0 : s + 2.0);
    constexpr double atanh_series[] = {1.0, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17};
    return __builtin_fma(2.0 * u, polynomial(atanh_series, u * u), above ? coefficients::In<double>::ln2.high : 0.0);
}
// The same as a pair, relative error below 2^-57: u as a pair; its third power and those above come to at most a
// hundredth, and are computed in double.
SOFTFLOOR_INLINE Pair log1p_of_fraction(Pair s) {
    bool above = s.hi > halved_from;
    Pair n = fast_two_sum(above ? -1.0 : 0.0, s.hi), d = fast_two_sum(above ? 3.0 : 2.0, s.hi);
    n.lo += s.lo;
    d.lo += s.lo;
    double reciprocal = 1.0 / d.hi, u = n.hi * reciprocal;
    double rest = (__builtin_fma(-u, d.hi, n.hi) + __builtin_fma(-u, d.lo, n.lo)) * reciprocal;
    constexpr double atanh_series[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11, 2.0 / 13,
                                       2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23};
    double square = u * u, others = u * square * polynomial(atanh_series, square, square * square);
    constexpr auto ln2 = coefficients::In<double>::ln2;
    Pair sum = fast_two_sum(above ? ln2.high : 0.0, 2.0 * u);
    return fast_two_sum(sum.hi, sum.lo + __builtin_fma(2.0, rest, (above ? ln2.low : 0.0) + others));
}

// Losses and slopes of float32 and the half precisions, in double.
template <class T> struct BinaryTerms {
    double with, without;  // the weights, label included
    double size, tail;     // |z| made finite; e^-|z|
    bool above, infinite, number;

    SOFTFLOOR_INLINE BinaryTerms(T logit, T label, double positive_weight, double weight) {
        double y = Format<T>::load(label), z = Format<T>::load(logit);
        double negative = (1.0 - y) * weight, positive = y * (positive_weight * weight);
        above = z > 0;
        with = above ? negative : positive;
        without = above ? positive : negative;
        number = z == z;
        size = finite(absolute(z));
        infinite = __builtin_fabs(z) == infinity;
        tail = exponential_of_minus(size).value;
    }
    SOFTFLOOR_INLINE T stored(double x) const { return Format<T>::store(number ? x : __builtin_nan("")); }
    SOFTFLOOR_INLINE T loss() const {
        double sum = with * size + (with + without) * log1p_of_fraction(tail);
        return stored(infinite & (with != 0) ? infinity : sum);
    }
    SOFTFLOOR_INLINE T slope(double scale) const {
        double large = 1.0 / (1.0 + tail), its = with * large, other = without * (tail * large);
        return stored(((above ? its : other) - (above ? other : its)) * scale);  // a zero is +0
    }
};

// Those of float64, in open sums and products.
template <> struct BinaryTerms<double> {
    Pair with, without, tail;  // the tail times 2^lift
    double size;
    bool above, infinite, number;
    bool alone;  // the loss is a multiple of the tail, which may be subnormal: it is lifted until the end

    static constexpr double lift = 600.0;

    SOFTFLOOR_INLINE BinaryTerms(double z, double y, double positive_weight, double weight) {
        Pair negative = open_product(fast_two_sum(1.0, -y), weight),
             positive = open_product(two_product(y, positive_weight), weight);
        above = z > 0;
        with = select(above, negative, positive);
        without = select(above, positive, negative);
        number = z == z;
        // By bits: GCC would make a branch of it that exponential_of_minus takes, too, and not vectorise that.
        infinite = double_to_bits(absolute(z)) == double_to_bits(infinity);
        size = infinite ? 0.0 : absolute(z);
        auto e = exponential_of_minus(Pair(absolute(z)));
        alone = (size > lift) & (with.hi == 0);
        tail = apply(Scaled<Pair>{e.mantissa, {e.power.exponent + (alone ? lift : 0.0)}});
    }
    SOFTFLOOR_INLINE double stored(double x) const {
        return canonical((number ? x : __builtin_nan("")) * (alone ? 0x1p-600 : 1.0));
    }
    SOFTFLOOR_INLINE double loss() const {
        Pair rest = log1p_of_fraction(tail);  // of a lifted tail, below 2^-200, it is the tail itself
        double plain = with.hi * size,
               total = collapse(open_sum(open_product(with, size), open_product(open_sum(with, without), rest)));
        // Beyond the largest float64 a pair turns NaN where the plain product is infinite.
        total = plain > 0x1p1000 ? plain : total;
        return stored(infinite & (with.hi != 0) ? infinity : total);
    }
    SOFTFLOOR_INLINE double slope(double scale) const {
        Pair divisor = fast_two_sum(1.0, alone ? 0.0 : tail.hi);
        divisor.lo += alone ? 0.0 : tail.lo;
        Pair large = reciprocal(divisor), small = open_product(tail, large);
        Pair its = open_product(with, large), other = open_product(without, small);
        Pair difference = open_sum(select(above, its, other), -select(above, other, its));  // a zero is +0
        return stored(collapse(open_product(difference, scale)));
    }
};

}  // namespace
}  // namespace softfloor
