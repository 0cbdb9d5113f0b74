// The fastest arithmetic of a level: products and sums in registers, without memory. The benchmarks' bound.
#pragma once
#include <cstdint>

#include "isa/levels.h"

namespace skelbench::peak {

// One thread's part: `rounds` rounds of independent chains of multiply-adds, begun with `seed`. Writes a
// number that depends on all of them, and returns the flops.
using Run = double (*)(int64_t rounds, float seed, float* sink);

struct Kernels {
    Run f32 = nullptr;
    // Products of bfloat16, summed in float. Null where no level multiplies them.
    Run bf16 = nullptr;

    static const Kernels SKELBENCH_LEVELS;
};

}  // namespace skelbench::peak
