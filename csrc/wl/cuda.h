// Weisfeiler-Lehman subtrees on CUDA: raw pointers and a stream, no torch.
#pragma once
#include "wl/kernels.h"

namespace skelbench::wl {

// Launches on `stream`, a cudaStream_t. Returns a cudaError_t, 0 for success.
int subtrees_cuda(const Problem& problem, void* stream);

}  // namespace skelbench::wl
