// What the classes of a row are charged, summed up in numbers twice as wide as the entries: with t_i and L of
// wide_row.hpp, the loss is sum_i a_i (t_i + L) = sum a_i t_i + L sum a_i.
#pragma once
#include "wide_row.hpp"

namespace softfloor {
namespace {

// A class that is charged nothing costs nothing, even where its logit is -inf; any other costs inf there, which is
// told apart, because an error-free sum cannot hold it.
template <class N> struct WideCharges {
    N depths = 0.0, total = 0.0;  // sum a_i t_i of what is finite, sum a_i
    bool costs_infinity = false;

    // charge(i) is a double or an N, depth(x_i) is t_i.
    template <class T> WideCharges(const T* x, size_t n, N log_of_total, auto charge, auto depth) {
        const bool unbounded = head(log_of_total) == infinity;
        auto depth_at = [=](size_t i) __attribute__((always_inline)) { return depth(WideRow<T>::number(x[i])); };
        Lanes<N> of_depths, of_charges;
        Lanes<double> infinite;
        add_in_lanes(n, [&](size_t j, size_t i) __attribute__((always_inline)) {
            auto amount = charge(i);
            N t = depth_at(i);
            // By bits: a comparison of depths would follow from one that made them, and GCC vectorises no such branch.
            bool is_none = head(amount) == 0, is_infinite = double_to_bits(head(t)) == double_to_bits(infinity);
            of_depths.add(j, select(is_none | is_infinite, N(0.0), open_product(t, amount)));
            of_charges.add(j, N(amount));
            infinite.add(j, (unbounded | is_infinite) & !is_none ? 1.0 : 0.0);
        });
        depths = of_depths.total(), total = of_charges.total(), costs_infinity = infinite.total() > 0;
    }
    WideCharges() = default;

    N loss(N log_of_total) const {
        return head(log_of_total) == infinity ? depths : depths + open_product(log_of_total, total);
    }
};

}  // namespace
}  // namespace softfloor
