// Vectors written out, where the vectoriser does not do it: to fold lanes (ops/folds.hpp) and to look numbers up in a
// register.
#pragma once
#include "narrow.hpp"

#if defined(__FMA__)
#include <immintrin.h>
#endif

namespace softfloor {
namespace {

#if defined(__AVX512F__)
constexpr size_t register_bytes = 64;
#else
constexpr size_t register_bytes = 32;  // narrower registers take a vector in parts
#endif

template <class Scalar, size_t count> struct VectorOf {
    typedef Scalar Type __attribute__((vector_size(count * sizeof(Scalar))));
};

constexpr size_t float_lanes = register_bytes / sizeof(float);
using Floats = VectorOf<float, float_lanes>::Type;
using Bits = VectorOf<int32_t, float_lanes>::Type;

// The same number in every lane.
SOFTFLOOR_INLINE Floats lanes_of(float x) { return Floats{} + x; }
SOFTFLOOR_INLINE Sum<Floats> lanes_of(Sum<float> x) { return {lanes_of(x.high), lanes_of(x.low)}; }

SOFTFLOOR_INLINE Bits larger(Bits a, Bits b) { return a > b ? a : b; }
SOFTFLOOR_INLINE Floats select(Bits condition, Floats yes, Floats no) { return condition ? yes : no; }

// The number type of which Real is one or has several, and a number as a Real.
template <class Real> struct ElementOf {
    using Type = Real;
};
template <> struct ElementOf<Floats> {
    using Type = float;
};
template <class Real> using Element = typename ElementOf<Real>::Type;
template <class Real> SOFTFLOOR_INLINE Real number(Element<Real> x) {
    if constexpr (__is_same(Real, Floats)) return lanes_of(x);
    else return x;
}

// Bounds let NaN through: the instructions return their second operand then.
#if defined(__AVX512F__)
SOFTFLOOR_INLINE Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
SOFTFLOOR_INLINE Floats at_most(Floats x, float limit) { return _mm512_min_ps(_mm512_set1_ps(limit), x); }
SOFTFLOOR_INLINE Floats at_least(Floats x, float limit) { return _mm512_max_ps(_mm512_set1_ps(limit), x); }
#elif defined(__FMA__)
SOFTFLOOR_INLINE Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
SOFTFLOOR_INLINE Floats at_most(Floats x, float limit) { return _mm256_min_ps(_mm256_set1_ps(limit), x); }
SOFTFLOOR_INLINE Floats at_least(Floats x, float limit) { return _mm256_max_ps(_mm256_set1_ps(limit), x); }
#else
SOFTFLOOR_INLINE Floats fma(Floats a, Floats b, Floats c) {
    for (size_t j = 0; j < float_lanes; ++j) a[j] = __builtin_fmaf(a[j], b[j], c[j]);
    return a;
}
SOFTFLOOR_INLINE Floats at_most(Floats x, float limit) { return limit < x ? Floats{} + limit : x; }
SOFTFLOOR_INLINE Floats at_least(Floats x, float limit) { return limit > x ? Floats{} + limit : x; }
#endif
// Lanes beyond count are 0, and are not written.
SOFTFLOOR_INLINE Floats load_lanes(const float* from, size_t count = float_lanes) {
    Floats x = {};
    __builtin_memcpy(&x, from, count * sizeof(float));
    return x;
}
SOFTFLOOR_INLINE void store_lanes(float* to, Floats x, size_t count = float_lanes) {
    __builtin_memcpy(to, &x, count * sizeof(float));
}

// As polynomial() of one number in pairs of terms, whose text does not see the fma of vectors above.
template <int count> SOFTFLOOR_INLINE Floats polynomial(const float* c, Floats x, Floats square) {
    if constexpr (count == 1) return lanes_of(c[0]);
    else if constexpr (count == 2) return fma(lanes_of(c[1]), x, lanes_of(c[0]));
    else return fma(polynomial<count - 2>(c + 2, x, square), square, fma(lanes_of(c[1]), x, lanes_of(c[0])));
}
template <int count> SOFTFLOOR_INLINE Floats polynomial(const float (&c)[count], Floats x, Floats square) {
    return polynomial<count>(&c[0], x, square);
}

// Whether any number is larger than the limit, or NaN.
SOFTFLOOR_INLINE bool any_beyond(Bits sizes, float limit) {
#if defined(__AVX512F__)
    return _mm512_cmpgt_epi32_mask(__m512i(sizes), __m512i(lanes_of(limit)));
#else
    Bits beyond = sizes > Bits(lanes_of(limit));
#if defined(__AVX2__)
    return !_mm256_testz_si256(__m256i(beyond), __m256i(beyond));
#else
    int32_t any = 0;
    for (size_t j = 0; j < float_lanes; ++j) any |= beyond[j];
    return any;
#endif
#endif
}
SOFTFLOOR_INLINE Floats absolute(Floats x) { return Floats(Bits(x) & 0x7fffffff); }
SOFTFLOOR_INLINE Floats with_sign(Floats size, Floats x) { return Floats(Bits(size) | (Bits(x) & INT32_MIN)); }
SOFTFLOOR_INLINE Floats canonical(Floats x) { return x == x ? x : Floats(Bits{} + int32_t(Layout<float>::quiet_nan)); }

// A table of eight or sixteen numbers, as often as a register has room for it.
template <class Scalar, size_t count> struct Table {
    alignas(register_bytes) Scalar numbers[count < float_lanes ? float_lanes : count];

    template <class... Each> constexpr Table(Each... each) : numbers{} {
        static_assert(sizeof...(each) == count);
        const Scalar table[] = {each...};
        for (size_t j = 0; j < sizeof numbers / sizeof *numbers; ++j) numbers[j] = table[j % count];
    }
};
template <class Scalar> using Eight = Table<Scalar, 8>;

// Keeps the compiler from loading x in the instruction that permutes it, which takes longer on processors with AVX2.
SOFTFLOOR_INLINE void load_apart([[maybe_unused]] auto& x) {
#if defined(__AVX2__) && !defined(__AVX512F__)
    asm("" : "+x"(x));
#endif
}
// table[index mod count] per lane: one permutation. AVX2 has none of more than eight numbers, and takes two of them and
// a choice for sixteen.
template <class Scalar, size_t count>
SOFTFLOOR_INLINE typename VectorOf<Scalar, float_lanes>::Type looked_up(const Table<Scalar, count>& table, Bits index) {
    typename VectorOf<Scalar, float_lanes>::Type first, second;
    __builtin_memcpy(&first, table.numbers, sizeof first);
    load_apart(first);
    if constexpr (count <= float_lanes) return __builtin_shuffle(first, index);
    else {
        __builtin_memcpy(&second, table.numbers + float_lanes, sizeof second);
        load_apart(second);
#if defined(__AVX2__)
        __m256 low = __m256(__builtin_shuffle(first, index)), high = __m256(__builtin_shuffle(second, index));
        return __builtin_bit_cast(decltype(first), _mm256_blendv_ps(low, high, __m256(index << 28)));
#else
        return __builtin_shuffle(first, second, index);
#endif
    }
}

// An index of the first eight numbers of sixteen, for which AVX2 needs one permutation and no choice.
struct InFirstHalf {
    Bits index;
};
constexpr bool has_shorter_look_ups = float_lanes == 8;
SOFTFLOOR_INLINE Floats looked_up(const Table<float, 16>& table, InFirstHalf at) {
    Floats first;
    __builtin_memcpy(&first, table.numbers, sizeof first);
    load_apart(first);
    return __builtin_shuffle(first, at.index);
}
// A polynomial of coefficients that are looked up, from table `first` on. The last two terms are added one by one, for
// their rounding errors count; the others in pairs, for steps that wait for each other are long.
template <int first = 0, int count, size_t pieces, class Index>
SOFTFLOOR_INLINE Floats looked_up_polynomial(const Table<float, pieces> (&tables)[count], Index index, Floats x,
                                             Floats square) {
    Floats result = looked_up(tables[count - 1], index);
    constexpr int paired = first + (count - 1 - first) / 2 * 2;
    if (paired < count - 1) result = fma(result, x, looked_up(tables[paired], index));
#pragma GCC unroll 16
    for (int k = paired - 2; k >= first + 2; k -= 2)
        result = fma(result, square, fma(looked_up(tables[k + 1], index), x, looked_up(tables[k], index)));
    result = fma(result, x, looked_up(tables[first + 1], index));
    return fma(result, x, looked_up(tables[first], index));
}

}  // namespace
}  // namespace softfloor
