// relu(x) = max(0, x); slope 0 at the kink x = 0. Exact in the result's own format, so nothing is widened.
#pragma once
#include "../math/number.hpp"

namespace softfloor {
namespace {

struct Relu {
    static constexpr bool exact = true;
    template <class T> struct Values {
        T value, slope;
    };

    template <class T> SOFTFLOOR_INLINE static Values<T> at(T x) {
        // Both comparisons are false for NaN, which then passes through; -0.0 is kept.
        T one_or_nan = x > 0 ? T(1) : x;
        return {x < 0 ? T(0) : x, x <= 0 ? T(0) : one_or_nan};
    }
};

}  // namespace
}  // namespace softfloor
