// The avx512 level: compiled with its own flags, see CMakeLists.txt.
#define SKELBENCH_ISA avx512
#include "isa/avx512.h"
#include "isa/kernels.inc.h"

namespace skelbench {

const Kernels avx512_kernels{.level = "avx512",
                             .contrastive = avx512::contrastive_kernels,
                             .ragged = avx512::ragged_kernels,
                             .augment = avx512::augment_kernels,
                             .wl = avx512::wl_kernels};

}  // namespace skelbench
