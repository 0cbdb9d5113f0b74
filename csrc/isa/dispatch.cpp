// Which ISA levels the machine has, and which one is in force.
#include "isa/dispatch.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <atomic>
#include <iterator>

namespace skelbench {
namespace {

#if defined(__x86_64__)
bool has_avx2() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}

bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool has_avx512_bf16() {
    return __builtin_cpu_supports("avx512bf16");
}

// Whether the machine multiplies tiles of bfloat16, and Linux lets this process do so. Linux reserves room
// for the tiles in a thread's saved state only on request (Documentation/arch/x86/xstate.rst).
bool has_amx() {
    // Leaf 7, EDX.
    constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kAmxBf16) == 0 || (d & kAmxTile) == 0) return false;
#if defined(__linux__)
    // ARCH_REQ_XCOMP_PERM and XFEATURE_XTILEDATA.
    constexpr long kRequestPermission = 0x1023, kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
    return false;
#endif
}
#endif

struct Level {
    const char* name;
    bool (*present)();
};

// The plainest first, as in levels.h. Every level requires the ones before it.
constexpr Level kLevels[] = {
    {"scalar", [] { return true; }},
#if defined(__x86_64__)
    {"avx2", has_avx2},
    {"avx512", has_avx512},
    {"avx512_bf16", has_avx512_bf16},
    {"amx", has_amx},
#elif defined(__aarch64__)
    // Part of the architecture.
    {"neon", [] { return true; }},
#endif
};

std::atomic<int>& active() {
    static std::atomic<int> level{best_level()};
    return level;
}

}  // namespace

const char* level_name(int level) {
    return level < static_cast<int>(std::size(kLevels)) ? kLevels[level].name : nullptr;
}

int best_level() {
    static const int best = [] {
        int level = 0;
        while (level_name(level + 1) && kLevels[level + 1].present()) ++level;
        return level;
    }();
    return best;
}

int active_level() {
    return active().load(std::memory_order_relaxed);
}

void use_level(int level) {
    active() = level;
}

}  // namespace skelbench
