// The streams op on CUDA: raw pointers and a stream, no torch.
#pragma once
#include <cuda_runtime.h>

#include "streams/kernels.h"

namespace skelbench::streams {

// Floats that streams_cuda needs besides its result.
int64_t scratch_floats(const Batch& batch);

// Writes batch.out and batch.present, and returns a cudaError_t. Does not wait. For a clip outside its rows,
// or a value outside its range, the kernel prints a message and stops the device.
int streams_cuda(const Batch& batch, float* scratch, cudaStream_t stream);

}  // namespace skelbench::streams
