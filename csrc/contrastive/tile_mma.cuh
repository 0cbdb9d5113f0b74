// Products of 64 x 64 tiles in shared memory, by 256 threads: on the matrix units (bf16, tf32) or on the
// plain units.
#pragma once
#include <cuda_bf16.h>
#include <mma.h>

#include <type_traits>

namespace skelbench::contrastive {

constexpr int kCudaTile = 64, kThreads = 256;
// Rows in shared memory are padded, for fewer bank conflicts.
constexpr int kLdIn = kCudaTile + 8, kLdOut = kCudaTile + 4;

// multiply<TransposedA, TransposedB>: c = (add ? c : 0) + op(a) op(b). Rows of a and b are kLdIn apart, rows
// of c kLdOut.
template <class T>
struct Plain {
    using Operand = T;
    using Sum = T;

    template <bool TransposedA, bool TransposedB>
    static __device__ void multiply(const T* a, const T* b, T* c, bool add) {
        const int i0 = threadIdx.x / 16 * 4, j0 = threadIdx.x % 16 * 4;
        T sum[4][4];
        for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 4; ++j) sum[i][j] = add ? c[(i0 + i) * kLdOut + j0 + j] : T(0);
        for (int k = 0; k < kCudaTile; ++k) {
            T x[4], y[4];
            for (int i = 0; i < 4; ++i) x[i] = TransposedA ? a[k * kLdIn + i0 + i] : a[(i0 + i) * kLdIn + k];
            for (int j = 0; j < 4; ++j) y[j] = TransposedB ? b[(j0 + j) * kLdIn + k] : b[k * kLdIn + j0 + j];
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 4; ++j) sum[i][j] += x[i] * y[j];
        }
        for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 4; ++j) c[(i0 + i) * kLdOut + j0 + j] = sum[i][j];
    }
};

// Unit: the numbers of a fragment. Depth: its extent along the sum.
template <class T, class Unit, int Depth>
struct Matrix {
    using Operand = T;
    using Sum = float;

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
                w::load_matrix_sync(x, a + (TransposedA ? k * kLdIn + i0 : i0 * kLdIn + k), kLdIn);
                w::load_matrix_sync(y, b + (TransposedB ? j * kLdIn + k : k * kLdIn + j), kLdIn);
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
