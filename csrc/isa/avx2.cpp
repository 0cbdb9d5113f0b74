// The avx2 level: compiled with its own flags, see CMakeLists.txt.
#define SKELBENCH_ISA avx2
#include "isa/avx2.h"
#include "isa/kernels.inc.h"

namespace skelbench {

const Kernels avx2_kernels{.level = "avx2",
                           .contrastive = avx2::contrastive_kernels,
                           .ragged = avx2::ragged_kernels,
                           .augment = avx2::augment_kernels,
                           .wl = avx2::wl_kernels};

}  // namespace skelbench
