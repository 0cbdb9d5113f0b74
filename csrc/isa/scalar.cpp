// The scalar level: compiled with its own flags, see CMakeLists.txt.
#define SKELBENCH_ISA scalar
#include "isa/scalar.h"
#include "isa/kernels.inc.h"

namespace skelbench {

const Kernels scalar_kernels{.level = "scalar",
                             .contrastive = scalar::contrastive_kernels,
                             .ragged = scalar::ragged_kernels,
                             .augment = scalar::augment_kernels,
                             .wl = scalar::wl_kernels};

namespace contrastive {
const Entry<double> f64_kernels = scalar::contrastive_entry<scalar::Packed<scalar::f64>>;
}

}  // namespace skelbench
