// The two ops with which Python sees and sets the ISA level.
#include <torch/csrc/stable/library.h>
#include <torch/headeronly/util/Exception.h>

#include <string>

#include "isa/dispatch.h"

namespace skelbench {
namespace {

std::string isa_levels() {
    std::string names = level_name(0);
    for (int level = 1; level <= best_level(); ++level) names += std::string(" ") + level_name(level);
    return names;
}

// Sets the level in force ("" leaves it) and returns the one that was in force before.
std::string isa_use(std::string name) {
    const std::string before = level_name(active_level());
    if (name.empty()) return before;
    for (int level = 0; level <= best_level(); ++level) {
        if (name == level_name(level)) {
            use_level(level);
            return before;
        }
    }
    STD_TORCH_CHECK(false, "ISA level '", name, "' is not one of this machine's: ", isa_levels());
}

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    m.def("isa_levels() -> str");
    m.def("isa_use(str name) -> str");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CompositeExplicitAutograd, m) {
    m.impl("isa_levels", TORCH_BOX(&isa_levels));
    m.impl("isa_use", TORCH_BOX(&isa_use));
}

}  // namespace
}  // namespace skelbench
