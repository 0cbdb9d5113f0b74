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

// The weights of the losses of 64 anchors, staged in shared memory.
template <class Sum>
struct Staged {
    Sum *shift, *weight, *share;
};

// The shared memory of a tile, and its similarities.
template <class Mma>
struct Tile {
    using In = typename Mma::Operand;
    using Sum = typename Mma::Sum;
    In *x, *y, *w;
    Sum* s;
    int64_t *label_a, *label_b;
    Staged<Sum> a, b;
    static constexpr int kBytes = 3 * kCudaTile * Mma::kLd * sizeof(In) + kCudaTile * kLdOut * sizeof(Sum) +
                                  kCudaTile * (2 * sizeof(int64_t) + 6 * sizeof(Sum));

    __device__ explicit Tile(unsigned char* memory)
        : x(reinterpret_cast<In*>(memory)),
          y(x + kCudaTile * Mma::kLd),
          w(y + kCudaTile * Mma::kLd),
          s(reinterpret_cast<Sum*>(w + kCudaTile * Mma::kLd)),
          label_a(reinterpret_cast<int64_t*>(s + kCudaTile * kLdOut)),
          label_b(label_a + kCudaTile),
          a(staged(reinterpret_cast<Sum*>(label_b + kCudaTile))),
          b(staged(a.share + kCudaTile)) {}

    static __device__ Staged<Sum> staged(Sum* memory) {
        return {memory, memory + kCudaTile, memory + 2 * kCudaTile};
    }

    // Columns [c, c + 64) of 64 rows, zero outside; 16 bytes at a time where the rows begin at multiples of
    // 16 bytes.
    static __device__ void load(In* to, const void* from, int64_t row, int64_t rows, int64_t c, int64_t d) {
        constexpr int kVector = 16 / sizeof(In), kVectors = kCudaTile / kVector;
        const In* x = static_cast<const In*>(from);
        if (d % kVector == 0 && reinterpret_cast<uintptr_t>(from) % 16 == 0) {
            for (int e = threadIdx.x; e < kCudaTile * kVectors; e += kThreads) {
                const int r = e / kVectors, k = e % kVectors * kVector;
                const bool present = row + r < rows && c + k < d;
                *reinterpret_cast<uint4*>(to + r * Mma::kLd + k) =
                    present ? *reinterpret_cast<const uint4*>(x + (row + r) * d + c + k) : uint4{0, 0, 0, 0};
            }
            return;
        }
        for (int e = threadIdx.x; e < kCudaTile * kCudaTile; e += kThreads) {
            const int r = e / kCudaTile, k = e % kCudaTile;
            to[r * Mma::kLd + k] = row + r < rows && c + k < d ? x[(row + r) * d + c + k] : as<In>(0.0f);
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

// What multiplies and shifts every exponent.
template <class Sum>
struct Exponents {
    Sum per_similarity, log2_k1, log2_k2;

    explicit Exponents(const CudaProblem& p)
        : per_similarity(Sum(kLog2e / p.temperature)),
          log2_k1(p.k1 > 0 ? Sum(std::log2(p.k1)) : Sum(kNone)),
          log2_k2(p.k2 > 0 ? Sum(std::log2(p.k2)) : Sum(kNone)) {}
};

// Which places of the tile at (i, j) are pairs: those of its first rows and columns, but for the diagonal on
// which an anchor meets itself.
struct Edges {
    int rows, columns, self;

    __device__ Edges(const CudaProblem& p, int64_t i, int64_t j)
        : rows(within(p.n - i)), columns(within(p.m - j)), self(kCudaTile) {
        const int64_t diagonal = i + p.self_offset - j;
        if (p.has_self && diagonal > -kCudaTile && diagonal < kCudaTile) self = int(diagonal);
    }
    static __device__ int within(int64_t left) { return left < kCudaTile ? int(left) : kCudaTile; }
    __device__ bool pair(int r, int c) const { return r < rows && c < columns && c - r != self; }
};

// A pair of rows: whether they are compared, whether they share a class, and the exponents of their terms.
template <class Sum>
struct PairTerms {
    bool valid, same;
    Sum x, y;
    template <class Mma>
    __device__ PairTerms(const Exponents<Sum>& exponents, const Edges& edges, const Tile<Mma>& t, int r,
                         int c)
        : valid(edges.pair(r, c)), same(valid && t.label_a[r] == t.label_b[c]) {
        const Sum s = t.s[r * kLdOut + c];
        x = s * exponents.per_similarity + (same ? Sum(0) : exponents.log2_k2);
        y = same ? exponents.log2_k1 - s * Sum(kLog2e) : Sum(kNone);
    }
};

}  // namespace skelbench::contrastive
