// PV-DBOW on CUDA: raw pointers and a stream, no torch.
#pragma once
#include "pv_dbow/kernels.h"

namespace skelbench::pv_dbow {

// What down-sampling leaves of all documents, in device memory.
struct Kept {
    // Those of document d begin at indptr[d], as in Problem::words.
    int32_t* words;
    // (documents,)
    int64_t* count;
};

// Memory of a block, in device memory.
struct Scratch {
    // (longest * negative,), longest as `thin_cuda` finds it.
    int32_t* samples;
    // (block, kSteps, dimensions)
    float* before;
    // (block, kSteps, kRows)
    float* slope;
};

// Each launches on `stream`, a cudaStream_t, and returns a cudaError_t, 0 for success.

// Fills in `kept` for `train_cuda`, and waits for the words of the longest document, which device memory at
// `scratch` holds in between.
int thin_cuda(const Problem& problem, const Kept& kept, int64_t* scratch, int64_t* longest, void* stream);
int train_cuda(const Problem& problem, const Kept& kept, int64_t longest, const Scratch& scratch,
               void* stream);
// `kept` is memory.
int infer_cuda(const Problem& problem, const Kept& kept, void* stream);

}  // namespace skelbench::pv_dbow
