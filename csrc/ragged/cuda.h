// The padding-free layers on CUDA: raw pointers and a stream, no torch. Launchers return a cudaError_t.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/scan.h"
#include "ragged/clips.h"
#include "ragged/kernels.h"

namespace skelbench::ragged {

// The clips of one batch on a device. For a clip outside its padded row, or outside the `rows` packed rows,
// the kernel prints a message and stops the device with an error. Nothing waits for that.
struct CudaBatch {
    Clips clips;
    int64_t rows;
    cudaStream_t stream;
};

// Bytes of scratch memory for project_cuda.
int64_t project_scratch_bytes(const Clips& clips, int64_t units);

// out[clip] = bias + sum over the clip's rows of x[row] * W[its features]. bias (units,) or null.
int project_cuda(const CudaBatch& batch, const float* x, const Weight<const float>& w, const float* bias,
                 void* scratch, float* out);

// W[features] = sum over clips of outer(x[row], g[clip]), zero where no clip has the frame.
int outer_cuda(const CudaBatch& batch, const float* x, const float* g, const Weight<float>& w);

// y[row] = bias[its features] + W[its features] * hidden[clip].
int expand_cuda(const CudaBatch& batch, const float* hidden, const Weight<const float>& w, const float* bias,
                float* y);

// out[features] = sum over clips of x[row].
int sum_cuda(const CudaBatch& batch, const float* x, float* out);

// Writes the offsets of clips whose rows follow each other without gaps. If `found` is given, the function
// waits, and `found` gets the number of rows and the first clip that does not lie within its padded row.
int place_cuda(const Clips& clips, int64_t* offsets, void* scratch, Scanned* found, cudaStream_t stream);

}  // namespace skelbench::ragged
