// relu(x) = max(0, x); slope 0 at the kink x = 0. Exact in the result's own format, so nothing is widened.
#pragma once
#include "../math/narrow.hpp"

namespace softfloor {
namespace {

struct Relu {
    static constexpr bool exact = true;
    template <class T> struct Values {
        T value, slope;
    };

    // As a factor of products.
    template <class T> SOFTFLOOR_INLINE static Values<T> at(T x) {
        // Both comparisons are false for NaN, which then passes through; -0.0 is kept.
        T one_or_nan = x > 0 ? T(1) : x;
        return {x < 0 ? T(0) : x, x <= 0 ? T(0) : one_or_nan};
    }

    // As a result: on the bits, in lanes as narrow as the format. Bits of numbers order as their sizes do.
    template <class T> SOFTFLOOR_INLINE static Values<T> result(T x) {
        using Its = Layout<T>;
        using Bits = typename Its::Bits;
        Bits bits = __builtin_bit_cast(Bits, x);
        bool is_nan = size(bits) > Its::infinity;
        Bits value = bits > sign<Bits> ? Bits(0) : bits, slope = is_positive(bits) ? Its::one : Bits(0);
        return {__builtin_bit_cast(T, is_nan ? Its::quiet_nan : value),
                __builtin_bit_cast(T, is_nan ? Its::quiet_nan : slope)};
    }
    // slope * cotangent: the cotangent, or a zero with its sign; 0 * inf is NaN. Where nothing has to be widened for
    // it, the product is cheaper.
    SOFTFLOOR_INLINE static float vjp(float x, float cotangent) { return canonical(at(x).slope * cotangent); }
    SOFTFLOOR_INLINE static double vjp(double x, double cotangent) { return canonical(at(x).slope * cotangent); }
    template <class T> SOFTFLOOR_INLINE static T vjp(T x, T cotangent) {
        using Its = Layout<T>;
        using Bits = typename Its::Bits;
        Bits bits = __builtin_bit_cast(Bits, x), factor = __builtin_bit_cast(Bits, cotangent);
        bool positive = is_positive(bits);
        Bits largest = positive ? Its::infinity : Bits(Its::infinity - 1);
        Bits product = positive ? factor : Bits(factor & sign<Bits>);
        product = size(factor) > largest ? Its::quiet_nan : product;
        return __builtin_bit_cast(T, size(bits) > Its::infinity ? Its::quiet_nan : product);
    }

  private:
    template <class Bits> static constexpr Bits sign = Bits(Bits(1) << (8 * sizeof(Bits) - 1));
    template <class Bits> SOFTFLOOR_INLINE static Bits size(Bits bits) { return Bits(bits & Bits(~sign<Bits>)); }
    template <class Bits> SOFTFLOOR_INLINE static bool is_positive(Bits bits) {
        return Bits(bits - 1) < Bits(sign<Bits> - 1);
    }
};

}  // namespace
}  // namespace softfloor
