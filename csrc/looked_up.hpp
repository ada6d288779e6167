// What kernels compute from half precisions, looked up. x has one of 65,536 values: a loop that has computed several
// times as many elements asks its kernel for all results once, or a vjp for all slopes, and looks them up from then on
// where that is faster. They are the kernel's, so no bit depends on the way.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <new>

#include "faster_way.hpp"
#include "kernels.hpp"
#include "threads.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace softfloor {

// Fewer at a time are computed. Of so many computed before, the table costs a small part; 0 is for tests.
constexpr size_t least_looked_up = 512;
inline std::atomic<size_t> looked_up_after{size_t(1) << 19};
inline bool looks_up_always() { return looked_up_after.load(std::memory_order_relaxed) == 0; }
inline std::atomic<size_t> tables_made{0};

constexpr size_t halves = size_t(1) << 16;
inline void compute_all(Kernel kernel, void* const* out) {
    std::unique_ptr<uint16_t[]> all(new uint16_t[halves]);
    for (size_t i = 0; i < halves; ++i) all[i] = uint16_t(i);
    const void* in[] = {all.get()};
    FloatingPointEnvironment environment;
    kernel(in, out, halves);
}

// The results of x alone: one, or two.
class ResultsOfHalf {
    const int count;
    alignas(64) uint16_t results[2][halves];

    template <int outputs> void find(const void* const* in, void* const* out, size_t n) const {
        const uint16_t* x = static_cast<const uint16_t*>(in[0]);
        uint16_t* to[] = {static_cast<uint16_t*>(out[0]), static_cast<uint16_t*>(out[outputs - 1])};
        size_t i = 0;
#if defined(__SSE2__)
        // Put together in a register, eight results are one store; and an output may be the input.
        for (; i + 8 <= n; i += 8) {
            __m128i eight[outputs];
            for (int k = 0; k < outputs; ++k) {
                const uint16_t* of = results[k];
                eight[k] = _mm_cvtsi32_si128(of[x[i]]);
                eight[k] = _mm_insert_epi16(eight[k], of[x[i + 1]], 1);
                eight[k] = _mm_insert_epi16(eight[k], of[x[i + 2]], 2);
                eight[k] = _mm_insert_epi16(eight[k], of[x[i + 3]], 3);
                eight[k] = _mm_insert_epi16(eight[k], of[x[i + 4]], 4);
                eight[k] = _mm_insert_epi16(eight[k], of[x[i + 5]], 5);
                eight[k] = _mm_insert_epi16(eight[k], of[x[i + 6]], 6);
                eight[k] = _mm_insert_epi16(eight[k], of[x[i + 7]], 7);
            }
            for (int k = 0; k < outputs; ++k) _mm_storeu_si128(reinterpret_cast<__m128i*>(to[k] + i), eight[k]);
        }
#endif
        for (; i < n; ++i) {
            uint16_t place = x[i];
            for (int k = 0; k < outputs; ++k) to[k][i] = results[k][place];
        }
    }

  public:
    const KernelTable* const kernels;
    ResultsOfHalf(const KernelTable& table, const ElementwiseEntry& entry, Dtype, Kernel kernel)
        : count(entry.outputs), kernels(&table) {
        void* const out[] = {results[0], results[1]};
        compute_all(kernel, out);
    }
    void operator()(const void* const* in, void* const* out, size_t n) const {
        if (count == 1) find<1>(in, out, n);
        else find<2>(in, out, n);
    }
};

// The slopes of a vjp.
class SlopesOfHalf {
    const Kernel vjp;
    alignas(64) uint32_t slopes[halves];

  public:
    const KernelTable* const kernels;
    SlopesOfHalf(const KernelTable& table, const ElementwiseEntry& entry, Dtype dtype, Kernel)
        : vjp(entry.half_vjps[dtype]), kernels(&table) {
        void* const out[] = {slopes};
        compute_all(entry.half_slopes[dtype], out);
    }
    void operator()(const void* const* in, void* const* out, size_t n) const {
        const uint16_t *x = static_cast<const uint16_t*>(in[0]), *cotangents = static_cast<const uint16_t*>(in[1]);
        uint16_t* results = static_cast<uint16_t*>(out[0]);
        alignas(64) uint32_t own[elementwise_block];
        for (size_t begin = 0; begin < n; begin += elementwise_block) {
            size_t count = n - begin < elementwise_block ? n - begin : elementwise_block;
            for (size_t i = 0; i < count; ++i) own[i] = slopes[x[begin + i]];
            const void* const from[] = {x + begin, cotangents + begin, own};
            void* const to[] = {results + begin};
            vjp(from, to, count);
        }
    }
};

// What a loop knows of its results, or of its slopes.
template <class Table> class LookedUp {
    std::atomic<const Table*> made{nullptr};  // lives as long as the loop, which is as long as the process
    std::atomic<size_t> computed{0};

  public:
    FasterWay ways[2];  // computed or looked up: for one thread, and for several
    LookedUp() = default;
    LookedUp(const LookedUp&) {}  // a copy is for another loop, which starts anew

    // Null while n elements more are not worth a table, where there is no memory for it, and for other kernels than
    // those it is of.
    const Table* get(const KernelTable& kernels, const ElementwiseEntry& entry, Dtype dtype, Kernel kernel, size_t n) {
        const size_t worth = looked_up_after.load(std::memory_order_relaxed);
        if (n < least_looked_up) return nullptr;
        if (computed.load(std::memory_order_relaxed) < worth &&
            computed.fetch_add(n, std::memory_order_relaxed) + n < worth)
            return nullptr;
        const Table* known = made.load(std::memory_order_acquire);
        if (!known) {
            std::unique_ptr<const Table> own;
            try {
                own.reset(new Table(kernels, entry, dtype, kernel));
            } catch (const std::bad_alloc&) {
                return nullptr;
            }
            if (made.compare_exchange_strong(known, own.get(), std::memory_order_acq_rel)) {
                known = own.release();
                tables_made.fetch_add(1, std::memory_order_relaxed);
            }
        }
        return known->kernels == &kernels ? known : nullptr;
    }
};

}  // namespace softfloor
