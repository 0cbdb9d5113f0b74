// The run-time choice of the ISA level, and the two ops with which Python sees and sets it.
#include <torch/csrc/stable/library.h>
#include <torch/headeronly/util/Exception.h>

#include <atomic>
#include <string>
#include <vector>

#include "isa/kernels.h"

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace skelbench {
namespace {

#if defined(__x86_64__)
// The avx512 level with other products for bfloat16 inputs.
Kernels with_bf16(const char* level, const contrastive::Entry<float>& products) {
    Kernels table = avx512_kernels;
    table.level = level;
    table.contrastive.bf16 = &products;
    return table;
}

// Linux lets a process use AMX's tile registers only when it has asked for them.
bool may_use_amx() {
#if defined(__linux__)
    constexpr long kArchReqXcompPerm = 0x1023, kXfeatureXtiledata = 18;
    return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
           syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtiledata) == 0;
#else
    return false;
#endif
}
#endif

std::vector<const Kernels*> find_levels() {
    std::vector<const Kernels*> levels{&scalar_kernels};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
        levels.push_back(&avx2_kernels);
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
            levels.push_back(&avx512_kernels);
            if (__builtin_cpu_supports("avx512bf16")) {
                static const Kernels dot = with_bf16("avx512_bf16", contrastive::avx512_bf16_kernels);
                static const Kernels tiles = with_bf16("amx_bf16", contrastive::amx_bf16_kernels);
                levels.push_back(&dot);
                if (may_use_amx()) levels.push_back(&tiles);
            }
        }
    }
#endif
    return levels;
}

// Levels that this machine can run, the plainest first.
const std::vector<const Kernels*>& available() {
    static const std::vector<const Kernels*> levels = find_levels();
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
