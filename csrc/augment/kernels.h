// What the augment op asks of a kernel: plain pointers and sizes, no torch.
#pragma once
#include <cstdint>

namespace skelbench::augment {

struct Batch {
    const float* joints;                       // the packed dataset, `columns` numbers per row
    int64_t columns;                           // J * 3
    const int64_t *offsets, *frames, *bodies;  // per clip of the dataset
    const int64_t* index;                      // (count,), clips of the batch
    int64_t count;
    const float* shear;    // (count, 3, 3)
    const bool* reverse;   // (count,)
    const int64_t* begin;  // (count + 1,), first row of each clip in a view
    float* views;          // (2 * begin[count], columns): the shear views, then the reverse views
};

struct Kernels {
    void (*views)(const Batch&);
};

}  // namespace skelbench::augment
