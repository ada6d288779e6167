// Results that exceed the caches, written around them.
#pragma once
#include "caches.hpp"
#include "operands.hpp"
#include "threads.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#include <algorithm>
#include <atomic>

namespace softfloor {

// Where all operands of a call together exceed this, a result is out of the cache before anybody reads it. Storing it
// the ordinary way would load each of its lines from memory first. Half the last-level cache, within what was measured
// on machines that share it with others (docs/design.md).
inline size_t half_of_last_level_cache() { return std::clamp(cache_size(3) / 2, size_t(32) << 20, size_t(96) << 20); }
inline std::atomic<size_t> streaming_bytes{half_of_last_level_cache()};
inline bool streams_always() { return streaming_bytes.load(std::memory_order_relaxed) == 0; }  // for tests

constexpr size_t line = 64;

// Both on a line's start, size a multiple of a line.
inline void stream_lines([[maybe_unused]] char* to, [[maybe_unused]] const char* from, [[maybe_unused]] size_t size) {
#if defined(__SSE2__)
    for (size_t i = 0; i < size; i += 16)
        _mm_stream_si128(reinterpret_cast<__m128i*>(to + i),
                         _mm_load_si128(reinterpret_cast<const __m128i*>(from + i)));
#endif
}

// Whether streaming is possible: contiguous results that start at the same place of a line, apart from the inputs.
inline bool can_stream(const Operands& all, size_t n) {
#if !defined(__SSE2__)
    return false;
#endif
    size_t bytes = 0;
    for (int k = 0; k < all.inputs + all.outputs; ++k) bytes += all.steps[k] ? n * all.sizes[k] : 0;
    if (bytes < streaming_bytes.load(std::memory_order_relaxed)) return false;
    for (int k = all.inputs; k < all.inputs + all.outputs; ++k) {
        uintptr_t start = reinterpret_cast<uintptr_t>(all.memory[k]);
        uintptr_t first = reinterpret_cast<uintptr_t>(all.memory[all.inputs]);
        if (!all.contiguous(k) || start % all.sizes[k] || (start - first) % line) return false;
    }
    return !all.overwrites();  // lines that were read are in the cache
}

// Results go through a buffer in the first-level cache, a kilobyte at a time: writing more at once holds up the loads.
// Those are asked for a page ahead, because processors themselves ask for nothing beyond the page that is being read.
// Outputs have one size.
template <class Compute> void streamed_range(const Compute& kernel, const Operands& all, size_t begin, size_t end) {
    const size_t size = all.sizes[all.inputs];
    constexpr size_t part = 1024, ahead = 4096;
    constexpr int maximum_outputs = 3;
    alignas(line) char results[maximum_outputs][part];
    BlockedOperand operands[maximum_operands];
    for (int k = 0; k < all.inputs; ++k) operands[k].set(all.memory[k], all.steps[k], all.sizes[k]);

    bool first = true;
    auto compute = [&](size_t i, size_t n, bool stream) {
        const void* in[maximum_operands];
        void* out[maximum_outputs];
        for (int k = 0; k < all.inputs; ++k) in[k] = operands[k].read(i, n, first);
        for (int k = 0; k < all.outputs; ++k) out[k] = stream ? results[k] : all.memory[all.inputs + k] + i * size;
        kernel(in, out, n);
        for (int k = 0; stream && k < all.outputs; ++k)
            stream_lines(all.memory[all.inputs + k] + i * size, results[k], n * size);
    };
    auto plainly = [&](size_t from, size_t to) {
        for (size_t i = from, n; i < to; i += n) {
            n = std::min(to - i, part / size);
            compute(i, n, false);
        }
    };
    // A step of 0 fills its buffer once, for the longest part to come.
    for (int k = 0; k < all.inputs; ++k) operands[k].read(begin, std::min(end - begin, part / size), true);
    first = false;

    size_t offset = reinterpret_cast<uintptr_t>(all.memory[all.inputs] + begin * size) % line;
    size_t i = std::min(end, begin + (offset ? (line - offset) / size : 0));
    plainly(begin, i);
    for (; end - i >= part / size; i += part / size) {
        for (int k = 0; k < all.inputs; ++k)
            if (all.contiguous(k))
                for (size_t at = 0; at < part; at += line)
                    __builtin_prefetch(all.memory[k] + i * all.sizes[k] + ahead + at);
        compute(i, part / size, true);
    }
    plainly(i, end);
#if defined(__SSE2__)
    _mm_sfence();  // streaming stores keep no order; whoever is told that this part is done must see it
#endif
}

}  // namespace softfloor
