// Numbers side by side, as vectors hold them: the parts of pairs apart.
#pragma once
#include "../math/narrow.hpp"

namespace softfloor {
namespace {

template <class N, size_t count> struct SideBySide;
template <size_t count> struct SideBySide<double, count> {
    alignas(64) double high[count];
    SOFTFLOOR_INLINE void set(size_t k, double x) { high[k] = x; }
    SOFTFLOOR_INLINE double operator[](size_t k) const { return high[k]; }
};
template <size_t count> struct SideBySide<Pair, count> {
    alignas(64) double high[count], low[count];
    SOFTFLOOR_INLINE void set(size_t k, Pair x) { high[k] = x.hi, low[k] = x.lo; }
    SOFTFLOOR_INLINE Pair operator[](size_t k) const { return Pair(high[k], low[k]); }
};

}  // namespace
}  // namespace softfloor
