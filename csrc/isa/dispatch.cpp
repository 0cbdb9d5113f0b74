// The run-time choice of the ISA level, and the two ops with which Python sees and sets it.
#include <torch/csrc/stable/library.h>
#include <torch/headeronly/util/Exception.h>

#include <atomic>
#include <string>
#include <vector>

#include "isa/kernels.h"

namespace skelbench {
namespace {

// Levels that this machine can run, the plainest first.
std::vector<const Kernels*> available() {
    std::vector<const Kernels*> levels{&scalar_kernels};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
        levels.push_back(&avx2_kernels);
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
            levels.push_back(&avx512_kernels);
        }
    }
#endif
    return levels;
}

std::atomic<const Kernels*>& active() {
    static std::atomic<const Kernels*> table{available().back()};
    return table;
}

std::string isa_levels() {
    std::string names;
    for (const Kernels* level : available()) names += (names.empty() ? "" : " ") + std::string(level->level);
    return names;
}

// Makes `name` the level in force ("" leaves it) and returns the one in force before.
std::string isa_use(std::string name) {
    const std::string before = kernels().level;
    if (name.empty()) return before;
    for (const Kernels* level : available()) {
        if (name == level->level) {
            active() = level;
            return before;
        }
    }
    STD_TORCH_CHECK(false, "ISA level '", name, "' is not one of this machine's: ", isa_levels());
}

}  // namespace

const Kernels& kernels() {
    return *active().load(std::memory_order_relaxed);
}

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    m.def("isa_levels() -> str");
    m.def("isa_use(str name) -> str");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CompositeExplicitAutograd, m) {
    m.impl("isa_levels", TORCH_BOX(&isa_levels));
    m.impl("isa_use", TORCH_BOX(&isa_use));
}

}  // namespace skelbench
