// Two ways to the same results, of which the faster one is taken.
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>

#include "threads.hpp"

namespace softfloor {

// Which way is faster depends on the machine, the function, the number of threads and what else is in the caches. Both
// are tried, and the faster one is taken; the other is tried again, soon at first and then ever more seldom. What is
// known of each falls at once and rises slowly: a call that first writes fresh memory takes many times as long as the
// next, and may have been the only one that went its way. Only speed depends on it, never a result.
class FasterWay {
    std::atomic<double> nanoseconds[2]{unknown, unknown};  // per element
    std::atomic<unsigned> calls{0};
    static constexpr double unknown = 1e30;
    static constexpr unsigned young = 64;

    // In an environment of its own, for rounding sets a flag; a call is not moved out of it.
    [[gnu::noinline]] void add(bool second, Clock::duration time, size_t n) {
        double measured = std::chrono::duration<double, std::nano>(time).count() / double(n);
        std::atomic<double>& known = nanoseconds[second];
        double before = known.load(std::memory_order_relaxed), rise = measured - before;
        known.store(rise < 0 ? measured : before + rise / 8, std::memory_order_relaxed);
    }

  public:
    FasterWay() = default;
    FasterWay(const FasterWay&) {}  // a copy is for another loop, which starts anew

    // run(second) computes n elements.
    template <class Run> void run(size_t n, Run run) {
        unsigned call = calls.fetch_add(1, std::memory_order_relaxed);
        bool faster = nanoseconds[1].load(std::memory_order_relaxed) < nanoseconds[0].load(std::memory_order_relaxed);
        bool again = (call & (call - 1)) == 0 || call % 64 == 0;
        bool second = call < 4 ? call % 2 == 0 : faster != again;
        // Reading the clock twice takes as long as a hundred elements.
        if (call >= young && call % 16 != 0) return run(second);
        Clock::time_point start = Clock::now();
        run(second);
        Clock::duration time = Clock::now() - start;
        FloatingPointEnvironment environment;
        add(second, time, n);
    }
};

}  // namespace softfloor
