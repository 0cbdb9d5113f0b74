// What the augment op asks of a kernel: plain pointers and sizes, no torch.
#pragma once
#include <cstdint>

#include "isa/levels.h"

namespace skelbench::augment {

struct Batch {
    // The packed dataset, `columns` numbers per row.
    const float* joints;
    // J * 3
    int64_t columns;
    // Per clip of the dataset.
    const int64_t *offsets, *frames, *bodies, *start;
    // (count,), the clips of the batch.
    const int64_t* index;
    int64_t count;
    // (count, 3, 3)
    const float* shear;
    // (count,)
    const bool* reverse;
    // (count + 1,), the first row of each clip in a view.
    const int64_t* begin;
    // (2 * begin[count], columns): the shear views, then the reverse views.
    float* views;
};

struct Kernels {
    void (*views)(const Batch&);

    static const Kernels SKELBENCH_LEVELS;
};

}  // namespace skelbench::augment
