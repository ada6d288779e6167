// Splits work over OpenMP threads, each in a clean floating-point environment.
#pragma once
#include <cstddef>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace softfloor {

// Round to nearest, subnormals kept, no trap; on leaving, the caller's modes and flags return as they were. So another
// library's flush-to-zero does not change our bits, and our kernels never make NumPy warn.
class FloatingPointEnvironment {
#if defined(__x86_64__)
    unsigned saved = _mm_getcsr();
    static void set(unsigned state) { _mm_setcsr(state); }
    static constexpr unsigned standard = 0x1f80;
#elif defined(__aarch64__)
    static unsigned long get_control() {
        unsigned long x;
        asm volatile("mrs %0, fpcr" : "=r"(x));
        return x;
    }
    static unsigned long get_status() {
        unsigned long x;
        asm volatile("mrs %0, fpsr" : "=r"(x));
        return x;
    }
    unsigned long saved = get_control(), status = get_status();
    void set(unsigned long state) {
        asm volatile("msr fpcr, %0" : : "r"(state));
        asm volatile("msr fpsr, %0" : : "r"(status));
    }
    static constexpr unsigned long standard = 0;
#else
#error "softfloor needs to know how this processor keeps its rounding mode and exception flags"
#endif
  public:
    FloatingPointEnvironment() { set(standard); }
    ~FloatingPointEnvironment() { set(saved); }
    FloatingPointEnvironment(const FloatingPointEnvironment&) = delete;
    FloatingPointEnvironment& operator=(const FloatingPointEnvironment&) = delete;
};

// 0: as many as OpenMP offers (OMP_NUM_THREADS, threadpoolctl). Returns what the next call may use.
int thread_count();
void set_thread_count(int count);
int requested_thread_count();

// body(begin, end) over [0, n) in pieces that are multiples of grain; one piece on this thread below the threshold.
template <class Body> void parallel_for(size_t n, size_t grain, bool worthwhile, Body body) {
    size_t threads = worthwhile ? size_t(thread_count()) : 1;
    size_t pieces = (n + grain - 1) / grain;
    if (threads > pieces) threads = pieces;
    if (threads <= 1) {
        FloatingPointEnvironment environment;
        body(size_t(0), n);
        return;
    }
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (size_t t = 0; t < threads; ++t) {
        FloatingPointEnvironment environment;
        size_t begin = pieces * t / threads * grain, end = pieces * (t + 1) / threads * grain;
        body(begin, end < n ? end : n);
    }
}

}  // namespace softfloor
