// Threads for the kernels of one ISA level.
#pragma once
#include "isa/parallel.h"

namespace skelbench::SKELBENCH_ISA {

// Calls f(begin, end) on disjoint ranges that cover [0, count). Each is at least `grain` long.
template <class F>
void parallel_for(int64_t count, int64_t grain, const F& f) {
    parallel_ranges(
        count, grain,
        [](int64_t begin, int64_t end, void* context) { (*static_cast<const F*>(context))(begin, end); },
        const_cast<F*>(&f));
}

}  // namespace skelbench::SKELBENCH_ISA
