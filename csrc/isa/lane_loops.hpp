// The loop around variants whose text is written in vectors of floats (math/lanes.hpp).
#pragma once
#include "variants.hpp"

namespace softfloor {
namespace {

// Two results, of which one has such a text and the other has none.
template <class Variant, class T>
concept IsComputedApart =
    __is_same(T, float) && requires { requires Variant::First::has_lanes != Variant::Second::has_lanes; };

template <class Variant> struct LaneOperands {
    const float* in[Variant::inputs];
    float* out[Variant::outputs];

    SOFTFLOOR_INLINE LaneOperands(const void* const* inputs, void* const* outputs) {
        for (int k = 0; k < Variant::inputs; ++k) in[k] = static_cast<const float*>(inputs[k]);
        for (int k = 0; k < Variant::outputs; ++k) out[k] = static_cast<float*>(outputs[k]);
    }
    SOFTFLOOR_INLINE Floats load(int k, size_t i, size_t count = float_lanes) const {
        return load_lanes(in[k] + i, count);
    }
    // body(x, ...) for the inputs x, ... from i on; those beyond count are 0.
    SOFTFLOOR_INLINE auto at(size_t i, size_t count, auto body) const {
        constexpr int inputs = Variant::inputs;
        if constexpr (inputs == 1) return body(load(0, i, count));
        else if constexpr (inputs == 2) return body(load(0, i, count), load(1, i, count));
        else if constexpr (inputs == 3) return body(load(0, i, count), load(1, i, count), load(2, i, count));
        else return body(load(0, i, count), load(1, i, count), load(2, i, count), load(3, i, count));
    }
    SOFTFLOOR_INLINE void store(Outputs<Floats> results, size_t i, size_t count = float_lanes) const {
        store_lanes(out[0] + i, results.first, count);
        if constexpr (Variant::outputs > 1) store_lanes(out[1] + i, results.second, count);
    }
};

// An operation whose slope in vectors has another text for |x| > near, and that operation by the other text.
template <class Variant>
concept HasFar = Variant::has_slope && requires(Floats x) { Variant::Operation::far_in_lanes(x); };
template <class Op> struct Far : Op {
    SOFTFLOOR_INLINE static auto in_lanes(Floats x) { return Op::far_in_lanes(x); }
};
// The same text with shorter look-ups, for |x| <= nearer.
template <class Variant>
concept HasNearer = has_shorter_look_ups && HasFar<Variant> && requires { Variant::Operation::nearer; };
template <class Op> struct Nearer : Op {
    SOFTFLOOR_INLINE static auto in_lanes(Floats x) { return Op::template in_lanes<InFirstHalf>(x); }
    static void far_in_lanes(Floats) = delete;
};
template <class Variant, template <class> class Range> struct Within;
template <template <class, int> class Variant, class Op, int parameters, template <class> class Range>
struct Within<Variant<Op, parameters>, Range> {
    using Type = Variant<Range<Op>, parameters>;
};

// Results for what lies far from 0, and those near it as they are. It is rare: a call keeps its registers out of the
// loop.
template <class Variant>
[[gnu::noinline]] Outputs<Floats> with_far_ones(const LaneOperands<Variant>& operands, size_t i, size_t count,
                                                Outputs<Floats> near) {
    return operands.at(i, count, [&](Floats x, auto... others) {
        auto far = Within<Variant, Far>::Type::template at_covered<float>(x, others...);
        Bits is_near = absolute(x) <= Variant::Operation::near;
        return Outputs{select(is_near, near.first, far.first), select(is_near, near.second, far.second)};
    });
}

// Vectors side by side: each waits less for its own results. All are read before one is written, since an output may be
// an input. Returns whether all elements are covered.
template <class Variant, bool measures, size_t side_by_side>
SOFTFLOOR_INLINE bool compute_vectors(const void* const* in, void* const* out, size_t begin, size_t end) {
    const LaneOperands<Variant> operands(in, out);
    Bits largest = {};  // the measures' sizes, as integers: a NaN is larger than all others
    auto compute = [&]<size_t side>(size_t i, size_t count) __attribute__((always_inline)) {
        Outputs<Floats> results[side];
        Bits sizes = {};
#pragma GCC unroll 4
        for (size_t j = 0; j < side; ++j)
            results[j] =
                operands.at(i + j * float_lanes, count, [&](Floats x, auto... v) __attribute__((always_inline)) {
                    Floats size = x;
                    if constexpr (measures) size = Variant::measure(x, v...);
                    sizes = larger(sizes, Bits(absolute(size)));
                    return Variant::template at_covered<float>(x, v...);
                });
        if constexpr (HasFar<Variant>)
            if (any_beyond(sizes, Variant::Operation::near)) [[unlikely]]
                for (size_t j = 0; j < side; ++j)
                    results[j] = with_far_ones(operands, i + j * float_lanes, count, results[j]);
        largest = larger(largest, sizes);
#pragma GCC unroll 4
        for (size_t j = 0; j < side; ++j) operands.store(results[j], i + j * float_lanes, count);
    };
    size_t i = begin;
    for (; i + side_by_side * float_lanes <= end; i += side_by_side * float_lanes)
        compute.template operator()<side_by_side>(i, float_lanes);
    for (; i + float_lanes <= end; i += float_lanes) compute.template operator()<1>(i, float_lanes);
    if (i < end) compute.template operator()<1>(i, end - i);  // beside zeros, which are covered
    return !measures || !any_beyond(largest, limit_of<Variant, float, float>());
}

// The same, run by run with shorter look-ups where all of a run lies nearer to 0.
template <class Variant, bool measures = true, size_t side_by_side = 2>
SOFTFLOOR_INLINE bool compute_in_lanes(const void* const* in, void* const* out, size_t begin, size_t end) {
    if constexpr (HasNearer<Variant>) {
        const LaneOperands<Variant> operands(in, out);
        auto size = [&](size_t i, size_t count) __attribute__((always_inline)) {
            return operands.at(i, count, [](Floats x, auto... v) __attribute__((always_inline)) {
                if constexpr (measures) x = Variant::measure(x, v...);
                return Bits(absolute(x));
            });
        };
        bool covers_all = true;
        for (size_t next; begin < end; begin = next) {
            next = end - begin < run_of_look_ups ? end : begin + run_of_look_ups;
            Bits sizes = largest_of_run(begin, next, size);
            if (any_beyond(sizes, Variant::Operation::nearer)) {
                if (measures) covers_all &= !any_beyond(sizes, limit_of<Variant, float, float>());
                compute_vectors<Variant, false, side_by_side>(in, out, begin, next);
            } else compute_vectors<typename Within<Variant, Nearer>::Type, false, side_by_side>(in, out, begin, next);
        }
        return covers_all;
    } else return compute_vectors<Variant, measures, side_by_side>(in, out, begin, end);
}

}  // namespace
}  // namespace softfloor
