// One pool of helper threads for the process. OpenMP is asked how many threads there may be (so OMP_NUM_THREADS and
// threadpoolctl work) but does not run them: its regions end when every thread of the team has arrived, so a call would
// wait for helpers that still wake up, and every calling thread would get a team of its own. Here a helper that comes
// too late is not missed, and helpers step back when callers are enough (docs/design.md).
#include "threads.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <new>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <system_error>
#include <thread>

namespace softfloor {
namespace {

std::atomic<int> requested{0};
std::atomic<double> share{2'500};  // measured: docs/performance.md
thread_local int used = 1;
std::atomic<bool> forked{false};

#ifdef __linux__
int this_processor() { return sched_getcpu(); }
// A helper that slept for long is often woken on the processor of its caller, and the scheduler leaves both there for
// milliseconds: half a processor each. Forbidding that processor for a moment moves the helper to another one.
void leave(int processor) {
    cpu_set_t allowed, others;
    if (processor < 0 || sched_getcpu() != processor || sched_getaffinity(0, sizeof allowed, &allowed)) return;
    others = allowed;
    CPU_CLR(processor, &others);
    if (CPU_COUNT(&others) && !sched_setaffinity(0, sizeof others, &others))
        sched_setaffinity(0, sizeof allowed, &allowed);
}
#else
int this_processor() { return -1; }
void leave(int) {}
#endif

// A call in progress. All but `next` is guarded by the pool's mutex.
struct Job {
    const Pieces& pieces;
    size_t part;                     // items per claim
    int limit;                       // threads that may be active in the process while helpers join
    int wanted;                      // helpers still wanted
    std::atomic<size_t> next{part};  // the first part is the caller's
    int joined = 0;
    Job* following = nullptr;
    std::atomic<int> inside{0};              // helpers at work; written under the mutex
    const int processor = this_processor();  // of the caller

    bool open() const { return next.load(std::memory_order_relaxed) < pieces.items; }
    bool run_one() {
        size_t begin = next.fetch_add(part, std::memory_order_relaxed);
        if (begin >= pieces.items) return false;
        pieces.run(pieces.context, begin, std::min(begin + part, pieces.items));
        return true;
    }
};

struct Pool {
    std::mutex mutex;
    std::condition_variable work, done;
    Job* jobs = nullptr;
    std::atomic<int> helpers{0}, idle{0};  // written under the mutex
    std::atomic<bool> missed{false};       // no helper came to the latest call
    std::atomic<int> active{0};            // callers with a job, and helpers inside one
    std::atomic<unsigned> news{0};         // counts published jobs, for helpers that wait without sleeping

    Job* find_job() {
        for (Job* job = jobs; job; job = job->following)
            if (job->wanted > 0 && job->open() && active.load(std::memory_order_relaxed) < job->limit) return job;
        return nullptr;
    }
    void remove(Job* job) {
        Job** link = &jobs;
        while (*link != job) link = &(*link)->following;
        *link = job->following;
    }
};

// Never destroyed: helpers wait in it until the process ends.
Pool& all = *new Pool;

[[maybe_unused]] const int fork_handlers = pthread_atfork([] { all.mutex.lock(); }, [] { all.mutex.unlock(); },
                                                          [] {  // the helpers are not in the child: start anew
                                                              new (&all) Pool;
                                                              forked = true;
                                                          });

// Calls often come in rows, and waking a sleeping helper takes longer than many of them: a helper that is out of work
// looks out for more for this long, offering its processor to others. A caller waits likewise for the last parts.
constexpr std::chrono::microseconds lookout{50};

// When the latest call ended that had work for several threads.
std::atomic<Clock::duration> latest{Clock::duration::min()};

// Waking a helper takes up to 100 us. A shorter call shares its work where one is awake, or where calls come so fast
// one after another that it will be from the next call on.
constexpr double worth_waking = 200'000;  // nanoseconds of work
bool is_worth_sharing(double work) {
    if (work >= worth_waking || all.helpers > all.idle) return true;
    Clock::duration before = latest.load(std::memory_order_relaxed);
    return before != Clock::duration::min() && Clock::now().time_since_epoch() - before < lookout;
}

template <class Condition> void look_out(Condition condition) {
    Clock::time_point end = Clock::now() + lookout;
    while (!condition() && Clock::now() < end) sched_yield();
}

void help() {
    FloatingPointEnvironment environment;
    std::unique_lock lock(all.mutex);
    for (;;) {
        Job* job = all.find_job();
        if (!job) {
            unsigned news = all.news;
            lock.unlock();
            look_out([&] { return all.news.load(std::memory_order_relaxed) != news; });
            lock.lock();
            if ((job = all.find_job()) == nullptr) {
                ++all.idle;
                all.work.wait(lock, [&] { return (job = all.find_job()) != nullptr; });
                --all.idle;
            }
        }
        --job->wanted;
        ++job->inside;
        ++job->joined;
        ++all.active;
        lock.unlock();
        leave(job->processor);
        // More callers than processors need no helpers.
        while (job->run_one() && all.active.load(std::memory_order_relaxed) <= job->limit) {
        }
        lock.lock();
        --all.active;
        if (--job->inside == 0) all.done.notify_all();  // from here on the job may be gone
    }
}

void start_helpers(int count) {
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);  // signals are for the program's own threads
    try {
        for (; all.helpers < count; ++all.helpers) std::thread(help).detach();
    } catch (const std::system_error&) {
        // No more threads to be had: those that there are do the work.
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void run_shared(const Pieces& pieces, int threads, size_t part, ElementCost& cost) {
    Job job{pieces, part, thread_count(), threads - 1};
    std::unique_lock lock(all.mutex);
    start_helpers(threads - 1);
    job.following = all.jobs;
    all.jobs = &job;
    ++all.active;
    ++all.news;
    int sleeping = std::min(all.idle.load(), threads - 1);
    lock.unlock();
    if (sleeping == 1) all.work.notify_one();
    else if (sleeping > 1) all.work.notify_all();
    // To a helper that was woken on this processor, or has been waiting there, which then leaves it.
    if (sleeping || all.missed.load(std::memory_order_relaxed)) sched_yield();
    cost.measure(part * pieces.elements_per_item, [&] { pieces.run(pieces.context, 0, part); });
    while (job.run_one()) {
    }
    look_out([&] { return job.inside.load(std::memory_order_relaxed) == 0; });
    lock.lock();
    all.remove(&job);
    --all.active;
    if (all.jobs && all.idle) all.work.notify_one();  // who was one thread too many may be welcome elsewhere
    all.done.wait(lock, [&] { return job.inside == 0; });
    all.missed = job.joined == 0;
    used = 1 + job.joined;
}

void run_alone(const Pieces& pieces, ElementCost& cost) {
    used = 1;
    if (!cost.wants_measurement()) return pieces.run(pieces.context, 0, pieces.items);
    cost.measure(pieces.items * pieces.elements_per_item, [&] { pieces.run(pieces.context, 0, pieces.items); });
}

}  // namespace

int requested_thread_count() { return requested; }
void set_thread_count(int count) {
    requested = count;
    if (count > 0) forked = false;
}
int threads_used() { return used; }
double set_share(double nanoseconds) { return share.exchange(nanoseconds); }

int thread_count() {
    int count = requested;
    if (count > 0) return count;
    // Children of a fork are mostly workers of a pool of processes, which has a process per processor already.
    return forked || omp_in_parallel() ? 1 : omp_get_max_threads();
}

void run_pieces(const Pieces& pieces, ElementCost& cost) {
    double work = cost.nanoseconds() * double(pieces.elements_per_item) * double(pieces.items);
    double shares = share > 0 ? work / share : 1e9;
    size_t grains = (pieces.items + pieces.grain - 1) / pieces.grain;
    int threads = 1;
    if (shares >= 2 && grains >= 2) threads = int(std::min({double(thread_count()), shares, double(grains)}));
    if (threads <= 1) return run_alone(pieces, cost);

    if (share > 0 && !is_worth_sharing(work)) run_alone(pieces, cost);
    else {
        // Parts last a share or more, but are small enough for even progress where a processor is slow or busy.
        size_t parts = std::min({size_t(threads) * 8, size_t(shares), grains});
        run_shared(pieces, threads, (grains + parts - 1) / parts * pieces.grain, cost);
    }
    latest.store(Clock::now().time_since_epoch(), std::memory_order_relaxed);
}

}  // namespace softfloor
