// Every op's algorithm for one ISA level, and that level's table. Included once per csrc/isa/<level>.cpp,
// which defines SKELBENCH_ISA (the level's namespace) and the vector types f32, i32 and mask in it.
//
// Everything below lives in namespace SKELBENCH_ISA: an inline function shared between translation units of
// different flags could be kept by the linker in the version this machine cannot run.
#include "isa/kernels.h"
#include "isa/parallel.h"

namespace skelbench::SKELBENCH_ISA {

// Calls f(begin, end) on disjoint ranges that cover [0, count), each at least `grain` long.
template <class F>
void parallel_for(int64_t count, int64_t grain, const F& f) {
    parallel_ranges(
        count, grain,
        [](int64_t begin, int64_t end, void* context) { (*static_cast<const F*>(context))(begin, end); },
        const_cast<F*>(&f));
}

}  // namespace skelbench::SKELBENCH_ISA

#include "augment/cpu.h"
#include "contrastive/cpu.h"
#include "ragged/cpu.h"
#include "wl/cpu.h"
