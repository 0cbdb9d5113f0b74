// Threads for the kernels of one ISA level.
#pragma once
#include "isa/parallel.h"

namespace skelbench::SKELBENCH_ISA {

// Calls f(begin, end) on disjoint ranges that cover [0, count). Each is at least `grain` long, or the whole.
// Where there is work for one thread only, the calling thread does it and waits for no other.
template <class F>
void parallel_for(int64_t count, int64_t grain, const F& f) {
    if (count < 2 * grain) {
        if (count > 0) f(int64_t{0}, count);
        return;
    }
    parallel_ranges(
        count, grain,
        [](int64_t begin, int64_t end, void* context) { (*static_cast<const F*>(context))(begin, end); },
        const_cast<F*>(&f));
}

}  // namespace skelbench::SKELBENCH_ISA
