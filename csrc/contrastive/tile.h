// One tile of similarities, the walk over all tiles, and the masks where classes meet.
//
// Rows come sorted by class, so classes meet only in a band of tiles; all other tiles need neither labels nor
// the k1 term ("plain"). In the square form each unordered pair of tiles is visited once and serves both its
// sides.
#pragma once
#include <cmath>

#include "contrastive/kernels.h"
#include "contrastive/matrix.h"
#include "contrastive/packed.h"
#include "contrastive/walk.h"

namespace skelbench::SKELBENCH_ISA {

using contrastive::BlockPair;
using contrastive::Problem;

// Which pairs of tiles, in which order. f(a_tile, b_tile) runs on one thread at a time for any given tile.
template <class Walk, class F>
void walk_rounds(const Walk& walk, const F& f) {
    for (int64_t round = 0; round < walk.rounds(); ++round) {
        parallel_for(walk.pairs(round), 1, [&](int64_t begin, int64_t end) {
            for (int64_t k = begin; k < end; ++k) f(walk.pair(round, k));
        });
    }
}

// Tiles per block of the walk: enough blocks for many threads, enough work in a pair to pay for the round.
inline int64_t block_tiles(int64_t tiles) {
    return tiles <= 16 ? 1 : tiles <= 64 ? 2 : tiles <= 256 ? 4 : 8;
}

template <class V, class F>
void walk_tiles(const Problem<typename V::scalar_type>& p, const Packed<V>& a, const Packed<V>& b,
                const F& f) {
    const int64_t size = block_tiles(a.tiles > b.tiles ? a.tiles : b.tiles);
    const auto block = [&](BlockPair pair) {
        const int64_t a_end = min64(a.tiles, (pair.a + 1) * size),
                      b_end = min64(b.tiles, (pair.b + 1) * size);
        for (int64_t i = pair.a * size; i < a_end; ++i)
            for (int64_t j = p.square && pair.a == pair.b ? i : pair.b * size; j < b_end; ++j) f(i, j);
    };
    if (p.square) {
        walk_rounds(contrastive::Tournament{ceil_div(a.tiles, size)}, block);
    } else {
        walk_rounds(contrastive::Carousel{ceil_div(a.tiles, size), ceil_div(b.tiles, size)}, block);
    }
}

alignas(64) inline constexpr int32_t kColumns[kTile] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

// One tile of similarities s and what its two sides are.
template <class V>
struct Tile {
    using T = typename V::scalar_type;
    const Problem<T>& p;
    int64_t i, j;   // first anchor, first contrast
    int64_t m, n;   // anchors, contrasts in the tile
    bool diagonal;  // square form, i == j: both sides are the same rows
    bool plain;     // full, no two rows of one class, no anchor's own contrast
    T* s;           // m x kTile
    int64_t vectors() const { return ceil_div(n, V::width); }
    bool mirrored() const { return p.square && !diagonal; }
};

template <class V>
Tile<V> similarities(const Problem<typename V::scalar_type>& p, const Packed<V>& a, const Packed<V>& b,
                     int64_t ti, int64_t tj, typename V::scalar_type* s) {
    Tile<V> t{p, ti * kTile, tj * kTile, a.count(ti), b.count(tj), p.square && ti == tj, false, s};
    const bool apart = a.last_class(ti) < b.cls(tj)[0] || b.last_class(tj) < a.cls(ti)[0];
    t.plain = p.shared_shift && apart && t.n == kTile && !t.diagonal;
    for (int64_t r = 0; t.plain && !p.square && r < t.m; ++r) {
        const int64_t own = p.self[t.i + r] - t.j;
        t.plain = own < 0 || own >= kTile;
    }
    multiply<V, false>(t.m, t.vectors(), p.d, {a.row(ti), a.stride, 1, b.panel(tj), kTile, s, kTile});
    return t;
}

// Constants of a problem as the tiles use them; exponents are in powers of two.
template <class V>
struct Terms {
    using T = typename V::scalar_type;
    V scale, log_k2, minus_log2e, log_k1;
    bool with_k1;
    explicit Terms(const Problem<T>& p)
        : scale(V::set(static_cast<T>(p.scale))),
          log_k2(V::set(p.k2 > 0 ? static_cast<T>(std::log2(p.k2)) : T(-1e30))),
          minus_log2e(V::set(T(-1.4426950408889634))),
          log_k1(V::set(p.k1 > 0 ? static_cast<T>(std::log2(p.k1)) : T(0))),
          with_k1(p.k1 > 0) {}
};

// Which columns c.. of a tile are an anchor's positives, and which are its contrasts at all.
template <class V>
struct Masks {
    using I = typename V::index;
    using M = decltype(I::set(0) == I::set(0));
    M same, valid;
    Masks(const int32_t* classes, int64_t c, int32_t cls, int32_t own) {
        const I column = I::load(classes + c);
        valid = ~(column == I::set(-1)) & ~(I::load(kColumns + c) == I::set(own));
        same = (column == I::set(cls)) & valid;
    }
};

}  // namespace skelbench::SKELBENCH_ISA
