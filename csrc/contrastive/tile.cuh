// A tile of similarities in shared memory, and the terms of its pairs, on CUDA.
#pragma once
#include "contrastive/cuda.h"
#include "contrastive/shift.h"
#include "contrastive/tile_mma.cuh"

namespace skelbench::contrastive {

inline __device__ float exponential(float x) {
    return exp2f(x);
}
inline __device__ double exponential(double x) {
    return exp2(x);
}

template <class T>
__device__ T as(float x) {
    return static_cast<T>(x);
}
template <>
inline __device__ __nv_bfloat16 as<__nv_bfloat16>(float x) {
    return __float2bfloat16(x);
}
template <class T>
__device__ T as(double x) {
    return static_cast<T>(x);
}
inline __device__ float number(__nv_bfloat16 x) {
    return __bfloat162float(x);
}
inline __device__ float number(float x) {
    return x;
}
inline __device__ double number(double x) {
    return x;
}

// The shared memory of a tile, and its similarities.
template <class Mma>
struct Tile {
    using In = typename Mma::Operand;
    using Sum = typename Mma::Sum;
    In *x, *y, *w;
    Sum* s;
    int64_t *label_a, *label_b;
    static constexpr int kBytes = 3 * kCudaTile * kLdIn * sizeof(In) + kCudaTile * kLdOut * sizeof(Sum) +
                                  2 * kCudaTile * sizeof(int64_t);

    __device__ explicit Tile(unsigned char* memory)
        : x(reinterpret_cast<In*>(memory)),
          y(x + kCudaTile * kLdIn),
          w(y + kCudaTile * kLdIn),
          s(reinterpret_cast<Sum*>(w + kCudaTile * kLdIn)),
          label_a(reinterpret_cast<int64_t*>(s + kCudaTile * kLdOut)),
          label_b(label_a + kCudaTile) {}

    // Columns [c, c + 64) of 64 rows, zero outside.
    static __device__ void load(In* to, const void* from, int64_t row, int64_t rows, int64_t c, int64_t d) {
        for (int e = threadIdx.x; e < kCudaTile * kCudaTile; e += kThreads) {
            const int64_t r = row + e / kCudaTile, k = c + e % kCudaTile;
            to[e / kCudaTile * kLdIn + e % kCudaTile] =
                r < rows && k < d ? static_cast<const In*>(from)[r * d + k] : as<In>(0.0f);
        }
    }

    // s = anchors [i, i + 64) times contrasts [j, j + 64), and their labels.
    __device__ void similarities(const CudaProblem& p, int64_t i, int64_t j) {
        for (int64_t c = 0; c < p.d; c += kCudaTile) {
            __syncthreads();
            load(x, p.anchors, i, p.n, c, p.d);
            load(y, p.contrasts, j, p.m, c, p.d);
            __syncthreads();
            Mma::template multiply<false, true>(x, y, s, c > 0);
        }
        if (threadIdx.x < kCudaTile) {
            label_a[threadIdx.x] = i + threadIdx.x < p.n ? p.labels[i + threadIdx.x] : 0;
            label_b[threadIdx.x] = j + threadIdx.x < p.m ? p.contrast_labels[j + threadIdx.x] : 0;
        }
        __syncthreads();
    }
};

// A pair of rows: whether they are compared, whether they share a class, and the exponents of their terms.
template <class Sum>
struct PairTerms {
    bool valid, same;
    Sum x, y;
    __device__ PairTerms(const CudaProblem& p, int64_t i, int64_t j, int64_t label_a, int64_t label_b, Sum s)
        : valid(i < p.n && j < p.m && !(p.has_self && j == i + p.self_offset)),
          same(valid && label_a == label_b),
          x(s * Sum(kLog2e / p.temperature) + (same       ? Sum(0)
                                               : p.k2 > 0 ? Sum(log2(p.k2))
                                                          : Sum(kNone))),
          y(same && p.k1 > 0 ? Sum(log2(p.k1)) - s * Sum(kLog2e) : Sum(kNone)) {}
};

}  // namespace skelbench::contrastive
