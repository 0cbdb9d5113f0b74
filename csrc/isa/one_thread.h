// The threads of a program without torch: one.
#pragma once
#include "isa/parallel.h"

namespace skelbench {

void parallel_ranges(int64_t count, int64_t, void (*body)(int64_t, int64_t, void*), void* context) {
    if (count > 0) body(0, count, context);
}

int64_t parallel_threads() {
    return 1;
}

}  // namespace skelbench
