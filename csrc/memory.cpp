// A fresh large block costs a page fault per page when it is first written, several times what computing into it costs.
// So freed blocks are kept for a moment, within bounds. A block that nobody has taken back after a while is the
// kernel's for the taking (MADV_FREE). Not at once: that makes the other processors forget its addresses, and each page
// that is written again takes a moment longer; a relu of 1e6 elements in two threads took 130 us instead of 65.
#include "memory.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <pthread.h>
#include <sys/mman.h>
#include <system_error>
#include <thread>

namespace softfloor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t line = 64, page = 4096, huge_page = size_t(1) << 21;

// Stands before every block.
struct alignas(line) Header {
    void* mapping;    // what munmap takes; null for a block of the C library
    size_t mapped;    // its size
    size_t capacity;  // of the block
};
static_assert(sizeof(Header) <= line);
Header& header_of(void* memory) { return *reinterpret_cast<Header*>(static_cast<char*>(memory) - line); }

size_t rounded_up(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

// The block begins at a huge page; its header ends the page before. The mapping is cut to size on both sides.
void* map_block(size_t size) {
    size_t capacity = rounded_up(size, page);
    // The rest beyond whole huge pages becomes a huge page, too, where at least half of it is used.
    if (capacity % huge_page >= huge_page / 2) capacity = rounded_up(capacity, huge_page);
    size_t reserved = page + capacity + huge_page;
    void* start = mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return nullptr;
    char* memory = reinterpret_cast<char*>(rounded_up(reinterpret_cast<uintptr_t>(start) + page, huge_page));
    char *first = memory - page, *end = memory + capacity, *reserved_end = static_cast<char*>(start) + reserved;
    if (first > start) munmap(start, size_t(first - static_cast<char*>(start)));
    if (reserved_end > end) munmap(end, size_t(reserved_end - end));
#ifdef MADV_HUGEPAGE
    madvise(memory, capacity / huge_page * huge_page, MADV_HUGEPAGE);
#endif
    header_of(memory) = {first, size_t(end - first), capacity};
    return memory;
}

void unmap(void* memory) {
    Header header = header_of(memory);
    munmap(header.mapping, header.mapped);
}

constexpr int most_blocks = 16;

enum class Offer { not_yet, under_way, made };  // to the kernel

struct Kept {
    void* memory;
    Clock::time_point since;
    Offer offer = Offer::not_yet;
};
constexpr std::chrono::milliseconds until_offered{50};

// Taken out of the cache under its lock, given back to the system when the lock is open again.
struct Discarded {
    void* blocks[most_blocks + 1];
    int count = 0;
    size_t bytes = 0;
    Discarded() = default;
    Discarded(const Discarded&) = delete;
    ~Discarded() {
        for (int i = 0; i < count; ++i) unmap(blocks[i]);
    }
    void add(const Kept& block) {
        bytes += header_of(block.memory).capacity;
        // Given back now, it could leave the offer to another mapping in its place: offer() gives this one back.
        if (block.offer != Offer::under_way) blocks[count++] = block.memory;
    }
};

// The freed blocks, oldest first.
struct Cache {
    std::mutex mutex;
    Kept blocks[most_blocks];
    int count = 0;
    size_t bytes = 0;
    // 256 MiB hold two float32 results of 3e7 elements. A second later the page faults are no great part of the time.
    MemoryLimits limits{size_t(256) << 20, 1.0};
    bool attended = false;  // a thread waits for the blocks to expire

    Kept take(int i) {
        Kept block = blocks[i];
        std::copy(blocks + i + 1, blocks + count, blocks + i);
        --count;
        bytes -= header_of(block.memory).capacity;
        return block;
    }
    void keep(void* memory, Discarded& discarded) {
        size_t capacity = header_of(memory).capacity;
        trim(capacity, discarded);
        if (count == most_blocks) discarded.add(take(0));
        blocks[count++] = {memory, Clock::now()};
        bytes += capacity;
    }
    // The oldest block that is to be offered to the kernel by now, or none.
    Kept* find_idle() {
        for (int i = 0; i < count; ++i)
            if (blocks[i].offer == Offer::not_yet && Clock::now() - blocks[i].since >= until_offered) return &blocks[i];
        return nullptr;
    }
    // When the next block is to be offered or dropped.
    Clock::time_point next_event() const {
        Clock::time_point next = blocks[0].since + allowed();
        for (int i = 0; i < count; ++i)
            if (blocks[i].offer == Offer::not_yet) next = std::min(next, blocks[i].since + until_offered);
        return next;
    }
    Clock::duration allowed() const {
        return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limits.seconds));
    }
    // Drops what is too old, and the oldest until `more` bytes fit.
    void trim(size_t more, Discarded& discarded) {
        Clock::time_point now = Clock::now();
        while (count && (now - blocks[0].since >= allowed() || bytes + more > limits.bytes)) discarded.add(take(0));
    }
    void* find(size_t size) {
        int best = -1;
        for (int i = 0; i < count; ++i) {
            size_t capacity = header_of(blocks[i].memory).capacity;
            bool fits = capacity >= size && capacity - size <= std::max(size / 4, huge_page / 2);
            if (blocks[i].offer != Offer::under_way && fits &&
                (best < 0 || capacity <= header_of(blocks[best].memory).capacity))
                best = i;
        }
        return best < 0 ? nullptr : take(best).memory;
    }
};

