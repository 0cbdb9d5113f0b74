// The contrastive op on CUDA: raw pointers and a stream, no torch. Launchers return a cudaError_t.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace skelbench::contrastive {

// The type of the products. The sums are double for kDouble, float otherwise.
enum class Arithmetic { kBfloat16, kTf32, kFloat, kDouble };

struct CudaProblem {
    Arithmetic arithmetic;
    // One thread block per anchor tile, no atomics between blocks, half again the work.
    bool deterministic;
    // (n, d) of __nv_bfloat16, float or double.
    const void* anchors;
    // (m, d), the anchors in the square form.
    const void* contrasts;
    const int64_t* labels;
    const int64_t* contrast_labels;
    int64_t n, m, d;
    bool square;
    bool has_self;
    // Anchor i is contrast i + self_offset.
    int64_t self_offset;
    double temperature, k1, k2;
};

// Whether the tiles of a problem are no more than a launch has thread blocks.
bool cuda_fits(const CudaProblem& problem);

// Bytes of scratch memory for either launcher.
int64_t cuda_scratch_bytes(const CudaProblem& problem);

// Per anchor: loss (of the type of the sums), lse = log D (double), positives.
int cuda_forward(const CudaProblem& problem, void* scratch, void* loss, double* lse, int64_t* positives,
                 cudaStream_t stream);

// grad (n,) and the gradients (n, d), (m, d) are of the type of the sums. A null gradient is not computed.
int cuda_backward(const CudaProblem& problem, void* scratch, const void* grad, const double* lse,
                  const int64_t* positives, void* grad_anchors, void* grad_contrasts, cudaStream_t stream);

}  // namespace skelbench::contrastive
