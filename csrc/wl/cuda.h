// The CUDA side of the op: raw device pointers and a stream.
#pragma once
#include "wl/kernels.h"

namespace skelbench::wl {

// Launches on `stream` (a cudaStream_t) and returns a cudaError_t, 0 where all is well.
int subtrees_cuda(const Problem& problem, void* stream);

}  // namespace skelbench::wl
