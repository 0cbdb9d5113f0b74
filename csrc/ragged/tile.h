// The register tiles of the padding-free layers. Every tile is a sum of products of a broadcast number and a
// vector of units: M rows times N vectors of accumulators that stay in registers. A tile is summed apart and
// added where it belongs at its end, which keeps rounding as small as a blocked product has it.
#pragma once
#include "ragged/kernels.h"

namespace skelbench::SKELBENCH_ISA::ragged_cpu {

using skelbench::ragged::Entry;

template <class V>
inline void add(V x, float* to) {
    (V::load(to) + x).store(to);
}

// out[e.clip] += sum over `frames` frames and k of x[row of e and frame][k] * panel[frame][k], for M entries
// e. panel (frames, k, N vectors), frame stride `panel_step`; out rows are `out_stride` apart.
template <class V, int M>
inline void project_tile(const Entry* e, int64_t frames, const float* x, int64_t columns, const float* panel,
                         int64_t panel_step, float* out, int64_t out_stride) {
    constexpr int N = V::cols, W = V::width;
    V acc[M][N];
    const float* row[M];
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
        row[i] = x + e[i].row * columns;
#pragma GCC unroll 16
        for (int n = 0; n < N; ++n) acc[i][n] = V::set(0);
    }
    for (int64_t f = 0; f < frames; ++f) {
        const float* p = panel + f * panel_step;
        for (int64_t k = 0; k < columns; ++k, p += N * W) {
            V b[N];
#pragma GCC unroll 16
            for (int n = 0; n < N; ++n) b[n] = V::load(p + n * W);
#pragma GCC unroll 16
            for (int i = 0; i < M; ++i) {
                const V a = V::set(row[i][k]);
#pragma GCC unroll 16
                for (int n = 0; n < N; ++n) acc[i][n] = fma(a, b[n], acc[i][n]);
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < M; ++i) row[i] += e[i].bodies * columns;
    }
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 16
        for (int n = 0; n < N; ++n) add(acc[i][n], out + e[i].clip * out_stride + n * W);
}

// panel[c] += sum over i of rows[i][c] * g[clip[i]], for M columns c. g (clips, N vectors); panel (M, N
// vectors).
template <class V, int M>
inline void outer_tile(const float* rows, int64_t stride, const int32_t* clip, int64_t count, const float* g,
                       float* panel) {
    constexpr int N = V::cols, W = V::width;
    V acc[M][N];
#pragma GCC unroll 16
    for (int c = 0; c < M; ++c)
#pragma GCC unroll 16
        for (int n = 0; n < N; ++n) acc[c][n] = V::set(0);
    for (int64_t i = 0; i < count; ++i) {
        const float* row = rows + i * stride;
        const float* unit = g + clip[i] * int64_t{N * W};
        V b[N];
#pragma GCC unroll 16
        for (int n = 0; n < N; ++n) b[n] = V::load(unit + n * W);
#pragma GCC unroll 16
        for (int c = 0; c < M; ++c) {
            const V a = V::set(row[c]);
#pragma GCC unroll 16
            for (int n = 0; n < N; ++n) acc[c][n] = fma(a, b[n], acc[c][n]);
        }
    }
#pragma GCC unroll 16
    for (int c = 0; c < M; ++c)
#pragma GCC unroll 16
        for (int n = 0; n < N; ++n) add(acc[c][n], panel + (c * N + n) * W);
}

// y[i] += sum over k of hidden[e[i].clip][k] * panel[k], for M entries and N vectors of columns.
// Rows of hidden are `units` apart, those of panel and y `stride`.
template <class V, int M, int N>
inline void expand_tile(const Entry* e, const float* hidden, int64_t units, int64_t count, const float* panel,
                        float* y, int64_t stride) {
    constexpr int W = V::width;
    V acc[M][N];
    const float* row[M];
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
        row[i] = hidden + e[i].clip * units;
#pragma GCC unroll 16
        for (int n = 0; n < N; ++n) acc[i][n] = V::set(0);
    }
    for (int64_t k = 0; k < count; ++k, panel += stride) {
        V b[N];
#pragma GCC unroll 16
        for (int n = 0; n < N; ++n) b[n] = V::load(panel + n * W);
#pragma GCC unroll 16
        for (int i = 0; i < M; ++i) {
            const V a = V::set(row[i][k]);
#pragma GCC unroll 16
            for (int n = 0; n < N; ++n) acc[i][n] = fma(a, b[n], acc[i][n]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 16
        for (int n = 0; n < N; ++n) add(acc[i][n], y + i * stride + n * W);
}

// Calls f with the number m as a constant: the tiles that are left where rows are not a multiple of M.
template <int M, class F>
inline void with_count(int64_t m, const F& f) {
    if constexpr (M > 0) {
        if (m == M) {
            f.template operator()<M>();
        } else {
            with_count<M - 1>(m, f);
        }
    }
}

}  // namespace skelbench::SKELBENCH_ISA::ragged_cpu
