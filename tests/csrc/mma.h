// Matrix fragments of the stand-in for the CUDA runtime: bf16 16 x 16 x 16 and tf32 16 x 16 x 8. The lanes of
// a warp share the numbers of a fragment, in an order that no kernel may know.
#pragma once
#include <bit>
#include <cmath>
#include <type_traits>

#include "cuda_bf16.h"
#include "cuda_runtime.h"

namespace nvcuda::wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };
namespace precision {
struct tf32;
}

template <class Use, int M, int N, int K, class T, class Layout = void>
struct fragment {
    static_assert(M == 16 && N == 16);
    static_assert((std::is_same_v<T, __nv_bfloat16> && K == 16) ||
                  (std::is_same_v<T, precision::tf32> && K == 8) ||
                  (std::is_same_v<Use, accumulator> && std::is_same_v<T, float>));
    using Number = std::conditional_t<std::is_same_v<T, precision::tf32>, float, T>;
    static constexpr int rows = std::is_same_v<Use, matrix_b> ? K : M;
    static constexpr int columns = std::is_same_v<Use, matrix_a> ? K : N;
    static constexpr int num_elements = rows * columns / 32;
    Number x[num_elements];

    // The place of the lane's element e in the matrix, row by row.
    static int place(int e) { return e * 32 + static_cast<int>((threadIdx.x * 7 + e) % 32); }
};

inline float __float_to_tf32(float x) {
    if (!std::isfinite(x)) return x;
    return std::bit_cast<float>((std::bit_cast<uint32_t>(x) + 0x1000u) & ~0x1fffu);
}

namespace detail {

inline float number(__nv_bfloat16 x) {
    return __bfloat162float(x);
}
// The units read no more bits than tf32 has.
inline float number(float x) {
    return std::bit_cast<float>(std::bit_cast<uint32_t>(x) & ~0x1fffu);
}

template <class Fragment, class T, class Move>
void each(T* data, unsigned apart, bool by_row, const Move& move) {
    fibres::require(reinterpret_cast<uintptr_t>(data) % 32 == 0, fibres::kMisaligned,
                    "a fragment's address is no multiple of 32 bytes");
    fibres::require(apart * sizeof(T) % 16 == 0, fibres::kMisaligned,
                    "a fragment's rows are no multiple of 16 bytes apart");
    // All lanes take part.
    fibres::wait_for_warp(0xffffffffu);
    for (int e = 0; e < Fragment::num_elements; ++e) {
        const int row = Fragment::place(e) / Fragment::columns,
                  column = Fragment::place(e) % Fragment::columns;
        move(e, data[by_row ? row * apart + column : column * apart + row]);
    }
}

}  // namespace detail

template <class F>
void fill_fragment(F& f, float value) {
    for (auto& x : f.x) x = value;
}
template <class Use, int M, int N, int K, class T, class Layout, class Number>
void load_matrix_sync(fragment<Use, M, N, K, T, Layout>& f, const Number* from, unsigned apart) {
    detail::each<fragment<Use, M, N, K, T, Layout>>(from, apart, std::is_same_v<Layout, row_major>,
                                                    [&](int e, const Number& x) { f.x[e] = x; });
}
template <int M, int N, int K>
void load_matrix_sync(fragment<accumulator, M, N, K, float>& f, const float* from, unsigned apart,
                      layout_t layout) {
    detail::each<fragment<accumulator, M, N, K, float>>(from, apart, layout == mem_row_major,
                                                        [&](int e, const float& x) { f.x[e] = x; });
}
template <int M, int N, int K>
void store_matrix_sync(float* to, const fragment<accumulator, M, N, K, float>& f, unsigned apart,
                       layout_t layout) {
    detail::each<fragment<accumulator, M, N, K, float>>(to, apart, layout == mem_row_major,
                                                        [&](int e, float& x) { x = f.x[e]; });
}

template <class D, class A, class B>
void mma_sync(D& d, const A& a, const B& b, const D& c) {
    float *const left = fibres::exchange(), *const right = left + A::rows * A::columns;
    for (int e = 0; e < A::num_elements; ++e) left[A::place(e)] = detail::number(a.x[e]);
    for (int e = 0; e < B::num_elements; ++e) right[B::place(e)] = detail::number(b.x[e]);
    fibres::wait_for_warp(0xffffffffu);
    for (int e = 0; e < D::num_elements; ++e) {
        const int row = D::place(e) / D::columns, column = D::place(e) % D::columns;
        float sum = c.x[e];
        for (int k = 0; k < A::columns; ++k)
            sum += left[row * A::columns + k] * right[k * B::columns + column];
        d.x[e] = sum;
    }
    fibres::wait_for_warp(0xffffffffu);
}

}  // namespace nvcuda::wmma
