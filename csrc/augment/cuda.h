// The augment op on CUDA: raw pointers and a stream, no torch. Launchers return a cudaError_t.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "augment/kernels.h"
#include "cuda/scan.h"

namespace skelbench::augment {

// The 2 * count clips of both views.
struct ViewClips {
    int64_t *offsets, *frames, *bodies, *start;
};

// Writes `views` and `begin` (count + 1,), the first row of each clip in a view. `scratch` has room for one
// Scanned. Waits. `found` gets the rows of one view, and the first place of the batch that does not fit.
int describe_cuda(const Batch& batch, int64_t clips, int64_t rows, int64_t length, int64_t max_bodies,
                  const ViewClips& views, int64_t* begin, void* scratch, Scanned* found, cudaStream_t stream);

// Writes batch.views, which has 2 * rows rows. Does not wait.
int views_cuda(const Batch& batch, int64_t rows, cudaStream_t stream);

}  // namespace skelbench::augment
