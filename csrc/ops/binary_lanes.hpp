// The cross-entropy of the sigmoid in float32 arithmetic, for weights of 1 and a label of 0 or 1. With s = z, or -z
// where the label is 1:
//   loss = softplus(s) = max(s, 0) + L,  L = log1p(e^-|z|);   slope = sigmoid(s), with the sign of s / z.
// A label between them has a slope that cancels, for which float32 does not have the digits. L and sigmoid(-|z|) are
// looked up by pieces of |z| (math/pieces.hpp); far from 0, which is rare, they come from e = e^-|z|.
#pragma once
#include "../math/pieces.hpp"

namespace softfloor {
namespace {

// Any |z| up to the limit. L = 2 atanh(u), u = e/(2 + e) <= 1/3.
struct SingleBinaryTerms {
    float above;        // max(s, 0)
    Sum<float> tail;    // e
    bool positive, up;  // the label; s >= 0

    // The error terms of e are normal numbers up to there.
    static constexpr float limit = 64.0f;
    template <class T> SOFTFLOOR_INLINE static bool covers(T logit, T label, double positive_weight, double weight) {
        float y = widen(label);
        float size = (y == 0) | (y == 1) ? __builtin_fabsf(widen(logit)) : __builtin_inff();
        return (size <= limit) & (positive_weight == 1) & (weight == 1);
    }
    SOFTFLOOR_INLINE SingleBinaryTerms(float logit, float label) {
        positive = label != 0;
        float s = positive ? -logit : logit;
        up = s >= 0;
        above = up ? s : 0.0f;
        tail = times(exponential<80>(-__builtin_fabsf(logit)), 1.0f);
    }
    SOFTFLOOR_INLINE Sum<float> plus_tail(float whole) const {  // whole > e
        float high = whole + tail.high;
        return {high, (tail.high - (high - whole)) + tail.low};
    }
    SOFTFLOOR_INLINE float loss() const {
        // 2 atanh(u) = 2 u + u^3 (2/3 + 2/5 u^2 + ...); what is left out is below 2^-29 of it.
        constexpr float series[] = {2.0f / 3, 2.0f / 5, 2.0f / 7, 2.0f / 9, 2.0f / 11, 2.0f / 13, 2.0f / 15};
        Sum<float> u = divide(tail, plus_tail(2.0f)).pair();
        float square = u.high * u.high, cubic = u.high * square * polynomial(series, square);
        Sum<float> sum = error_free_sum(above, 2.0f * u.high);
        return sum.high + (sum.low + (2.0f * u.low + cubic));
    }
    SOFTFLOOR_INLINE float slope(Sum<float> scale) const {
        Sum<float> size = divide(select(up, Sum<float>{1.0f, 0.0f}, tail), plus_tail(1.0f)).pair();
        float product = fma(size.high, scale.high, fma(size.high, scale.low, size.low * scale.high));
        return positive ? -product : product;
    }
};

// The vector from there on, by the text for any |z|.
[[gnu::noinline]] inline void far_binary(const float* z, const float* y, Sum<float> scale, float* loss, float* slope) {
    for (size_t i = 0; i < float_lanes; ++i) {
        SingleBinaryTerms terms(z[i], y[i]);
        loss[i] = terms.loss();
        slope[i] = terms.slope(scale);
    }
}

template <bool has_slope>
SOFTFLOOR_INLINE void binary_in_lanes(const float* z, const float* y, Sum<float> scale, float* loss, float* slope,
                                      size_t n) {
    constexpr float near = coefficients::softplus_tail.end;
    static_assert(near == coefficients::sigmoid_tail.end);
    auto compute = [&](size_t i, size_t count) __attribute__((always_inline)) {
        Floats logits = {}, labels = {};
        __builtin_memcpy(&logits, z + i, count * sizeof(float));
        __builtin_memcpy(&labels, y + i, count * sizeof(float));
        Floats size = absolute(logits);
        Bits to_positive = (labels != 0) & INT32_MIN, s = Bits(logits) ^ to_positive;
        SignedSum tail = value_of(coefficients::softplus_tail, size);
        Floats above = Floats(s > 0 ? s : Bits{}), sum = above + tail.high;
        Floats larger = above > tail.high ? above : tail.high, smaller = above > tail.high ? tail.high : above;
        Floats losses = sum + ((smaller - (sum - larger)) + tail.low), slopes = {};
        if constexpr (has_slope) {
            SignedSum part = one_less_above_zero(Floats(s), value_of(coefficients::sigmoid_tail, size), 1.0f);
            Floats product = fma(part.high, lanes_of(scale.high),
                                 fma(part.high, lanes_of(scale.low), part.low * lanes_of(scale.high)));
            slopes = Floats(Bits(product) ^ to_positive);
        }
        if (any_beyond(Bits(size), near)) [[unlikely]] {
            Floats far_losses, far_slopes;
            far_binary(reinterpret_cast<const float*>(&logits), reinterpret_cast<const float*>(&labels), scale,
                       reinterpret_cast<float*>(&far_losses), reinterpret_cast<float*>(&far_slopes));
            losses = select(size <= near, losses, far_losses);
            if constexpr (has_slope) slopes = select(size <= near, slopes, far_slopes);
        }
        __builtin_memcpy(loss + i, &losses, count * sizeof(float));
        if constexpr (has_slope) __builtin_memcpy(slope + i, &slopes, count * sizeof(float));
    };
    size_t i = 0;
    for (; i + float_lanes <= n; i += float_lanes) compute(i, float_lanes);
    if (i < n) compute(i, n - i);
}

}  // namespace
}  // namespace softfloor
