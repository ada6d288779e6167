// The loops around what variants.hpp computes at one index.
#pragma once
#include "../kernels.hpp"
#include "../math/spread.hpp"
#include "lane_loops.hpp"

namespace softfloor {
namespace {

// body(i, a[i], b[i], ...) for the inputs a, b, ... of a variant. An output may be an input, element by element: each
// index is read before it is written.
template <class Variant, class T, class Body>
SOFTFLOOR_INLINE void each_input(const void* const* in, size_t begin, size_t end, Body body) {
    constexpr int inputs = Variant::inputs;
    const T* a = static_cast<const T*>(in[0]);
    const T* b = inputs > 1 ? static_cast<const T*>(in[1]) : nullptr;
    const T* c = inputs > 2 ? static_cast<const T*>(in[2]) : nullptr;
    const T* d = inputs > 3 ? static_cast<const T*>(in[3]) : nullptr;
#pragma GCC ivdep
    for (size_t i = begin; i < end; ++i) {
        if constexpr (inputs == 1) body(i, a[i]);
        else if constexpr (inputs == 2) body(i, a[i], b[i]);
        else if constexpr (inputs == 3) body(i, a[i], b[i], c[i]);
        else body(i, a[i], b[i], c[i], d[i]);
    }
}

template <class Variant, class T, class At>
SOFTFLOOR_INLINE void loop(const void* const* in, void* const* out, size_t begin, size_t end, At at) {
    T* first = static_cast<T*>(out[0]);
    T* second = Variant::outputs > 1 ? static_cast<T*>(out[1]) : nullptr;
    each_input<Variant, T>(in, begin, end, [=](size_t i, auto... v) __attribute__((always_inline)) {
        Outputs<T> result = at(v...);
        first[i] = result.first;
        if constexpr (Variant::outputs > 1) second[i] = result.second;
    });
}

constexpr size_t compensated_block = elementwise_block;
static_assert(compensated_block <= 0xffff);  // CountOf
constexpr int maximum_inputs = 4;
constexpr uint16_t smallest_covered_bfloat16 = 37 << 7;    // 2^-90
constexpr uint32_t smallest_covered_float16 = 105u << 23;  // 2^-22

template <class Variant, class T> SOFTFLOOR_INLINE bool is_covered(T x, auto... others) {
    bool covered = covers<Variant, T>(widen(x), widen(others)...);
    if constexpr (__is_same(T, Bfloat16)) {
        // Half of a subnormal number lies in the middle between two results: what decides is lost in a float. Compared
        // as integers, which are as narrow as the elements; -1 makes zero the largest.
        uint16_t size = uint16_t(x) & 0x7fffu;
        covered &= uint16_t(size - 1u) >= smallest_covered_bfloat16 - 1;
    } else if constexpr (__is_same(T, SpreadFloat16)) {
        uint32_t size = uint32_t(x) & 0x7fffffffu;  // half of the smallest subnormal, too, is such a middle
        covered &= size - 1u >= smallest_covered_float16 - 1;
    }
    if constexpr (requires { Variant::template is_sure<T>(widen(x), widen(others)...); })
        covered &= Variant::template is_sure<T>(widen(x), widen(others)...);
    return covered;
}

// Half as wide as what is computed, so that the vectoriser takes two vectors side by side: one waits less for its own
// results when the other's operations stand between them.
template <class T> struct CountOf {
    using Type = uint16_t;
};
template <> struct CountOf<double> {
    using Type = uint32_t;
};
template <class T> using Count = typename CountOf<T>::Type;

template <class Variant, class T>
[[gnu::noinline]] size_t count_covered(const void* const* in, size_t begin, size_t end) {
    Count<T> covered = 0;
    each_input<Variant, T>(in, begin, end, [&](size_t, auto... v) __attribute__((always_inline)) {
        covered += is_covered<Variant>(v...);
    });
    return covered;
}
// Four vectors side by side wait less than two, where operands are in the caches and registers suffice. Beyond, the
// next loads stand too far ahead for a processor to start them in time: those of a long text leave the second-level
// cache, of a short one the last. So few elements come from a call whose results are written around the caches.
constexpr bool four_side_by_side(size_t n, size_t cached) {
    constexpr size_t streamed = 256;
    return register_bytes == 64 && n > streamed && n <= cached;
}
constexpr size_t cached_by_long_text = size_t(1) << 17, cached_by_short_text = size_t(1) << 20;

template <class Variant, class T, size_t side_by_side = 2>
[[gnu::noinline]] size_t compute_covered(const void* const* in, void* const* out, size_t begin, size_t end) {
    if constexpr (HasLanes<Variant, T>) {
        bool covers_all = compute_in_lanes<Variant, true, side_by_side>(in, out, begin, end);
        return covers_all ? end - begin : count_covered<Variant, T>(in, begin, end);
    }
    Count<T> covered = 0;
    loop<Variant, T>(in, out, begin, end, [&](auto... v) __attribute__((always_inline)) {
        covered += is_covered<Variant>(v...);
        return Variant::template at_covered<T>(widen(v)...);
    });
    return covered;
}

// The part in vectors leaves it to the other one to count.
template <class Variant, class T>
[[gnu::noinline]] size_t compute_part(const void* const* in, void* const* out, size_t n) {
    if constexpr (HasLanes<Variant, T>) {
        compute_in_lanes<Variant, false>(in, out, 0, n);
        return 0;
    } else return compute_covered<Variant, T>(in, out, 0, n);
}
// One result after the other; the first aside where it would overwrite what the second needs.
template <class Variant, class T>
size_t compute_apart(const void* const* in, void* const* out, size_t begin, size_t end) {
    size_t n = end - begin;
    T aside[compensated_block];
    T *first = static_cast<T*>(out[0]) + begin, *second = static_cast<T*>(out[1]) + begin;
    bool overwrites = false;
    const void* from[Variant::inputs];
    for (int k = 0; k < Variant::inputs; ++k) {
        from[k] = static_cast<const T*>(in[k]) + begin;
        overwrites |= in[k] == out[0];
    }
    void *to_first[] = {overwrites ? aside : first}, *to_second[] = {second};
    size_t covered = compute_part<typename Variant::First, T>(from, to_first, n);
    covered += compute_part<typename Variant::Second, T>(from, to_second, n);
    if (overwrites) __builtin_memcpy(first, aside, n * sizeof(T));
    return covered;
}

// What computes a block and counts what is covered of it.
using Covered = size_t (*)(const void* const* in, void* const* out, size_t begin, size_t end);
template <class Variant, class T> constexpr Covered kernel_of_covered() {
    if constexpr (IsComputedApart<Variant, T>) return compute_apart<Variant, T>;
    else return compute_covered<Variant, T>;
}

// Elements that compensated arithmetic does not cover, which are rare: taken together, computed by the wider text, put
// back.
template <class Variant, class T> struct Uncovered {
    static constexpr size_t strip = 16;
    T in[Variant::inputs][compensated_block + strip], out[2][compensated_block + strip];
    uint16_t place[compensated_block];
    size_t count = 0;

    void compute(Kernel wide, const void* const* from, size_t begin, size_t end) {
        uint8_t covered[compensated_block];
        __builtin_memset(covered, 1, sizeof covered);
        each_input<Variant, T>(from, begin, end, [&](size_t i, auto... v) __attribute__((always_inline)) {
            covered[i - begin] = is_covered<Variant>(v...);
        });
        for (size_t first = 0; first < end - begin; first += 8) {  // little-endian, as all that softfloor is built for
            uint64_t eight;
            __builtin_memcpy(&eight, covered + first, 8);
            for (eight ^= 0x0101010101010101u; eight; eight &= eight - 1) {
                size_t i = first + size_t(__builtin_ctzll(eight)) / 8;
                for (int k = 0; k < Variant::inputs; ++k) in[k][count] = static_cast<const T*>(from[k])[begin + i];
                place[count++] = uint16_t(i);
            }
        }
        const void* inputs[maximum_inputs];
        for (int k = 0; k < Variant::inputs; ++k) {
            for (size_t i = 0; i < strip; ++i) in[k][count + i] = in[k][0];  // whole vectors, no remainder
            inputs[k] = in[k];
        }
        void* const outputs[] = {out[0], out[1]};
        wide(inputs, outputs, (count + strip - 1) / strip * strip);
    }
    void put_back(void* const* to, size_t begin) const {
        for (int k = 0; k < Variant::outputs; ++k)
            for (size_t i = 0; i < count; ++i) static_cast<T*>(to[k])[begin + place[i]] = out[k][i];
    }
};

SOFTFLOOR_INLINE bool overwrites(const void* const* in, int inputs, void* const* out, int outputs) {
    bool any = false;
    for (int k = 0; k < inputs; ++k)
        for (int j = 0; j < outputs; ++j) any |= in[k] == out[j];
    return any;
}
template <class Variant> SOFTFLOOR_INLINE bool overwrites_inputs(const void* const* in, void* const* out) {
    return overwrites(in, Variant::inputs, out, Variant::outputs);
}

// Compensated arithmetic where it covers an element, the wider text elsewhere: what a result is depends on its own
// input alone. All of a block is computed, and counted on the way; where inputs are overwritten, or parameters decide
// for whole blocks, it is counted before.
template <class Variant, class T> void run_compensated(Kernel wide, const void* const* in, void* const* out, size_t n) {
    auto compute = kernel_of_covered<Variant, T>();
    if constexpr (HasLanes<Variant, T> && requires { requires Variant::has_long_waits; })
        if (four_side_by_side(n, cached_by_long_text)) compute = compute_covered<Variant, T, 4>;
    bool count_first = Variant::has_parameters || overwrites_inputs<Variant>(in, out);
    for (size_t begin = 0; begin < n; begin += compensated_block) {
        size_t end = n - begin < compensated_block ? n : begin + compensated_block;
        size_t covered = count_first ? count_covered<Variant, T>(in, begin, end) : compute(in, out, begin, end);
        if (covered == end - begin) {
            if (count_first) compute(in, out, begin, end);
        } else if (covered == 0) {
            const void* from[maximum_inputs];
            void* to[2];
            for (int k = 0; k < Variant::inputs; ++k) from[k] = static_cast<const T*>(in[k]) + begin;
            for (int k = 0; k < Variant::outputs; ++k) to[k] = static_cast<T*>(out[k]) + begin;
            wide(from, to, end - begin);
        } else {
            Uncovered<Variant, T> others;
            others.compute(wide, in, begin, end);
            if (count_first) compute(in, out, begin, end);
            others.put_back(out, begin);
        }
    }
}

template <class Variant, class T> void run_wide(const void* const* in, void* const* out, size_t n) {
    loop<Variant, T>(in, out, 0, n, [](auto... v) __attribute__((always_inline)) { return Variant::at(v...); });
}

// A vector of 512 bits. What remains beyond a multiple of it is computed with the elements before it, once more: one by
// one, eight elements may take as long as a hundred.
template <class T> constexpr size_t strip_of = sizeof(T) == 8 ? 8 : 16;

template <class Variant, class T> void run_in_strips(Kernel kernel, const void* const* in, void* const* out, size_t n) {
    constexpr size_t strip = strip_of<T>, few = 3;
    size_t rest = n % strip;
    if (n < strip || rest <= few || overwrites_inputs<Variant>(in, out)) return kernel(in, out, n);
    kernel(in, out, n - rest);
    const void* inputs[Variant::inputs];
    void* outputs[Variant::outputs];
    for (int k = 0; k < Variant::inputs; ++k) inputs[k] = static_cast<const T*>(in[k]) + (n - strip);
    for (int k = 0; k < Variant::outputs; ++k) outputs[k] = static_cast<T*>(out[k]) + (n - strip);
    kernel(inputs, outputs, strip);
}

template <class Variant, class T> void run_whole_strips(const void* const* in, void* const* out, size_t n) {
    if constexpr (requires { requires Variant::has_compensated; })
        run_compensated<Variant, T>(run_wide<Variant, T>, in, out, n);
    else run_wide<Variant, T>(in, out, n);
}

// A kernel of spread float16 on float16. Outputs may be inputs, element by element: a block is read before it is
// written.
template <int inputs, int outputs>
[[gnu::noinline]] void run_spread(Kernel kernel, const void* const* in, void* const* out, size_t n) {
    constexpr size_t strip = strip_of<SpreadFloat16>;
    SpreadFloat16 from[inputs][compensated_block], to[outputs][compensated_block];
    const void* spread_in[inputs];
    void* spread_out[outputs];
    for (int k = 0; k < inputs; ++k) spread_in[k] = from[k];
    for (int k = 0; k < outputs; ++k) spread_out[k] = to[k];
    for (size_t begin = 0; begin < n; begin += compensated_block) {
        size_t count = n - begin < compensated_block ? n - begin : compensated_block;
        size_t filled = (count + strip - 1) / strip * strip;
        for (int k = 0; k < inputs; ++k) {
            spread(static_cast<const Float16*>(in[k]) + begin, from[k], count);
            for (size_t i = count; i < filled; ++i) from[k][i] = from[k][0];
        }
        kernel(spread_in, spread_out, filled);
        for (int k = 0; k < outputs; ++k) gather(to[k], static_cast<Float16*>(out[k]) + begin, count);
    }
}

template <class Variant> SOFTFLOOR_INLINE void run_in_lanes(const void* const* in, void* const* out, size_t n) {
    if (four_side_by_side(n, cached_by_short_text)) compute_in_lanes<Variant, false, 4>(in, out, 0, n);
    else compute_in_lanes<Variant, false>(in, out, 0, n);
}

template <class Variant, class T> void run(const void* const* in, void* const* out, size_t n) {
    if constexpr (HasLanes<Variant, T> && requires { requires Variant::covers_all_in_lanes; })
        run_in_lanes<Variant>(in, out, n);
    else if constexpr (requires { requires Variant::on_bits; }) run_wide<Variant, T>(in, out, n);
    else if constexpr (__is_same(T, Float16))
        run_spread<Variant::inputs, Variant::outputs>(run_whole_strips<Variant, SpreadFloat16>, in, out, n);
    else run_in_strips<Variant, T>(run_whole_strips<Variant, T>, in, out, n);
}

}  // namespace
}  // namespace softfloor
