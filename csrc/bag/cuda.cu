// Sums of embeddings and their gradients on CUDA. A warp has a bag, and goes through its tokens in order, so
// a sum has the bits of the CPU's.
//
// The gradient of the table adds up the tokens of each row in whichever order their warps arrive. To repeat
// its bits it is summed as whole numbers of a quantum: 2^-62 of a power of two that no sum of all tokens can
// exceed. That is finer than float32 by ten bits and more. Where a gradient is not finite, there is no such
// power, and the whole result is NaN.
#include <cuda_runtime.h>

#include <cmath>

#include "bag/cuda.h"
#include "bag/dropout.h"
#include "cuda/warp.cuh"

namespace skelbench::bag {
namespace {

constexpr int64_t kMostBlocks = 1 << 20;
constexpr int kThreads = 256;
// Numbers of an embedding that a lane adds up at a time.
constexpr int kHeld = 4;

// Calls f(row) for each token of a group that counts, in order. One warp calls.
template <class F>
__device__ void for_tokens(const Problem& p, int64_t bag, int64_t group, const F& f) {
    __shared__ int32_t found[kLanes];
    const uint32_t start = stream(p.seed, p.first + bag), limit = least(p.dropout);
    const int32_t* const rows = p.rows + bag * p.tokens;
    const int64_t end = (group + 1) * p.repeats;
    for (int64_t first = group * p.repeats; first < end; first += kLanes) {
        const int64_t i = first + threadIdx.x;
        const bool stays_here = i < end && stays(start, i, limit) && p.known[rows[i]];
        found[threadIdx.x] = i < end ? rows[i] : 0;
        __syncthreads();
        for (unsigned votes = __ballot_sync(kAllLanes, stays_here); votes; votes &= votes - 1)
            f(found[first_lane(votes)]);
        __syncthreads();
    }
}

__global__ void sums(Problem p, const float* table, float* bags, float* parts) {
    const int64_t n = p.dimensions, groups = p.tokens / p.repeats;
    for (int64_t bag = blockIdx.x; bag < p.bags; bag += gridDim.x)
        for (int64_t first = threadIdx.x; first - threadIdx.x < n; first += kLanes * kHeld) {
            float total[kHeld] = {};
            for (int64_t group = 0; group < groups; ++group) {
                float sum[kHeld] = {};
                for_tokens(p, bag, group, [&](int64_t row) {
#pragma unroll
                    for (int k = 0; k < kHeld; ++k)
                        if (first + k * kLanes < n) sum[k] += table[row * n + first + k * kLanes];
                });
                const float factor = p.weight[group] * scale(p.dropout);
#pragma unroll
                for (int k = 0; k < kHeld; ++k) {
                    total[k] = fmaf(factor, sum[k], total[k]);
                    if (first + k * kLanes < n)
                        parts[(bag * groups + group) * n + first + k * kLanes] = sum[k];
                }
            }
#pragma unroll
            for (int k = 0; k < kHeld; ++k)
                if (first + k * kLanes < n) bags[bag * n + first + k * kLanes] = total[k];
        }
}

// The share of each bag in the gradient of each weight.
__global__ void shares(Problem p, const float* parts, const float* grad, float* share) {
    const int64_t n = p.dimensions, groups = p.tokens / p.repeats;
    for (int64_t i = blockIdx.x; i < p.bags * groups; i += gridDim.x) {
        float product = 0.0f;
        for (int64_t k = threadIdx.x; k < n; k += kLanes)
            product = fmaf(parts[i * n + k], grad[i / groups * n + k], product);
        product = warp_sum(product);
        if (threadIdx.x == 0) share[i] = scale(p.dropout) * product;
    }
}

// A thread block per group.
__global__ void add_shares(int64_t bags, const float* share, float* weight_grad) {
    __shared__ float part[kThreads];
    float sum = 0.0f;
    for (int64_t bag = threadIdx.x; bag < bags; bag += kThreads) sum += share[bag * gridDim.x + blockIdx.x];
    part[threadIdx.x] = sum;
    for (unsigned half = kThreads / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    }
    if (threadIdx.x == 0) weight_grad[blockIdx.x] = part[0];
}

__device__ float larger(float most, float x) {
    const float size = fabsf(x);
    return size < INFINITY ? fmaxf(most, size) : INFINITY;
}

// No token adds more to a number of the table's gradient. One thread block.
__global__ void bound_of(Problem p, const float* grad, float* bound) {
    __shared__ float most[kThreads];
    float sizes = 0.0f, factor = 0.0f;
    for (int64_t i = threadIdx.x; i < p.bags * p.dimensions; i += kThreads) sizes = larger(sizes, grad[i]);
    for (int64_t group = 0; group < p.tokens / p.repeats; ++group)
        factor = larger(factor, scale(p.dropout) * p.weight[group]);
    most[threadIdx.x] = sizes;
    for (unsigned half = kThreads / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) most[threadIdx.x] = fmaxf(most[threadIdx.x], most[threadIdx.x + half]);
    }
    if (threadIdx.x == 0) *bound = larger(0.0f, factor * most[0]);
}

// Quanta in 1, as a power of two, where up to 2^bits numbers of size `bound` are added.
__device__ int exponent(float bound, int bits) {
    return bound > 0.0f ? 62 - bits - (ilogbf(bound) + 1) : 0;
}

__global__ void scatter(Problem p, const float* grad, const float* bound, int bits, int64_t* sum) {
    if (*bound == INFINITY) return;
    const int shift = exponent(*bound, bits);
    for (int64_t bag = blockIdx.x; bag < p.bags; bag += gridDim.x)
        for (int64_t group = 0; group < p.tokens / p.repeats; ++group) {
            const float factor = scale(p.dropout) * p.weight[group];
            for (int64_t i = threadIdx.x; i - threadIdx.x < p.dimensions; i += kLanes) {
                const bool inside = i < p.dimensions;
                const float part = inside ? factor * grad[bag * p.dimensions + i] : 0.0f;
                const long long quanta = llrint(scalbn(static_cast<double>(part), shift));
                for_tokens(p, bag, group, [&](int64_t row) {
                    if (inside)
                        atomicAdd(reinterpret_cast<unsigned long long*>(sum + row * p.dimensions + i),
                                  static_cast<unsigned long long>(quanta));
                });
            }
        }
}

__global__ void finish(int64_t count, const float* bound, int bits, const int64_t* sum, float* table_grad) {
    const int shift = exponent(*bound, bits);
    for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count;
         i += gridDim.x * int64_t{kThreads})
        table_grad[i] =
            *bound < INFINITY ? static_cast<float>(scalbn(static_cast<double>(sum[i]), -shift)) : NAN;
}

