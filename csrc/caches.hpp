// How large the caches of this processor are. Which of two ways is faster depends on it, never a result.
#pragma once
#include <cstddef>
#include <unistd.h>

namespace softfloor {

// Of the second or third level, in bytes; 0 where the system does not say.
inline size_t cache_size([[maybe_unused]] int level) {
    long found = 0;
#if defined(_SC_LEVEL2_CACHE_SIZE) && defined(_SC_LEVEL3_CACHE_SIZE)
    found = sysconf(level == 2 ? _SC_LEVEL2_CACHE_SIZE : _SC_LEVEL3_CACHE_SIZE);
#endif
    return found > 0 ? size_t(found) : 0;
}

}  // namespace softfloor
