// Splits work over threads, each in a clean floating-point environment.
#pragma once
#include <atomic>
#include <chrono>
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

// How many threads the latest call of this thread that was large enough to be split had work done by.
int threads_used();

// The work, in nanoseconds, that a call must have for each of its threads. Returns the value before.
double set_share(double nanoseconds);

using Clock = std::chrono::steady_clock;

// What an element costs a loop, in nanoseconds: the fastest run so far, measured in passing. So the size from which
// threads pay follows the function, the dtype, the instruction set and the machine, and no table of them goes stale.
// Only speed depends on it, never a result.
class ElementCost {
    std::atomic<float> fastest{unknown};
    std::atomic<unsigned> calls{0};
    static constexpr float unknown = 1e30f, guess = 1.0f;
    static constexpr unsigned young = 64;

  public:
    ElementCost() = default;
    ElementCost(const ElementCost&) {}  // a copy is for another loop, which starts anew
    double nanoseconds() const {
        float known = fastest.load(std::memory_order_relaxed);
        return double(known == unknown ? guess : known);
    }
    // Reading the clock twice costs as much as hundreds of elements, so seasoned loops do it now and then only.
    bool wants_measurement() {
        unsigned count = calls.fetch_add(1, std::memory_order_relaxed);
        return count < young || count % 16 == 0;
    }
    template <class Run> void measure(size_t elements, Run run) {
        Clock::time_point start = Clock::now();
        run();
        std::chrono::duration<double, std::nano> time = Clock::now() - start;
        float cost = float(time.count() / double(elements));
        if (cost < fastest.load(std::memory_order_relaxed)) fastest.store(cost, std::memory_order_relaxed);
    }
};

// A loop over items; run(context, begin, end) does a part of it, in any thread, in a clean floating-point environment.
struct Pieces {
    void (*run)(void* context, size_t begin, size_t end);
    void* context;
    size_t items;
    size_t grain;              // parts are multiples of it
    size_t elements_per_item;  // what ElementCost counts
};
void run_pieces(const Pieces& pieces, ElementCost& cost);

// body(begin, end) over [0, items), in contiguous parts that several threads may share.
template <class Body>
void parallel_for(size_t items, size_t grain, size_t elements_per_item, ElementCost& cost, Body body) {
    auto run = [](void* context, size_t begin, size_t end) { (*static_cast<Body*>(context))(begin, end); };
    FloatingPointEnvironment environment;
    constexpr size_t too_few_to_measure = 512;
    if (items * elements_per_item < too_few_to_measure) body(size_t(0), items);
    else run_pieces({run, &body, items, grain, elements_per_item}, cost);
}

}  // namespace softfloor
