// The exponential of softmax's rows in float32, 16 of which fill a 512-bit vector: e^(s x - M), with M near the row's
// maximum, without the rounding error of that difference, which for s x - M = -80 alone would cost 64 units of 2^-24.
//
//   k = round((s x - M) / ln 2),  r = s x - (M + k ln2_grid) - k ln2_rest,  e^(s x - M) = 2^k (1 + r + r^2 q(r))
//
// M and ln2_grid are multiples of 2^-15 and |M + k ln2_grid| < 2^9, so that the sum in brackets is exact. One fma takes
// s x minus that; it has at most 24 bits where |s x| >= 1/2, and loses 2^-26 otherwise. With q of degree 4 (error
// 2^-28), the roundings of r and of r + r^2 q add up to 2^-25.4, and the last fma rounds once: below 1.2 ulp.
#pragma once
#include "coefficients.hpp"
#include "lanes.hpp"

namespace softfloor {
namespace {

// Terms wait times 2^64: none that can matter in a float32 result is subnormal then.
constexpr int term_power = 64;
// Below e^-132.4 = 2^-191 a term is 0: 2^(k + 64) has the exponent field 0 there.
constexpr float vanishing = -132.3877f;  // -191 ln 2

// Of one row, or of rows side by side: X is float or Floats.
template <class X> struct ExponentialOf {
    X scale = number<X>(1.0f), scale_rest = {};  // s in two parts
    X middle = {};                               // M
    X shift = {}, unit = number<X>(1.0f);        // the general form takes (x - shift) unit for x
    X lowest = {};                               // below, terms vanish: (M + vanishing) / s

    // 2^64 e^(s x - M). Plain: s = 1 and shift = 0.
    template <bool plain> SOFTFLOOR_INLINE X term(X x) const {
        using namespace coefficients;
        // 1.5 * 2^23 pushes the fraction out; the low bits of shifted hold the exponent field of 2^(k + 64).
        constexpr float round_shift = 0x1.8p23f + 127.0f + float(term_power);
        if constexpr (!plain) x = (x - shift) * unit;
        x = x < lowest ? lowest : x;
        X distance = plain ? x - middle : fma(x, scale, -middle);
        X shifted = fma(distance, number<X>(In<float>::log2_e), number<X>(round_shift));
        X k = shifted - number<X>(round_shift);
        X start = fma(k, number<X>(ln2_grid), middle);
        X r = plain ? x - start : fma(x, scale_rest, fma(x, scale, -start));
        r = fma(-k, number<X>(ln2_rest), r);
        X square = r * r, q = polynomial(exp_float, r, square);
        X p = fma(square, q, r), power = power_of_exponent_bits(shifted);
        return fma(p, power, power);
    }

  private:
    SOFTFLOOR_INLINE static float power_of_exponent_bits(float x) { return bits_to_float(float_to_bits(x) << 23); }
    SOFTFLOOR_INLINE static Floats power_of_exponent_bits(Floats x) { return Floats(Bits(x) << 23); }
};
using RowExponential = ExponentialOf<float>;

// The limit where the maximum is infinite: entries of +inf share the mass, nothing else has any, NaN stays.
SOFTFLOOR_INLINE float infinite_term(float x) {
    return x != x ? x : x == __builtin_inff() ? bits_to_float(uint32_t(127 + term_power) << 23) : 0.0f;
}

}  // namespace
}  // namespace softfloor
