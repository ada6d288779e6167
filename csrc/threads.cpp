#include "threads.hpp"

#include <atomic>
#include <omp.h>
#include <pthread.h>

namespace softfloor {

static std::atomic<int> requested{0};

// The threads of an OpenMP pool do not survive fork, and the child would wait for them for ever.
static bool forked = [] {
    pthread_atfork(nullptr, nullptr, [] { forked = true; });
    return false;
}();

int requested_thread_count() { return requested; }
void set_thread_count(int count) { requested = count; }

int thread_count() {
    if (forked || omp_in_parallel()) return 1;
    int count = requested;
    return count > 0 ? count : omp_get_max_threads();
}

}  // namespace softfloor
