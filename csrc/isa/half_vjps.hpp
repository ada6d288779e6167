// vjps of half precisions from slopes that are looked up (csrc/looked_up.hpp): one kernel computes the slopes of all
// inputs, once; the other one multiplies. The bits are those of the vjp's own kernel.
#pragma once
#include "loops.hpp"

namespace softfloor {
namespace {

// Slopes that the kernel covers, and cotangents up to a limit, beside which it covers them, too.
template <class Op, class T> struct HalfSlopes {
    using Variant = Vjp<Op, 0>;
    using Slope = decltype(Op::template plain<T>(float{}).slope);
    static constexpr bool has_rest = __is_same(Slope, Sum<float>);
    static constexpr float largest_cotangent = __builtin_bit_cast(
        float, int32_t(float_to_bits(limit_of<Variant, T, float>())) + to_16_from(Room<float>::largest));

    // A float, and in one of its bits the side of what it lacks. Sizes are below 2: of half of them, no number sets the
    // first bit of its exponent, and none becomes an infinity by it.
    static constexpr uint32_t lacks = 1u << 30;
    static constexpr uint32_t uncovered = Layout<float>::quiet_nan;
    SOFTFLOOR_INLINE static uint32_t encoded(float slope) { return float_to_bits(slope); }
    SOFTFLOOR_INLINE static uint32_t encoded(Sum<float> slope) {
        uint32_t apart = float_to_bits(slope.high) ^ float_to_bits(slope.low);
        return float_to_bits(0.5f * slope.high) | (apart >> 31 ? lacks : 0u);
    }
    SOFTFLOOR_INLINE static Slope decoded(uint32_t bits) {
        if constexpr (!has_rest) return bits_to_float(bits);
        else {
            float high = bits_to_float(bits & ~lacks), one = with_sign(1.0f, high);
            return {high + high, bits & lacks ? -one : one};
        }
    }

    static void compute(const T* x, uint32_t* slopes, size_t n) {
        for (size_t i = 0; i < n; ++i) {
            float number = widen(x[i]);
            bool covered = is_covered<Variant>(x[i], T{});
            slopes[i] = covered ? encoded(Op::template plain<T>(number).slope) : uncovered;
        }
    }
    // At most a block.
    SOFTFLOOR_INLINE static void multiply(const T* x, const T* cotangent, const uint32_t* slopes, T* out, size_t n) {
        Count<T> covered = 0;
#pragma GCC ivdep
        for (size_t i = 0; i < n; ++i) {
            float factor = widen(cotangent[i]);
            covered += bool((slopes[i] != uncovered) & (absolute(factor) <= largest_cotangent));
            out[i] = narrow_plain<T>(scaled(decoded(slopes[i]), factor));
        }
        if (covered == n) return;
        const void* in[] = {x, cotangent};
        void* to[] = {out};
        Uncovered<Variant, T> others;
        others.compute(run_wide<Variant, T>, in, 0, n);
        others.put_back(to, 0);
    }
};

// in: x; out: slopes.
template <class Op, class T> void half_slopes(const void* const* in, void* const* out, size_t n) {
    const T* x = static_cast<const T*>(in[0]);
    uint32_t* slopes = static_cast<uint32_t*>(out[0]);
    if constexpr (__is_same(T, Float16)) {
        SpreadFloat16 numbers[compensated_block];
        for (size_t begin = 0; begin < n; begin += compensated_block) {
            size_t count = n - begin < compensated_block ? n - begin : compensated_block;
            spread(x + begin, numbers, count);
            HalfSlopes<Op, SpreadFloat16>::compute(numbers, slopes + begin, count);
        }
    } else HalfSlopes<Op, T>::compute(x, slopes, n);
}
// in: x, cotangents, slopes; out: results, which may take the place of x or the cotangents. At most a block.
template <class Op, class T> void half_vjp(const void* const* in, void* const* out, size_t n) {
    const T *x = static_cast<const T*>(in[0]), *cotangent = static_cast<const T*>(in[1]);
    const uint32_t* slopes = static_cast<const uint32_t*>(in[2]);
    T* result = static_cast<T*>(out[0]);
    if constexpr (__is_same(T, Float16)) {
        SpreadFloat16 numbers[compensated_block], factors[compensated_block], products[compensated_block];
        spread(x, numbers, n);
        spread(cotangent, factors, n);
        HalfSlopes<Op, SpreadFloat16>::multiply(numbers, factors, slopes, products, n);
        gather(products, result, n);
    } else {
        T products[compensated_block];
        HalfSlopes<Op, T>::multiply(x, cotangent, slopes, products, n);
        __builtin_memcpy(result, products, n * sizeof(T));
    }
}

template <class Variant>
concept HasHalfVjps = __is_same(Variant, Vjp<typename Variant::Operation, 0>) &&
                      requires { Variant::Operation::template plain<SpreadFloat16>(float{}); };
template <class Variant> constexpr ElementwiseEntry with_half_vjps(ElementwiseEntry entry) {
    if constexpr (HasHalfVjps<Variant>) {
        using Op = typename Variant::Operation;
        entry.half_slopes[float16] = half_slopes<Op, Float16>;
        entry.half_slopes[bfloat16] = half_slopes<Op, Bfloat16>;
        entry.half_vjps[float16] = half_vjp<Op, Float16>;
        entry.half_vjps[bfloat16] = half_vjp<Op, Bfloat16>;
    }
    return entry;
}

}  // namespace
}  // namespace softfloor
