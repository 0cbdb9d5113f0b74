// Products of 64 x 64 tiles in shared memory, by 256 threads: on the matrix units (bf16, tf32) or on the
// plain units.
#pragma once
#include <cuda_bf16.h>
#include <mma.h>

#include <type_traits>

namespace skelbench::contrastive {

constexpr int kCudaTile = 64, kThreads = 256;
// The distance of rows of sums in shared memory: padded, for fewer bank conflicts.
constexpr int kLdOut = kCudaTile + 4;

// Four neighbours in shared memory, in one access or two.
template <class T>
struct alignas(16) Quad {
    T at[4];
};
template <class T>
__device__ Quad<T>& quad(T* at) {
    return *reinterpret_cast<Quad<T>*>(at);
}
template <class T>
__device__ const Quad<T>& quad(const T* at) {
    return *reinterpret_cast<const Quad<T>*>(at);
}

// multiply<TransposedA, TransposedB>: c = (add ? c : 0) + op(a) op(b). Rows of a and b are kLd apart, rows of
// c kLdOut.
template <class T>
struct Plain {
    using Operand = T;
    using Sum = T;
    // Eight rows that are this far apart lie in different banks, four numbers of each.
    static constexpr int kLd = kCudaTile + 4;
    // Thread blocks that share a multiprocessor: with more, registers are too few for a tile.
    static constexpr int kBlocks = sizeof(T) == sizeof(float) ? 3 : 1;

    // A thread computes 4 x 4 sums, in steps of 4 of the 64 products, so that every access is of four
    // neighbours: along the sum where an operand's rows are those of the result, else along the result.
    // Columns of the result are 16 apart where they are rows of b, else neighbours.
    template <bool TransposedA, bool TransposedB>
    static __device__ void multiply(const T* a, const T* b, T* c, bool add) {
        const int i0 = threadIdx.x / 16 * 4, tj = threadIdx.x % 16;
        T* to = c + i0 * kLdOut + (TransposedB ? tj : 4 * tj);
        T sum[4][4];
        for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < 4; ++j) sum[i][j] = add ? to[i * kLdOut + (TransposedB ? 16 * j : j)] : T(0);
        }
// More at a time take more registers than three thread blocks leave.
#pragma unroll 1
        for (int k = 0; k < kCudaTile; k += 4) {
            Quad<T> x[4], y[4];
            for (int q = 0; q < 4; ++q) {
                x[q] = quad(TransposedA ? a + (k + q) * kLd + i0 : a + (i0 + q) * kLd + k);
                y[q] = quad(TransposedB ? b + (tj + 16 * q) * kLd + k : b + (k + q) * kLd + 4 * tj);
            }
            for (int q = 0; q < 4; ++q) {
                for (int i = 0; i < 4; ++i) {
                    const T factor = TransposedA ? x[q].at[i] : x[i].at[q];
                    for (int j = 0; j < 4; ++j) sum[i][j] += factor * (TransposedB ? y[j].at[q] : y[q].at[j]);
                }
            }
        }
        for (int i = 0; i < 4; ++i) {
            if (TransposedB) {
                for (int j = 0; j < 4; ++j) to[i * kLdOut + 16 * j] = sum[i][j];
            } else {
                quad(to + i * kLdOut) = {{sum[i][0], sum[i][1], sum[i][2], sum[i][3]}};
            }
        }
    }
};

// Unit: the numbers of a fragment. Depth: its extent along the sum.
template <class T, class Unit, int Depth>
struct Matrix {
    using Operand = T;
    using Sum = float;
    // Padded, for fewer bank conflicts; a multiple of 16 bytes, as fragments need.
    static constexpr int kLd = kCudaTile + 8, kBlocks = 3;

    template <class Fragment>
    static __device__ void round(Fragment& f) {
        if constexpr (Depth == 8) {
            for (int e = 0; e < f.num_elements; ++e) f.x[e] = nvcuda::wmma::__float_to_tf32(f.x[e]);
        }
    }

    template <bool TransposedA, bool TransposedB>
    static __device__ void multiply(const T* a, const T* b, float* c, bool add) {
        namespace w = nvcuda::wmma;
        using RowMajor = w::row_major;
        using ColMajor = w::col_major;
        using LayoutA = std::conditional_t<TransposedA, ColMajor, RowMajor>;
        using LayoutB = std::conditional_t<TransposedB, ColMajor, RowMajor>;
        // Eight warps share the 4 x 4 fragments of c. Each has two neighbours.
        const int warp = threadIdx.x / 32, i0 = warp / 2 * 16, j0 = warp % 2 * 32;
        for (int j = j0; j < j0 + 32; j += 16) {
            w::fragment<w::accumulator, 16, 16, Depth, float> sum;
            if (add) {
                w::load_matrix_sync(sum, c + i0 * kLdOut + j, kLdOut, w::mem_row_major);
            } else {
                w::fill_fragment(sum, 0.0f);
            }
            for (int k = 0; k < kCudaTile; k += Depth) {
                w::fragment<w::matrix_a, 16, 16, Depth, Unit, LayoutA> x;
                w::fragment<w::matrix_b, 16, 16, Depth, Unit, LayoutB> y;
                w::load_matrix_sync(x, a + (TransposedA ? k * kLd + i0 : i0 * kLd + k), kLd);
                w::load_matrix_sync(y, b + (TransposedB ? j * kLd + k : k * kLd + j), kLd);
                round(x);
                round(y);
                w::mma_sync(sum, x, y, sum);
            }
            w::store_matrix_sync(c + i0 * kLdOut + j, sum, kLdOut, w::mem_row_major);
        }
    }
};

using Bfloat16 = Matrix<__nv_bfloat16, __nv_bfloat16, 16>;
using Tf32 = Matrix<float, nvcuda::wmma::precision::tf32, 8>;

}  // namespace skelbench::contrastive