// Never destroyed: arrays may be freed while the process ends.
Cache& cache = *new Cache;

[[maybe_unused]] const int fork_handlers =
    pthread_atfork([] { cache.mutex.lock(); }, [] { cache.mutex.unlock(); },
                   [] {  // the child would pay for copies of the pages: it starts without
                       Cache& own = cache;
                       MemoryLimits limits = own.limits;
                       for (int i = 0; i < own.count; ++i) unmap(own.blocks[i].memory);
                       new (&own) Cache;
                       own.limits = limits;
                   });

// Outside of the lock: it takes milliseconds for a large block, which stays in the cache meanwhile unless it is
// dropped.
void offer(void* memory) {
#ifdef MADV_FREE
    madvise(memory, header_of(memory).capacity, MADV_FREE);
#endif
    Discarded discarded;
    std::scoped_lock lock(cache.mutex);
    Kept* end = cache.blocks + cache.count;
    Kept* block = std::find_if(cache.blocks, end, [memory](const Kept& kept) { return kept.memory == memory; });
    if (block != end) block->offer = Offer::made;
    else discarded.add({memory, {}});
}

// Runs while anything is kept, so that it goes back to the system in time even if softfloor is never called again.
void attend() {
    for (;;) {
        Clock::time_point next;
        void* idle = nullptr;
        {
            Discarded discarded;
            std::scoped_lock lock(cache.mutex);
            cache.trim(0, discarded);
            if (cache.count == 0) {
                cache.attended = false;
                return;
            }
            next = cache.next_event();
            if (Kept* block = cache.find_idle()) {
                block->offer = Offer::under_way;
                idle = block->memory;
            }
        }
        if (idle) offer(idle);
        // Limits may change meanwhile: look again from time to time.
        else std::this_thread::sleep_until(std::min(next, Clock::now() + std::chrono::seconds(1)));
    }
}

bool start_attendant() {
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);  // signals are for the program's own threads
    bool started = true;
    try {
        std::thread(attend).detach();
    } catch (const std::system_error&) {
        started = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
}

void* allocate_small(size_t size) {
    void* start = nullptr;
    if (posix_memalign(&start, line, line + size)) return nullptr;
    void* memory = static_cast<char*>(start) + line;
    header_of(memory) = {nullptr, 0, size};
    return memory;
}

// zeroed tells whether the block is fresh from the system.
void* allocate_block(size_t size, bool& zeroed) {
    zeroed = false;
    if (size > PTRDIFF_MAX - 2 * huge_page) return nullptr;
    if (size < smallest_recycled) return allocate_small(size);
    {
        Discarded discarded;
        std::scoped_lock lock(cache.mutex);
        cache.trim(0, discarded);
        if (void* memory = cache.find(size)) return memory;
    }
    zeroed = true;
    void* memory = map_block(size);
    if (!memory && release_kept()) memory = map_block(size);
    return memory;
}

}  // namespace

void* allocate(size_t size) {
    bool zeroed;
    return allocate_block(size, zeroed);
}

void* allocate_zeroed(size_t size) {
    bool zeroed;
    void* memory = allocate_block(size, zeroed);
    return memory && !zeroed ? std::memset(memory, 0, size) : memory;
}

void* reallocate(void* memory, size_t size) {
    if (!memory) return allocate(size);
    size_t capacity = header_of(memory).capacity;
    if (size <= capacity && size >= capacity / 2) return memory;
    void* other = allocate(size);
    if (!other) return nullptr;  // the old block stays as it is
    std::memcpy(other, memory, std::min(size, capacity));
    release(memory);
    return other;
}

void release(void* memory) {
    if (!memory) return;
    if (!header_of(memory).mapping) return std::free(&header_of(memory));
    Discarded discarded;
    std::scoped_lock lock(cache.mutex);
    if (header_of(memory).capacity > cache.limits.bytes) return discarded.add({memory, {}});
    if (!cache.attended) cache.attended = start_attendant();
    if (!cache.attended) return discarded.add({memory, {}});
    cache.keep(memory, discarded);
}

MemoryLimits memory_limits() {
    std::scoped_lock lock(cache.mutex);
    return cache.limits;
}
void set_memory_limits(MemoryLimits limits) {
    Discarded discarded;
    std::scoped_lock lock(cache.mutex);
    cache.limits = limits;
    cache.trim(0, discarded);
}

size_t kept_bytes() {
    std::scoped_lock lock(cache.mutex);
    return cache.bytes;
}
size_t release_kept() {
    Discarded discarded;
    std::scoped_lock lock(cache.mutex);
    while (cache.count) discarded.add(cache.take(0));
    return discarded.bytes;
}

}  // namespace softfloor
