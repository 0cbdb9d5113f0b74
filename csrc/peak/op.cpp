// The op with which the benchmarks measure the fastest arithmetic of the level in force.
#include <torch/csrc/stable/library.h>
#include <torch/headeronly/util/Exception.h>

#include <atomic>
#include <string>

#include "isa/dispatch.h"
#include "isa/parallel.h"
#include "peak/kernels.h"

namespace skelbench::peak {
namespace {

// Runs `rounds` rounds in each of torch's threads and returns the flops of all; 0 where the level in force
// has no arithmetic of this dtype.
double peak(std::string dtype, int64_t rounds) {
    STD_TORCH_CHECK(dtype == "float32" || dtype == "bfloat16",
                    "peak: dtype must be float32 or bfloat16, not ", dtype);
    STD_TORCH_CHECK(rounds > 0, "peak: rounds must be positive, not ", rounds);
    const Run run = dtype == "float32" ? dispatch<&Kernels::f32>() : dispatch<&Kernels::bf16>();
    if (!run) return 0;
    struct Shared {
        Run run;
        int64_t rounds;
        std::atomic<double> flops{0};
    } shared{run, rounds};
    const auto body = [](int64_t begin, int64_t end, void* context) {
        Shared& all = *static_cast<Shared*>(context);
        for (int64_t i = begin; i < end; ++i) {
            float sink = 0;
            const double flops = all.run(all.rounds, 0.5f, &sink);
            // The condition holds. It keeps the compiler from leaving out the chains.
            if (sink > 0) all.flops.fetch_add(flops);
        }
    };
    parallel_ranges(parallel_threads(), 1, body, &shared);
    return shared.flops.load();
}

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    m.def("peak(str dtype, int rounds) -> float");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CompositeExplicitAutograd, m) {
    m.impl("peak", TORCH_BOX(&peak));
}

}  // namespace
}  // namespace skelbench::peak
