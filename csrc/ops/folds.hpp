// Lanes combined by halves: the upper half into the lower one, then that again. One order of operations, whatever the
// width of registers. GNU vectors spell out what the vectoriser leaves scalar, and their halves stay in registers.
#pragma once
#include "../math/lanes.hpp"

namespace softfloor {
namespace {

struct Larger {
    template <class Value> SOFTFLOOR_INLINE void operator()(Value& a, const Value& b) const { a = a > b ? a : b; }
};
struct Smaller {
    template <class Value> SOFTFLOOR_INLINE void operator()(Value& a, const Value& b) const { a = a < b ? a : b; }
};
struct Added {
    template <class Value> SOFTFLOOR_INLINE void operator()(Value& a, const Value& b) const { a += b; }
};

// x[0] ... x[count-1] combined into one number.
template <size_t count, class Scalar, class Vector, class Combine>
SOFTFLOOR_INLINE Scalar folded(const Vector& x, Combine combine) {
    if constexpr (count == 2) {
        Scalar low = x[0];
        combine(low, Scalar(x[1]));
        return low;
    } else {
        typename VectorOf<Scalar, count / 2>::Type low, high;
        if constexpr (count == 8) {
            low = __builtin_shufflevector(x, x, 0, 1, 2, 3);
            high = __builtin_shufflevector(x, x, 4, 5, 6, 7);
        } else {
            low = __builtin_shufflevector(x, x, 0, 1);
            high = __builtin_shufflevector(x, x, 2, 3);
        }
        combine(low, high);
        return folded<count / 2, Scalar>(low, combine);
    }
}

// Vectors k, k + step, ... of `lane` combined. A loop that loads them would become a copy in narrower registers.
template <class Vector, size_t vectors, size_t k, size_t step, class Scalar, class Combine>
SOFTFLOOR_INLINE Vector every(const Scalar* lane, Combine combine) {
    Vector result;
    if constexpr (step == vectors) {
        __builtin_memcpy(&result, lane + k * (sizeof(Vector) / sizeof(Scalar)), sizeof result);
    } else {
        result = every<Vector, vectors, k, 2 * step>(lane, combine);
        combine(result, every<Vector, vectors, k + step, 2 * step>(lane, combine));
    }
    return result;
}
// lane[0] ... lane[width-1] combined into the first 32 bytes.
template <class Scalar> constexpr size_t folded_lanes = 32 / sizeof(Scalar);
template <size_t width, class Scalar, class Combine>
SOFTFLOOR_INLINE auto folded_to_lanes(const Scalar* lane, Combine combine) {
    constexpr size_t count = register_bytes / sizeof(Scalar), left = folded_lanes<Scalar>;
    auto x = every<typename VectorOf<Scalar, count>::Type, width / count, 0, 1>(lane, combine);
    typename VectorOf<Scalar, left>::Type low, high;
    if constexpr (count == left) return x;
    else if constexpr (left == 8) {
        low = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7);
        high = __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
        combine(low, high);
        return low;
    } else {
        low = __builtin_shufflevector(x, x, 0, 1, 2, 3);
        high = __builtin_shufflevector(x, x, 4, 5, 6, 7);
        combine(low, high);
        return low;
    }
}

// As folded, for as many x as each has entries: the results lie side by side. Halves of two x are combined at once.
template <class Scalar, class Combine>
SOFTFLOOR_INLINE void fold_side_by_side(const Scalar (*from)[folded_lanes<Scalar>], Scalar* to, Combine combine) {
    constexpr size_t count = folded_lanes<Scalar>;
    typename VectorOf<Scalar, count>::Type x[count], low, high;
    __builtin_memcpy(x, from, sizeof x);
    if constexpr (count == 8) {
        for (size_t k = 0; k < 4; ++k) {
            low = __builtin_shufflevector(x[2 * k], x[2 * k + 1], 0, 1, 2, 3, 8, 9, 10, 11);
            high = __builtin_shufflevector(x[2 * k], x[2 * k + 1], 4, 5, 6, 7, 12, 13, 14, 15);
            combine(low, high);
            x[k] = low;
        }
        for (size_t k = 0; k < 2; ++k) {
            low = __builtin_shufflevector(x[2 * k], x[2 * k + 1], 0, 1, 4, 5, 8, 9, 12, 13);
            high = __builtin_shufflevector(x[2 * k], x[2 * k + 1], 2, 3, 6, 7, 10, 11, 14, 15);
            combine(low, high);
            x[k] = low;
        }
        low = __builtin_shufflevector(x[0], x[1], 0, 2, 4, 6, 8, 10, 12, 14);
        high = __builtin_shufflevector(x[0], x[1], 1, 3, 5, 7, 9, 11, 13, 15);
    } else {
        for (size_t k = 0; k < 2; ++k) {
            low = __builtin_shufflevector(x[2 * k], x[2 * k + 1], 0, 1, 4, 5);
            high = __builtin_shufflevector(x[2 * k], x[2 * k + 1], 2, 3, 6, 7);
            combine(low, high);
            x[k] = low;
        }
        low = __builtin_shufflevector(x[0], x[1], 0, 2, 4, 6);
        high = __builtin_shufflevector(x[0], x[1], 1, 3, 5, 7);
    }
    combine(low, high);
    __builtin_memcpy(to, &low, sizeof low);
}

}  // namespace
}  // namespace softfloor
