// A slope next to its own zero, where every global formula cancels: (x - x0) * S(x - x0), with x0 to 107 bits and S the
// quotient's own polynomial. The relative error stays that of S however close x comes.
#pragma once
#include "coefficients.hpp"
#include "number.hpp"

namespace softfloor {
namespace {

SOFTFLOOR_INLINE double near_zero(double distance, const coefficients::Zero& zero) {
    return distance * polynomial(zero.short_polynomial, distance);
}
SOFTFLOOR_INLINE Pair near_zero(Pair distance, const coefficients::Zero& zero) {
    double rest = polynomial(zero.long_polynomial, distance.hi);
    Pair quotient = fast_two_sum(zero.constant_term.hi, __builtin_fma(rest, distance.hi, zero.constant_term.lo));
    return distance * quotient;
}

SOFTFLOOR_INLINE double distance_to(double x, const coefficients::Zero& zero) {
    return (x - zero.position.hi) - zero.position.lo;
}
SOFTFLOOR_INLINE Pair distance_to(Pair x, const coefficients::Zero& zero) {
    return two_sum(x.hi - zero.position.hi, x.lo - zero.position.lo);
}

// The slope from its own polynomial within zero.radius, from the global formula elsewhere.
template <class N> SOFTFLOOR_INLINE Scaled<N> around(const coefficients::Zero& zero, N x, Scaled<N> elsewhere) {
    N distance = distance_to(x, zero);
    bool near = __builtin_fabs(head(distance)) < coefficients::zero_radius;
    return select(near, Scaled<N>{near_zero(distance, zero)}, elsewhere);
}

}  // namespace
}  // namespace softfloor
