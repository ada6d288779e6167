// The cross-entropy of the sigmoid in float32 arithmetic, for weights of 1:
//   loss = a |z| + L,  L = log1p(e^-|z|),  a = 1 - y for z > 0, y otherwise;
// and for a label of 0 or 1, which is certain, with s = z, or -z where the label is 1:
//   loss = softplus(s) = max(s, 0) + L;   slope = sigmoid(s), with the sign of s / z.
// A label between them has a slope that cancels, for which float32 does not have the digits. L and sigmoid(-|z|) are
// looked up by pieces of |z| (math/pieces.hpp); far from 0, which is rare, two terms of e = e^-|z| are enough.
#pragma once
#include "../math/pieces.hpp"
#include "rows.hpp"

namespace softfloor {
namespace {

// Up to that |z| the error terms of e are normal numbers.
constexpr float single_binary_limit = 64.0f;

// Far from 0, from |z| = 12 on, L = e - e^2/2 and sigmoid(-|z|) = e - e^2: the next terms are below 2^-34 of e.
struct FarBinaryTerms {
    Sum<float> above;  // a |z|
    Sum<float> tail;   // e, of which the low part may be a twentieth
    float e;
    bool positive, up;  // of a certain label: which; s >= 0

    SOFTFLOOR_INLINE FarBinaryTerms(float logit, float label) {
        float size = __builtin_fabsf(logit), other = 1.0f - label, lost = (1.0f - other) - label;
        positive = label != 0;
        up = (positive ? -logit : logit) >= 0;
        above = times(Sum<float>{logit > 0 ? other : label, logit > 0 ? lost : 0.0f}, size);
        tail = times(exponential<80>(-size), 1.0f);
        e = tail.high + tail.low;
    }
    SOFTFLOOR_INLINE float loss() const {
        Sum<float> sum = error_free_sum(above.high, tail.high);
        return sum.high + (sum.low + (above.low + fma(-0.5f * e, e, tail.low)));
    }
    SOFTFLOOR_INLINE float slope(Sum<float> scale) const {
        Sum<float> small = {tail.high, fma(-e, e, tail.low)};
        float product = rounded_product<float>(select(up, Sum<float>{1.0f, -e}, small), scale);
        return positive ? -product : product;
    }
};

constexpr size_t binary_part = 512;  // entries that are taken together

template <bool has_slope>
[[gnu::noinline]] void far_binary(const float* z, const float* y, Sum<float> scale, float* loss, float* slope,
                                  size_t n) {
    for_each(n, [&](size_t i) {
        FarBinaryTerms terms(z[i], y[i]);
        loss[i] = terms.loss();
        if constexpr (has_slope) slope[i] = terms.slope(scale);
    });
}

// Up to a part; slopes of certain labels. From the first vector on that has an entry far from 0, all are computed by
// both texts.
template <bool has_slope, bool all_certain>
[[gnu::noinline]] void binary_in_lanes(const float* z, const float* y, Sum<float> scale, float* loss, float* slope,
                                       size_t n) {
    using namespace coefficients;
    constexpr float near = softplus_tail.end, nearer = first_half_of(softplus_tail);
    static_assert(near == 12 && near == sigmoid_tail.end && nearer == first_half_of(sigmoid_tail));
    float far_losses[binary_part], far_slopes[has_slope ? binary_part : 1];
    bool has_far = false;
    auto compute = [&]<class Index>(size_t i, size_t count) __attribute__((always_inline)) {
        Floats logits = load_lanes(z + i, count), labels = load_lanes(y + i, count), size = absolute(logits);
        Bits to_positive = (labels != 0) & INT32_MIN, s = Bits(logits) ^ to_positive;
        SignedSum tail = value_of<Index>(softplus_tail, size);
        Sum<Floats> above = {Floats(s > 0 ? s : Bits{}), Floats{}};
        if constexpr (!all_certain) {
            Floats other = 1.0f - labels, lost = (1.0f - other) - labels;
            Bits is_above = logits > 0;
            above = times(Sum<Floats>{select(is_above, other, labels), select(is_above, lost, Floats{})}, size);
        }
        Sum<Floats> sum = error_free_sum(above.high, tail.high);
        Floats losses = sum.high + (sum.low + (above.low + tail.low)), slopes = {};
        if constexpr (has_slope) {
            SignedSum part = one_less_above_zero(Floats(s), value_of<Index>(sigmoid_tail, size), 1.0f);
            Floats product = rounded_product<Floats>(Sum<Floats>{part.high, part.low}, lanes_of(scale));
            slopes = Floats(Bits(product) ^ to_positive);
        }
        if (any_beyond(Bits(size), near)) [[unlikely]] {
            if (!has_far) far_binary<has_slope>(z + i, y + i, scale, far_losses + i, far_slopes + i * has_slope, n - i);
            has_far = true;
            losses = select(size <= near, losses, load_lanes(far_losses + i, count));
            if constexpr (has_slope) slopes = select(size <= near, slopes, load_lanes(far_slopes + i, count));
        }
        store_lanes(loss + i, losses, count);
        if constexpr (has_slope) store_lanes(slope + i, slopes, count);
    };
    auto compute_all = [&]<class Index>(size_t i, size_t end) __attribute__((always_inline)) {
        for (; i + float_lanes <= end; i += float_lanes) compute.template operator()<Index>(i, float_lanes);
        if (i < end) compute.template operator()<Index>(i, end - i);
    };
    if constexpr (!has_shorter_look_ups) return compute_all.template operator()<Bits>(0, n);
    auto size = [&](size_t i, size_t count) { return Bits(absolute(load_lanes(z + i, count))); };
    for (size_t next, begin = 0; begin < n; begin = next) {
        next = n - begin < run_of_look_ups ? n : begin + run_of_look_ups;
        if (any_beyond(largest_of_run(begin, next, size), nearer)) compute_all.template operator()<Bits>(begin, next);
        else compute_all.template operator()<InFirstHalf>(begin, next);
    }
}

}  // namespace
}  // namespace softfloor
