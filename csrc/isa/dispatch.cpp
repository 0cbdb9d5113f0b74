// The run-time choice of the ISA level, and the two ops with which Python sees and sets it.
#include <torch/csrc/stable/library.h>
#include <torch/headeronly/util/Exception.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <atomic>
#include <string>
#include <vector>

#include "isa/kernels.h"

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

// Whether the machine multiplies tiles of bfloat16, and Linux lets this process do so: it keeps room for the
// tiles in a thread's saved state only where that was asked for (Documentation/arch/x86/xstate.rst).
bool has_tiles() {
    constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;  // leaf 7, EDX
    constexpr unsigned kAvx512Bf16 = 1u << 5;                     // leaf 7.1, EAX
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kAmxBf16) == 0 || (d & kAmxTile) == 0) return false;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || (a & kAvx512Bf16) == 0) return false;
#if defined(__linux__)
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
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
                levels.push_back(&dot);
            }
            if (has_tiles()) levels.push_back(&amx_kernels());
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
