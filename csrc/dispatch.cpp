#include "dispatch.hpp"

#include <cstring>
#include <unistd.h>

namespace softfloor {

#if defined(__x86_64__)
extern const KernelTable kernels_x86_64, kernels_v3, kernels_v4;

static AvailableTables find_tables() {
    AvailableTables found = {};
    __builtin_cpu_init();
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
              __builtin_cpu_supports("bmi2");
    bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vl");
    if (v4) found.tables[found.count++] = &kernels_v4;
    if (v3) found.tables[found.count++] = &kernels_v3;
    found.tables[found.count++] = &kernels_x86_64;
    return found;
}
#else
extern const KernelTable kernels_generic;

static AvailableTables find_tables() { return {{&kernels_generic}, 1}; }
#endif

const AvailableTables& available_tables() {
    static const AvailableTables found = find_tables();
    return found;
}

static std::atomic<const KernelTable*> current = available_tables().tables[0];

const KernelTable& current_table() { return *current.load(std::memory_order_relaxed); }

static size_t find_second_level_cache() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
    long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
#else
    long cache = 0;
#endif
    return cache > 0 ? size_t(cache) : size_t(1) << 20;
}
std::atomic<size_t> second_level_cache_bytes{find_second_level_cache()};

bool use_table(const char* instruction_set) {
    const AvailableTables& found = available_tables();
    for (int i = 0; i < found.count; ++i)
        if (!std::strcmp(found.tables[i]->instruction_set, instruction_set)) {
            current = found.tables[i];
            return true;
        }
    return false;
}

}  // namespace softfloor
