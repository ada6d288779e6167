// Between storage formats and the numbers that operations compute with. Each result is rounded once, to nearest even.
#pragma once
#include "number.hpp"

namespace softfloor {
namespace {

// Enumerations, not classes: the vectoriser takes them for the integers they are.
enum class Float16 : uint16_t {};
enum class Bfloat16 : uint16_t {};
// A float16 where kernels compute with it: read as the float32 of the same value, written as a float32 that still has
// to be rounded, to odd if it is not exact. Blocks of memory are converted apart (spread.hpp).
enum class SpreadFloat16 : uint32_t {};

// ---------------------------------------------- what the bits of a storage format mean
template <class T> struct Layout;
template <> struct Layout<Float16> {
    using Bits = uint16_t;
    static constexpr Bits one = 0x3c00u, infinity = 0x7c00u, quiet_nan = 0x7e00u;
};
template <> struct Layout<Bfloat16> {
    using Bits = uint16_t;
    static constexpr Bits one = 0x3f80u, infinity = 0x7f80u, quiet_nan = 0x7fc0u;
};
template <> struct Layout<float> {
    using Bits = uint32_t;
    static constexpr Bits one = 0x3f800000u, infinity = 0x7f800000u, quiet_nan = 0x7fc00000u;
};
template <> struct Layout<double> {
    using Bits = uint64_t;
    static constexpr Bits one = Bits(0x3ff) << 52, infinity = Bits(0x7ff) << 52, quiet_nan = Bits(0x7ff8) << 48;
};

SOFTFLOOR_INLINE float bits_to_float(uint32_t bits) {
    float x;
    __builtin_memcpy(&x, &bits, 4);
    return x;
}
SOFTFLOOR_INLINE constexpr uint32_t float_to_bits(float x) { return __builtin_bit_cast(uint32_t, x); }

// ---------------------------------------------- to float; float64 stays what it is
SOFTFLOOR_INLINE double widen(double x) { return x; }
SOFTFLOOR_INLINE float widen(float x) { return x; }
SOFTFLOOR_INLINE float widen(SpreadFloat16 x) { return bits_to_float(uint32_t(x)); }
SOFTFLOOR_INLINE float widen(Bfloat16 x) { return bits_to_float(uint32_t(x) << 16); }
SOFTFLOOR_INLINE float widen(Float16 x) {
    uint32_t sign = (uint32_t(x) & 0x8000u) << 16, rest = (uint32_t(x) & 0x7fffu) << 13;
    // Read as a float32, the exponent is 112 too small: one exact product repairs normal and subnormal numbers alike.
    float finite = bits_to_float(rest) * 0x1p112f;
    uint32_t special = rest | 0x7f800000u;
    return bits_to_float(sign | (rest >= 0x0f800000u ? special : float_to_bits(finite)));
}

// ---------------------------------------------- from double
// Rounding twice is harmless if the first step rounds to odd: what was dropped survives as a set last bit.
SOFTFLOOR_INLINE float round_to_odd(double x) {
    float nearest = float(x);
    double back = double(nearest);
    uint32_t bits = float_to_bits(nearest) - (__builtin_fabs(back) > __builtin_fabs(x) ? 1u : 0u);
    return bits_to_float(back == x ? bits : bits | 1u);
}

SOFTFLOOR_INLINE float round_to_odd(Sum<float> x) {
    float sum = x.high + x.low, error = x.low - (sum - x.high);
    uint32_t bits = float_to_bits(sum), inexact = error != 0 ? 1u : 0u;
    bits -= inexact & ((float_to_bits(error) ^ bits) >> 31);  // the sum is beyond: one step back
    return bits_to_float(bits | inexact);
}

template <class T> T narrow(float x);
template <> SOFTFLOOR_INLINE float narrow<float>(float x) { return x; }
template <> SOFTFLOOR_INLINE SpreadFloat16 narrow<SpreadFloat16>(float x) { return SpreadFloat16(float_to_bits(x)); }
template <> SOFTFLOOR_INLINE Bfloat16 narrow<Bfloat16>(float x) {
    uint32_t bits = float_to_bits(x);
    return Bfloat16((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
template <> SOFTFLOOR_INLINE Float16 narrow<Float16>(float x) {
    uint32_t sign = float_to_bits(x) >> 16 & 0x8000u, size = float_to_bits(x) & 0x7fffffffu;
    // Adding 1/2 leaves the units of 2^-24 of a subnormal half in the last bits, rounded by the addition.
    uint32_t subnormal = float_to_bits(bits_to_float(size) + 0.5f) - 0x3f000000u;
    uint32_t normal = (size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13;
    uint32_t result = size < 0x38800000u ? subnormal : size >= 0x47800000u ? 0x7c00u : normal;
    return Float16(sign | result);
}
template <class T> SOFTFLOOR_INLINE T narrow(double x) {
    if constexpr (__is_same(T, float) || __is_same(T, double)) return T(x);
    else return narrow<T>(round_to_odd(x));
}
SOFTFLOOR_INLINE double collapse(double x) { return x; }
SOFTFLOOR_INLINE double collapse(Pair x) { return x.lo != 0 ? x.hi + x.lo : x.hi; }

// The one NaN that is ever returned: which operand's payload survives differs between instruction sets.
SOFTFLOOR_INLINE float canonical(float x) { return x == x ? x : bits_to_float(Layout<float>::quiet_nan); }
SOFTFLOOR_INLINE double canonical(double x) { return x == x ? x : bits_to_double(int64_t(Layout<double>::quiet_nan)); }

// ---------------------------------------------- load and store, by storage format
template <class T> struct Format {  // float16, bfloat16, float32
    using Number = double;
    SOFTFLOOR_INLINE static double load(T x) { return double(widen(x)); }
    template <class Number> SOFTFLOOR_INLINE static T store(Number x) {  // float or double
        T rounded = narrow<T>(x);
        if constexpr (__is_same(T, float)) return canonical(rounded);
        else return x == x ? rounded : quiet_nan();
    }
    SOFTFLOOR_INLINE static T quiet_nan() {
        if constexpr (__is_same(T, SpreadFloat16)) return SpreadFloat16(Layout<float>::quiet_nan);
        else return T(Layout<T>::quiet_nan);
    }
};
template <> struct Format<double> {
    using Number = Pair;
    SOFTFLOOR_INLINE static Pair load(double x) { return {x}; }
    SOFTFLOOR_INLINE static double store(Pair x) { return canonical(collapse(x)); }
};

}  // namespace
}  // namespace softfloor
