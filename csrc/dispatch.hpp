// Which table of kernels runs: the best that this CPU supports, or the one asked for.
#pragma once
#include "kernels.hpp"

namespace softfloor {

constexpr int maximum_tables = 4;

// The tables compiled into this build that the CPU can run, best first; count is at least 1.
struct AvailableTables {
    const KernelTable* tables[maximum_tables];
    int count;
};
const AvailableTables& available_tables();

const KernelTable& current_table();
// False, and nothing changed, if no available table has that name.
bool use_table(const char* instruction_set);

}  // namespace softfloor
