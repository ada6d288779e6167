// Blocks of float16 to and from float32, by the processor's own instructions where it has them: the compiler vectorises
// no such conversion. Both ways give the same bits, subnormal numbers included.
#pragma once
#include "lanes.hpp"

namespace softfloor {
namespace {

constexpr size_t sixteen = 16;

// To and from memory of sixteen float32, by whatever name.
#if defined(__AVX512F__)
SOFTFLOOR_INLINE void spread_sixteen(const Float16* from, void* to) {
    _mm512_storeu_ps(to, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
}
SOFTFLOOR_INLINE void gather_sixteen(const void* from, Float16* to) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        _mm512_cvtps_ph(_mm512_loadu_ps(from), _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__F16C__)
SOFTFLOOR_INLINE void spread_sixteen(const Float16* from, void* to) {
    for (int half = 0; half < 2; ++half)
        _mm256_storeu_ps(static_cast<float*>(to) + 8 * half,
                         _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from) + half)));
}
SOFTFLOOR_INLINE void gather_sixteen(const void* from, Float16* to) {
    for (int half = 0; half < 2; ++half)
        _mm_storeu_si128(
            reinterpret_cast<__m128i*>(to) + half,
            _mm256_cvtps_ph(_mm256_loadu_ps(static_cast<const float*>(from) + 8 * half), _MM_FROUND_TO_NEAREST_INT));
}
#else
SOFTFLOOR_INLINE void spread_sixteen(const Float16* from, void* to) {
    float wide[sixteen];
    for (size_t j = 0; j < sixteen; ++j) wide[j] = widen(from[j]);
    __builtin_memcpy(to, wide, sizeof wide);
}
SOFTFLOOR_INLINE void gather_sixteen(const void* from, Float16* to) {
    float wide[sixteen];
    __builtin_memcpy(wide, from, sizeof wide);
    for (size_t j = 0; j < sixteen; ++j)
        to[j] = wide[j] == wide[j] ? narrow<Float16>(wide[j]) : Format<Float16>::quiet_nan();
}
#endif

// convert(i) for the sixteen from i on; the last, where there are fewer, together with some before them.
template <class Convert> SOFTFLOOR_INLINE void each_sixteen(size_t n, Convert convert) {
    for (size_t i = 0; i + sixteen <= n; i += sixteen) convert(i);
    if (n % sixteen) convert(n - sixteen);
}
inline void spread(const Float16* from, void* to, size_t n) {
    float* wide = static_cast<float*>(to);
    if (n >= sixteen) return each_sixteen(n, [=](size_t i) { spread_sixteen(from + i, wide + i); });
    Float16 padded[sixteen] = {};
    float all[sixteen];
    __builtin_memcpy(padded, from, n * sizeof(Float16));
    spread_sixteen(padded, all);
    __builtin_memcpy(to, all, n * sizeof(float));
}
inline void gather(const void* from, Float16* to, size_t n) {
    const float* wide = static_cast<const float*>(from);
    if (n >= sixteen) return each_sixteen(n, [=](size_t i) { gather_sixteen(wide + i, to + i); });
    float padded[sixteen] = {};
    Float16 all[sixteen];
    __builtin_memcpy(padded, from, n * sizeof(float));
    gather_sixteen(padded, all);
    __builtin_memcpy(to, all, n * sizeof(Float16));
}

template <class T> SOFTFLOOR_INLINE void widen_sixteen(const T* from, float* to) {
    if constexpr (__is_same(T, Float16)) return spread_sixteen(from, to);
#pragma GCC ivdep
#pragma GCC unroll 1  // unrolled, it would not be vectorised
    for (size_t j = 0; j < sixteen; ++j) to[j] = widen(from[j]);
}
template <class T> SOFTFLOOR_INLINE void widen_all(const T* from, float* to, size_t n) {
    if constexpr (__is_same(T, Float16)) return spread(from, to, n);
#pragma GCC ivdep
    for (size_t i = 0; i < n; ++i) to[i] = widen(from[i]);
}
// Entries as float32: in `room`, but for those that a loop widens as it goes.
template <class T> SOFTFLOOR_INLINE const T* spread_where_slow(const T* x, size_t, auto*) { return x; }
SOFTFLOOR_INLINE const float* spread_where_slow(const Float16* x, size_t n, float* room) {
    spread(x, room, n);
    return room;
}
// to[i] = result(i), rounded, of sixteen or n entries. What is written may be what results are made of, element by
// element.
template <class T, class Result> SOFTFLOOR_INLINE void narrow_sixteen(T* to, Result result) {
    alignas(64) float wide[sixteen];
    constexpr bool is_gathered = __is_same(T, Float16);
#pragma GCC ivdep
#pragma GCC unroll 1  // unrolled, it would not be vectorised
    for (size_t j = 0; j < sixteen; ++j) {
        if constexpr (is_gathered) wide[j] = result(j);
        else to[j] = narrow<T>(result(j));
    }
    if constexpr (is_gathered) gather_sixteen(wide, to);
}
template <class T, class Result> SOFTFLOOR_INLINE void narrow_each(T* to, size_t n, Result result) {
    if constexpr (__is_same(T, Float16)) {
        constexpr size_t block = 64;
        alignas(64) float wide[block];
        for (size_t begin = 0; begin < n; begin += block) {
            size_t count = n - begin < block ? n - begin : block;
#pragma GCC ivdep
            for (size_t j = 0; j < count; ++j) wide[j] = result(begin + j);
            gather(wide, to + begin, count);
        }
    } else {
#pragma GCC ivdep
        for (size_t i = 0; i < n; ++i) to[i] = narrow<T>(result(i));
    }
}

}  // namespace
}  // namespace softfloor
