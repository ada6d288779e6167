// softmin(z) = softmax(-z): rows that are held together are negated as they are read, others into their result, where
// softmax runs in place.
#pragma once
#include "row_vjps.hpp"

namespace softfloor {
namespace {

// Exact in every format; not arithmetic, so that a signalling NaN raises no flag.
SOFTFLOOR_INLINE Float16 negated(Float16 x) { return Float16(uint16_t(x) ^ 0x8000u); }
SOFTFLOOR_INLINE Bfloat16 negated(Bfloat16 x) { return Bfloat16(uint16_t(x) ^ 0x8000u); }
SOFTFLOOR_INLINE float negated(float x) { return -x; }
SOFTFLOOR_INLINE double negated(double x) { return -x; }

struct Softmin {  // (n),()->(n): logits, temperature
    template <class T> static void batch(const Strided* operands, size_t n, size_t count, void* scratch) {
        for (size_t k = 0; k < count; ++k) {
            const T* x = reinterpret_cast<const T*>(operands[0].at(k, 0));
            T* result = reinterpret_cast<T*>(operands[2].at(k, 0));
            for_each(n, [&](size_t i) { result[i] = negated(x[i]); });
        }
        const Strided negative[] = {operands[2], operands[1], operands[2]};
        Softmax::batch<T>(negative, n, count, scratch);
    }
    template <class Rows> static bool together(Rows& all, const Strided* operands, size_t n, size_t count) {
        return Softmax::together<true>(all, operands, n, count);
    }
};

struct SoftminVjp {  // (n),(n),()->(n): probabilities, cotangent, temperature.  -p (c - sum p c) / T
    template <class T> static void run(const void* const* in, void* const* out, size_t n, void* scratch) {
        SoftmaxVjp::run<T>(in, out, n, scratch);
        T* result = static_cast<T*>(out[0]);
        for_each(n, [&](size_t i) { result[i] = negated(result[i]); });
    }
    template <class T> SOFTFLOOR_INLINE static auto summand(T p, T c) { return SoftmaxVjp::summand(p, c); }
    // As integers: GCC makes -fma(a, b, -c) into fma(-a, b, c), a zero of the other sign where the two cancel.
    SOFTFLOOR_INLINE static float slope(float p, float c, Sum<float> mean) {
        return bits_to_float(float_to_bits(SoftmaxVjp::slope(p, c, mean)) ^ 0x80000000u);
    }
    static bool covers_sum(Pair mean) { return SoftmaxVjp::covers_sum(mean); }
    SOFTFLOOR_INLINE static auto slope(double p, double c, auto mean) { return SoftmaxVjp::slope(p, c, mean); }
    template <class T> SOFTFLOOR_INLINE static T finished(T slope) { return negated(slope); }
};

}  // namespace
}  // namespace softfloor