unsigned grid(int64_t blocks) {
    return static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
}

}  // namespace

int sums_cuda(const Problem& p, const float* table, float* bags, float* parts, void* stream) {
    const auto queue = static_cast<cudaStream_t>(stream);
    if (p.bags > 0) sums<<<grid(p.bags), kLanes, 0, queue>>>(p, table, bags, parts);
    return cudaGetLastError();
}

int gradients_cuda(const Problem& p, const float* parts, const float* grad, const Scratch& scratch,
                   float* table_grad, float* weight_grad, void* stream) {
    const auto queue = static_cast<cudaStream_t>(stream);
    const int64_t numbers = p.entries * p.dimensions;
    int bits = 0;
    while (bits < 62 && int64_t{1} << bits < p.bags * p.tokens) ++bits;
    if (p.bags > 0)
        shares<<<grid(p.bags * (p.tokens / p.repeats)), kLanes, 0, queue>>>(p, parts, grad, scratch.share);
    add_shares<<<grid(p.tokens / p.repeats), kThreads, 0, queue>>>(p.bags, scratch.share, weight_grad);
    bound_of<<<1, kThreads, 0, queue>>>(p, grad, scratch.bound);
    if (p.bags > 0) scatter<<<grid(p.bags), kLanes, 0, queue>>>(p, grad, scratch.bound, bits, scratch.sum);
    if (numbers > 0)
        finish<<<grid((numbers + kThreads - 1) / kThreads), kThreads, 0, queue>>>(
            numbers, scratch.bound, bits, scratch.sum, table_grad);
    return cudaGetLastError();
}

}  // namespace skelbench::bag
