// Kernels with one fault each, which the stand-in runtime must find. `wrong` = 0 leaves the fault out.
#include <cuda_runtime.h>
#include <mma.h>

namespace {

constexpr int kThreads = 64;

__global__ void beyond_global(float* x, int64_t count, int64_t wrong) {
    if (threadIdx.x < count + wrong) x[threadIdx.x] = 1;
}
__global__ void before_global(const float* x, float* y, int64_t wrong) {
    if (threadIdx.x == 0) y[0] = x[-wrong];
}
__global__ void beyond_dynamic(float* y, int64_t wrong) {
    extern __shared__ __align__(128) float memory[];
    memory[threadIdx.x + wrong] = float(threadIdx.x);
    __syncthreads();
    y[threadIdx.x] = memory[kThreads - 1 - threadIdx.x];
}
__global__ void beyond_static(float* y, int64_t wrong) {
    __shared__ float memory[kThreads];
    memory[threadIdx.x + wrong] = float(threadIdx.x);
    __syncthreads();
    y[threadIdx.x] = memory[kThreads - 1 - threadIdx.x];
}
__global__ void barrier(float* y, int64_t wrong) {
    if (threadIdx.x == 5 && wrong) return;
    __syncthreads();
    y[threadIdx.x] = float(kThreads - 1 - threadIdx.x);
}
__global__ void half_a_warp(float* y, int64_t wrong) {
    float x = float(threadIdx.x);
    if (!wrong || threadIdx.x % 32 < 16) x = __shfl_xor_sync(0xffffffffu, x, 1);
    y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, float(kThreads - 1) - x, 1);
}
__global__ void left_lane(float* y, int64_t wrong) {
    if (threadIdx.x == 40 && wrong) return;
    y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, float(kThreads - 1 - (threadIdx.x ^ 1)), 1);
}
__global__ void askew(float* y, int64_t wrong) {
    extern __shared__ __align__(128) float memory[];
    for (int i = threadIdx.x; i < 320; i += kThreads) memory[i] = float(kThreads - 1);
    __syncthreads();
    nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 8, float> sum;
    nvcuda::wmma::load_matrix_sync(sum, memory + wrong, 16, nvcuda::wmma::mem_row_major);
    y[threadIdx.x] = sum.x[0] - float(threadIdx.x);
}
__global__ void askew_vector(float* y, int64_t wrong) {
    __shared__ float4 memory[kThreads];
    memory[threadIdx.x].x = memory[threadIdx.x].w = float(kThreads - 1 - threadIdx.x);
    __syncthreads();
    const float* at = &memory[threadIdx.x].x - (threadIdx.x == 7 ? wrong : 0);
    y[threadIdx.x] = reinterpret_cast<const float4*>(at)->w;
}
// Without a barrier, what a thread reads depends on who was there before.
__global__ void race(float* y, int64_t wrong) {
    __shared__ float memory[kThreads];
    memory[threadIdx.x] = -1;
    __syncthreads();
    memory[threadIdx.x] = float(threadIdx.x);
    if (!wrong) __syncthreads();
    y[threadIdx.x] = memory[kThreads - 1 - threadIdx.x];
}
// Blocks that add without an atomic are found by the bits, where one block's sum is another's start.
__global__ void first_block(float* y, int64_t wrong) {
    if (wrong ? y[0] < 0 : blockIdx.x == 0)
        y[threadIdx.x] = float(wrong ? blockIdx.x : kThreads - 1 - threadIdx.x);
}

}  // namespace

extern "C" {

// name: the place of the kernel in this file.
int faulty(int64_t name, float* x, float* y, int64_t count, int64_t wrong) {
    constexpr int bytes = kThreads * sizeof(float), more = 320 * sizeof(float);
    switch (name) {
        case 0:
            beyond_global<<<1, kThreads, 0, nullptr>>>(y, count, wrong);
            break;
        case 1:
            before_global<<<1, kThreads, 0, nullptr>>>(x, y, wrong);
            break;
        case 2:
            beyond_dynamic<<<1, kThreads, bytes, nullptr>>>(y, wrong);
            break;
        case 3:
            beyond_static<<<1, kThreads, 0, nullptr>>>(y, wrong);
            break;
        case 4:
            barrier<<<1, kThreads, 0, nullptr>>>(y, wrong);
            break;
        case 5:
            half_a_warp<<<1, kThreads, 0, nullptr>>>(y, wrong);
            break;
        case 6:
            left_lane<<<1, kThreads, 0, nullptr>>>(y, wrong);
            break;
        case 7:
            askew<<<1, kThreads, more, nullptr>>>(y, wrong);
            break;
        case 8:
            race<<<1, kThreads, 0, nullptr>>>(y, wrong);
            break;
        case 9:
            first_block<<<5, kThreads, 0, nullptr>>>(y, wrong);
            break;
        case 10:
            barrier<<<1 - wrong, kThreads, 0, nullptr>>>(y, 0);
            break;
        case 11:
            beyond_dynamic<<<1, kThreads, wrong ? 64 * 1024 : bytes, nullptr>>>(y, 0);
            break;
        case 12:
            barrier<<<1, kThreads + 1024 * wrong, 0, nullptr>>>(y, 0);
            break;
        case 13:
            askew_vector<<<1, kThreads, 0, nullptr>>>(y, wrong);
            break;
    }
    return cudaGetLastError();
}
}
