// Blocks of float16 to and from float32, by the processor's own instructions where it has them: the compiler vectorises
// no such conversion. Both ways give the same bits, subnormal numbers included.
#pragma once
#include "narrow.hpp"

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace softfloor {
namespace {

inline void spread(const Float16* from, SpreadFloat16* to, size_t n) {
    size_t i = 0;
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(to + i, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i))));
#elif defined(__F16C__)
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(reinterpret_cast<float*>(to + i),
                         _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
#endif
    for (; i < n; ++i) to[i] = SpreadFloat16(float_to_bits(widen(from[i])));
}

inline void gather(const SpreadFloat16* from, Float16* to, size_t n) {
    size_t i = 0;
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i),
                            _mm512_cvtps_ph(_mm512_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
#elif defined(__F16C__)
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128(
            reinterpret_cast<__m128i*>(to + i),
            _mm256_cvtps_ph(_mm256_loadu_ps(reinterpret_cast<const float*>(from + i)), _MM_FROUND_TO_NEAREST_INT));
#endif
    for (; i < n; ++i) {
        float x = widen(from[i]);
        to[i] = x == x ? narrow<Float16>(x) : Format<Float16>::quiet_nan();
    }
}

}  // namespace
}  // namespace softfloor
