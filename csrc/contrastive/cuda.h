// The contrastive op on CUDA: raw pointers and a stream, no torch. Launchers return a cudaError_t.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace skelbench::contrastive {

enum class Arithmetic { kBfloat16, kTf32, kFloat, kDouble };

// What multiplies (first three) and what sums: double for kDouble, float otherwise.
struct CudaProblem {
    Arithmetic arithmetic;
    bool deterministic;   // one thread block per anchor tile, no atomics between blocks, half again the work
    const void* anchors;  // (n, d) of __nv_bfloat16, float or double
    const void* contrasts;  // (m, d); anchors in the square form
    const int64_t* labels;
    const int64_t* contrast_labels;
    int64_t n, m, d;
    bool square;
    bool has_self;
    int64_t self_offset;  // anchor i is contrast i + self_offset
    double temperature, k1, k2;
};

// Bytes of scratch memory for either launcher.
int64_t cuda_scratch_bytes(const CudaProblem& problem);

// Per anchor: loss (sum's type), lse = log D (double), positives.
int cuda_forward(const CudaProblem& problem, void* scratch, void* loss, double* lse, int64_t* positives,
                 cudaStream_t stream);

// grad (n,) and the gradients (n, d), (m, d) are of the sum's type; a null gradient is not computed.
int cuda_backward(const CudaProblem& problem, void* scratch, const void* grad, const double* lse,
                  const int64_t* positives, void* grad_anchors, void* grad_contrasts, cudaStream_t stream);

}  // namespace skelbench::contrastive
