// Sums of embeddings and their gradients on CUDA: raw pointers and a stream, no torch.
#pragma once
#include "bag/kernels.h"

namespace skelbench::bag {

// Memory of the gradients, in device memory.
struct Scratch {
    // (bags, tokens / repeats)
    float* share;
    // (entries, dimensions), zeros.
    int64_t* sum;
    // (1,)
    float* bound;
};

// Each launches on `stream`, a cudaStream_t, and returns a cudaError_t, 0 for success.

// As in Kernels.
int sums_cuda(const Problem& problem, const float* table, float* bags, float* parts, void* stream);
int gradients_cuda(const Problem& problem, const float* parts, const float* grad, const Scratch& scratch,
                   float* table_grad, float* weight_grad, void* stream);

}  // namespace skelbench::bag
