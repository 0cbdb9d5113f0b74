// A CUDA runtime on one host thread, to run kernels without a GPU: what the kernels here use of it, over
// fibres.h.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "fibres.h"

#define __CUDACC__
#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __align__(bytes) alignas(bytes)
#define __launch_bounds__(...)

using std::isfinite;
using std::isnan;
using std::max;
using std::min;
// As CUDA's, which pass over NaN.
inline float max(float a, float b) {
    return std::fmax(a, b);
}
inline double max(double a, double b) {
    return std::fmax(a, b);
}

using cudaStream_t = void*;
using cudaError_t = int;
constexpr int cudaSuccess = 0, cudaMemcpyDeviceToHost = 0, cudaFuncAttributeMaxDynamicSharedMemorySize = 0;
inline int cudaGetLastError() {
    return fibres::last_error();
}
inline int cudaStreamSynchronize(cudaStream_t) {
    return cudaSuccess;
}
inline int cudaMemcpyAsync(void* to, const void* from, size_t bytes, int, cudaStream_t) {
    if (!fibres::dry()) std::memcpy(to, from, bytes);
    return cudaSuccess;
}
inline int cudaMemsetAsync(void* to, int byte, size_t bytes, cudaStream_t) {
    if (!fibres::dry()) std::memset(to, byte, bytes);
    return cudaSuccess;
}
template <class Kernel>
int cudaFuncSetAttribute(Kernel* kernel, int, int bytes) {
    return fibres::allow_shared(reinterpret_cast<const void*>(kernel), static_cast<size_t>(bytes));
}

struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

#define threadIdx fibres::thread
#define blockIdx fibres::block
#define blockDim fibres::threads
#define gridDim fibres::grid

inline void __syncthreads() {
    fibres::wait_for_block();
}
inline void __syncwarp(unsigned lanes = 0xffffffffu) {
    fibres::wait_for_warp(lanes);
}
// The value that lane `from` gives.
template <class T>
T __shfl_sync(unsigned lanes, T x, unsigned from) {
    static_assert(sizeof(T) <= fibres::kSlot);
    std::memcpy(fibres::slot(threadIdx.x % 32), &x, sizeof x);
    fibres::wait_for_warp(lanes);
    T other;
    std::memcpy(&other, fibres::slot(from % 32), sizeof other);
    fibres::wait_for_warp(lanes);
    return other;
}
template <class T>
T __shfl_xor_sync(unsigned lanes, T x, unsigned apart) {
    return __shfl_sync(lanes, x, threadIdx.x % 32 ^ apart);
}
inline unsigned __ballot_sync(unsigned lanes, bool vote) {
    *fibres::slot(threadIdx.x % 32) = vote;
    fibres::wait_for_warp(lanes);
    unsigned votes = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
        votes |= unsigned{lanes >> lane & 1 && *fibres::slot(lane) == 1} << lane;
    fibres::wait_for_warp(lanes);
    return votes;
}

template <class T, class U>
T atomicAdd(T* at, U x) {
    const T before = *at;
    *at = before + static_cast<T>(x);
    return before;
}
template <class T, class U>
T atomicMax(T* at, U x) {
    const T before = *at;
    *at = std::max(before, static_cast<T>(x));
    return before;
}
template <class T, class U>
T atomicMin(T* at, U x) {
    const T before = *at;
    *at = std::min(before, static_cast<T>(x));
    return before;
}

inline int __popc(unsigned x) {
    return std::popcount(x);
}
inline float __uint_as_float(unsigned x) {
    return std::bit_cast<float>(x);
}
inline unsigned __float_as_uint(float x) {
    return std::bit_cast<unsigned>(x);
}
inline int __float_as_int(float x) {
    return std::bit_cast<int>(x);
}
[[noreturn]] inline void __trap() {
    fibres::fail(fibres::kLaunchFailure, "a kernel stopped the device");
}
