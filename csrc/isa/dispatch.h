// The choice of an op's kernels at run time, among those compiled for each ISA level.
//
// An op declares its kernels as a struct of function pointers, with one table per level:
//
//     struct Kernels {
//         void (*scale)(const float* x, int64_t n, float* out);
//         static const Kernels SKELBENCH_LEVELS;
//     };
//
// csrc/<op>/cpu.cpp is compiled once per level and defines the level's table:
//
//     constinit const Kernels Kernels::SKELBENCH_ISA{.scale = SKELBENCH_ISA::scale};
//
// A call is `dispatch<&Kernels::scale>()(x, n, out)`. A level may leave null what it does no better than the
// plainer ones.
#pragma once
#include "isa/levels.h"

namespace skelbench {

// The name of a level, or null beyond the last.
const char* level_name(int level);

// The best level that this machine can run. It can run all plainer ones too.
int best_level();

// The level in force: the best one, unless use_level has set another.
int active_level();

// Sets the level in force, for all threads. level <= best_level().
void use_level(int level);

// A kernel at the level in force, or at the next plainer level that has it. Null if none has.
template <class Kernels, class Kernel>
Kernel kernel_in_force(Kernel Kernels::* kernel) {
    static constexpr const Kernels* kTables[] = {
        &Kernels::scalar,
#if defined(__x86_64__)
        &Kernels::avx2,   &Kernels::avx512, &Kernels::avx512_bf16, &Kernels::amx,
#elif defined(__aarch64__)
        &Kernels::neon,
#endif
    };
    int level = active_level();
    while (level > 0 && !(kTables[level]->*kernel)) --level;
    return kTables[level]->*kernel;
}

// The same: dispatch<&Kernels::scale>()(x, n, out).
template <auto kernel>
auto dispatch() {
    return kernel_in_force(kernel);
}

}  // namespace skelbench
