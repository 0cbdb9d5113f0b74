// The tile products of the padding-free layers: a broadcast number times a vector of units.
#pragma once
#include "isa/register_tile.h"
#include "ragged/kernels.h"

namespace skelbench::SKELBENCH_ISA::ragged_cpu {

using skelbench::ragged::Entry;

// out[e.clip] += sum over `frames` frames and k of x[row of e and frame][k] * panel[frame][k], for M entries
// e. panel (frames, k, N vectors) with frames `panel_step` apart. Rows of out are `out_stride` apart.
template <class V, int M>
inline void project_tile(const Entry* e, int64_t frames, const float* x, int64_t columns, const float* panel,
                         int64_t panel_step, float* out, int64_t out_stride) {
    RegisterTile<V, M, V::cols> tile;
    const float* row[M];
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) row[i] = x + e[i].row * columns;
    for (int64_t f = 0; f < frames; ++f) {
        const float* p = panel + f * panel_step;
        for (int64_t k = 0; k < columns; ++k, p += V::cols * V::width)
            tile.add_product([&](int i) { return row[i][k]; }, p);
#pragma GCC unroll 16
        for (int i = 0; i < M; ++i) row[i] += e[i].bodies * columns;
    }
    tile.template finish<true>([&](int i) { return out + e[i].clip * out_stride; });
}

// panel[c] += sum over i of rows[i][c] * g[clip[i]], for M columns c. g (clips, N vectors), panel (M, N
// vectors).
template <class V, int M>
inline void outer_tile(const float* rows, int64_t stride, const int32_t* clip, int64_t count, const float* g,
                       float* panel) {
    constexpr int64_t lanes = V::cols * V::width;
    RegisterTile<V, M, V::cols> tile;
    for (int64_t i = 0; i < count; ++i) {
        const float* row = rows + i * stride;
        tile.add_product([&](int c) { return row[c]; }, g + clip[i] * lanes);
    }
    tile.template finish<true>([&](int c) { return panel + c * lanes; });
}

// y[i] += sum over k of hidden[e[i].clip][k] * panel[k], for M entries and N vectors of columns. Rows of
// hidden are `units` apart, rows of panel and y `stride`.
template <class V, int M, int N>
inline void expand_tile(const Entry* e, const float* hidden, int64_t units, int64_t count, const float* panel,
                        float* y, int64_t stride) {
    RegisterTile<V, M, N> tile;
    const float* row[M];
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) row[i] = hidden + e[i].clip * units;
    for (int64_t k = 0; k < count; ++k, panel += stride)
        tile.add_product([&](int i) { return row[i][k]; }, panel);
    tile.template finish<true>([&](int i) { return y + i * stride; });
}

// Calls f with m as a constant, 1 <= m <= M, for the last tile where the rows are no multiple of the tile.
// Does nothing for m = 0.
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
