// Memory for large results: huge pages, and freed blocks kept for the next call for a short while.
#pragma once
#include <cstddef>

namespace softfloor {

// A block below this size comes from the C library, which recycles such blocks itself.
constexpr size_t smallest_recycled = size_t(1) << 21;

// Like malloc, calloc, realloc and free, but aligned to a cache line (large blocks: to a huge page).
void* allocate(size_t size);
void* allocate_zeroed(size_t size);
void* reallocate(void* memory, size_t size);
void release(void* memory);

// Freed blocks are kept up to `bytes` in all and `seconds` each. 0 bytes keep nothing.
struct MemoryLimits {
    size_t bytes;
    double seconds;
};
MemoryLimits memory_limits();
void set_memory_limits(MemoryLimits limits);

size_t kept_bytes();
// Gives all kept blocks back to the system; returns how many bytes that were.
size_t release_kept();

}  // namespace softfloor
