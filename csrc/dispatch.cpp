#include "dispatch.hpp"

#include <atomic>
#include <cstring>

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
