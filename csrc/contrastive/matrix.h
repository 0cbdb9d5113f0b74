// Small matrix products of tiles in cache: C = A B or C += A B, with C of m rows and n vectors.
#pragma once
#include <cstdint>

#include "isa/register_tile.h"

namespace skelbench::SKELBENCH_ISA::contrastive_cpu {

// A is read one element at a time, with row stride ra and step ka along the sum. B and C are read in vectors.
template <class V>
struct Operands {
    using T = typename V::scalar_type;
    const T* a;
    int64_t ra, ka;
    const T* b;
    int64_t ldb;
    T* c;
    int64_t ldc;
};

// M rows and N vectors of C, by one register tile. a, b and c point to its first row or vector.
template <class V, int M, int N, bool Add>
inline void micro(int64_t k, const typename V::scalar_type* a, int64_t ra, int64_t ka,
                  const typename V::scalar_type* b, int64_t ldb, typename V::scalar_type* c, int64_t ldc) {
    RegisterTile<V, M, N> tile;
    for (int64_t t = 0; t < k; ++t) tile.add_product([&](int i) { return a[i * ra + t * ka]; }, b + t * ldb);
    tile.template finish<Add>([&](int i) { return c + i * ldc; });
}

template <class V, int M, int N, bool Add>
inline void rows_left(int64_t m, int64_t k, const Operands<V>& o, int64_t i, int64_t j) {
    if (m == M) {
        micro<V, M, N, Add>(k, o.a + i * o.ra, o.ra, o.ka, o.b + j, o.ldb, o.c + i * o.ldc + j, o.ldc);
    } else if constexpr (M > 1) {
        rows_left<V, M - 1, N, Add>(m, k, o, i, j);
    }
}

template <class V, int N, bool Add>
inline void columns(int64_t m, int64_t n, int64_t k, const Operands<V>& o, int64_t j) {
    constexpr int W = V::width, M = V::rows;
    for (; n >= N; n -= N, j += N * W) {
        int64_t i = 0;
        for (; i + M <= m; i += M)
            micro<V, M, N, Add>(k, o.a + i * o.ra, o.ra, o.ka, o.b + j, o.ldb, o.c + i * o.ldc + j, o.ldc);
        if (i < m) rows_left<V, M, N, Add>(m - i, k, o, i, j);
    }
    if constexpr (N > 1) {
        if (n > 0) columns<V, N - 1, Add>(m, n, k, o, j);
    }
}

// C = A B, or C += A B where Add is set: m rows, n vectors, sum over k.
template <class V, bool Add>
inline void multiply(int64_t m, int64_t n, int64_t k, const Operands<V>& o) {
    columns<V, V::cols, Add>(m, n, k, o, 0);
}

}  // namespace skelbench::SKELBENCH_ISA::contrastive_cpu
