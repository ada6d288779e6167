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
SOFTFLOOR_INLINE Floats absolute(Floats x) { return Floats(Bits(x) & 0x7fffffff); }
SOFTFLOOR_INLINE Floats with_sign(Floats size, Floats x) { return Floats(Bits(size) | (Bits(x) & INT32_MIN)); }
SOFTFLOOR_INLINE Floats canonical(Floats x) { return x == x ? x : Floats(Bits{} + int32_t(Layout<float>::quiet_nan)); }

// A table of eight numbers, as often as a register has room for it.
template <class Scalar> struct Eight {
    alignas(register_bytes) Scalar numbers[float_lanes];

    template <class... Eighth> constexpr Eight(Eighth... each) : numbers{} {
        static_assert(sizeof...(each) == 8);
        const Scalar table[] = {each...};
        for (size_t j = 0; j < float_lanes; ++j) numbers[j] = table[j % 8];
    }
};
// table[index mod 8] per lane: one permutation. AVX2 has none of more than eight numbers.
template <class Scalar>
SOFTFLOOR_INLINE typename VectorOf<Scalar, float_lanes>::Type looked_up(const Eight<Scalar>& table, Bits index) {
    typename VectorOf<Scalar, float_lanes>::Type all;
    __builtin_memcpy(&all, table.numbers, sizeof all);
    return __builtin_shuffle(all, index);
}
// A polynomial of coefficients that are looked up. The last two terms are added one by one, for their rounding errors
// count; the others in pairs, for steps that wait for each other are long.
template <int count>
SOFTFLOOR_INLINE Floats looked_up_polynomial(const Eight<float> (&tables)[count], Bits index, Floats x, Floats square) {
    Floats result = looked_up(tables[count - 1], index);
    constexpr int paired = (count - 1) / 2 * 2;
    if (paired < count - 1) result = fma(result, x, looked_up(tables[paired], index));
#pragma GCC unroll 16
    for (int k = paired - 2; k >= 2; k -= 2)
        result = fma(result, square, fma(looked_up(tables[k + 1], index), x, looked_up(tables[k], index)));
    result = fma(result, x, looked_up(tables[1], index));
    return fma(result, x, looked_up(tables[0], index));
}

}  // namespace
}  // namespace softfloor
