// parallel_ranges on torch's thread pool.
#include "isa/parallel.h"

#include <torch/csrc/stable/ops.h>

#include <algorithm>

namespace skelbench {

void parallel_ranges(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void*), void* context) {
    // torch divides into ceil(count / grain) ranges at most, which may be shorter than the grain.
    const int64_t ranges = std::max<int64_t>(count / grain, 1);
    torch::stable::parallel_for(0, count, (count + ranges - 1) / ranges,
                                [&](int64_t begin, int64_t end) { body(begin, end, context); });
}

int64_t parallel_threads() {
    return torch::stable::get_num_threads();
}

}  // namespace skelbench
