// Small matrix products on tiles that lie in cache: C (+)= A B with C of m rows and n vectors.
#pragma once
#include <cstdint>

namespace skelbench::SKELBENCH_ISA {

// A is read one element at a time (row stride ra, step ka along the sum), B and C a vector at a time.
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

// M x N accumulators stay in registers over the whole sum. They start at zero and are added to C at the end:
// a tile's sum is rounded on its own, which keeps the error of long sums of tiles small.
template <class V, int M, int N, bool Add>
inline void micro(int64_t k, const typename V::scalar_type* a, int64_t ra, int64_t ka,
                  const typename V::scalar_type* b, int64_t ldb, typename V::scalar_type* c, int64_t ldc) {
    constexpr int W = V::width;
    V acc[M][N];
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) acc[i][j] = V::set(0);
    for (int64_t t = 0; t < k; ++t) {
        V row[N];
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) row[j] = V::load(b + t * ldb + j * W);
#pragma GCC unroll 8
        for (int i = 0; i < M; ++i) {
            const V x = V::set(a[i * ra + t * ka]);
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j) acc[i][j] = fma(x, row[j], acc[i][j]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) {
            V* const sum = &acc[i][j];
            if (Add) *sum = *sum + V::load(c + i * ldc + j * W);
            sum->store(c + i * ldc + j * W);
        }
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

// C (+)= A B: m rows, n vectors, sum over k.
template <class V, bool Add>
inline void multiply(int64_t m, int64_t n, int64_t k, const Operands<V>& o) {
    columns<V, V::cols, Add>(m, n, k, o, 0);
}

}  // namespace skelbench::SKELBENCH_ISA
