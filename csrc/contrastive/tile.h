// One tile of similarities, and the masks of its pairs.
//
// The rows are sorted by class, so classes meet only in a band of tiles. All other tiles are plain: they need
// neither labels nor the k1 term. In the square form each unordered pair of tiles is visited once and serves
// both its sides.
#pragma once
#include <cmath>

#include "contrastive/kernels.h"
#include "contrastive/packed.h"
#include "contrastive/schedule.h"
#include "contrastive/shift.h"

namespace skelbench::SKELBENCH_ISA::contrastive_cpu {

using skelbench::contrastive::kLog2e;
using skelbench::contrastive::kNone;

struct Columns {
    alignas(64) int32_t index[kTile];
    constexpr Columns() : index{} {
        for (int32_t c = 0; c < kTile; ++c) index[c] = c;
    }
};
inline constexpr Columns kColumns;

// A tile of similarities s, and its place.
template <class V>
struct Tile {
    using T = typename V::scalar_type;
    const Problem<T>& p;
    // First anchor, first contrast.
    int64_t i, j;
    // Anchors and contrasts in the tile.
    int64_t m, n;
    // Square form with i == j: both sides are the same rows.
    bool diagonal;
    // The tile is full, no two of its rows share a class, and no anchor meets its own contrast.
    bool plain;
    // m x kTile.
    T* s;
    int64_t vectors() const { return ceil_div(n, V::width); }
    bool mirrored() const { return p.square && !diagonal; }
};

// The tile (ti, tj) with memory s, whose content is left to the caller.
template <class T, class P>
Tile<typename P::vector> tile_at(const Problem<T>& p, const P& a, const P& b, int64_t ti, int64_t tj, T* s) {
    Tile<typename P::vector> t{p,           ti * kTile,           tj * kTile, a.count(ti),
                               b.count(tj), p.square && ti == tj, false,      s};
    const bool apart = a.last_class(ti) < b.cls(tj)[0] || b.last_class(tj) < a.cls(ti)[0];
    t.plain = p.shared_shift && apart && t.n == kTile && !t.diagonal;
    for (int64_t r = 0; t.plain && !p.square && r < t.m; ++r) {
        const int64_t own = p.self[t.i + r] - t.j;
        t.plain = own < 0 || own >= kTile;
    }
    return t;
}

template <class T, class P>
Tile<typename P::vector> similarities(const Problem<T>& p, const P& a, const P& b, int64_t ti, int64_t tj,
                                      T* s) {
    const Tile<typename P::vector> t = tile_at(p, a, b, ti, tj, s);
    a.similarities(ti, b, tj, t.vectors(), s);
    return t;
}

// Memory for the tiles that the forward pass keeps: the exponentials of plain tiles, the similarities of
// others.
template <class T>
class Kept {
public:
    Kept(const Problem<T>& p, int64_t a_tiles, int64_t b_tiles, bool wanted)
        : square_(p.square),
          columns_(b_tiles),
          any_(wanted && bytes(a_tiles, b_tiles) <= skelbench::contrastive::kMostKept),
          tiles_(any_ ? bytes(a_tiles, b_tiles) / int64_t{sizeof(T)} : 0) {}
    bool any() const { return any_; }
    // ti <= tj in the square form.
    T* tile(int64_t ti, int64_t tj) const {
        return tiles_.get() + (square_ ? tj * (tj + 1) / 2 + ti : ti * columns_ + tj) * kTile * kTile;
    }

private:
    int64_t bytes(int64_t a_tiles, int64_t b_tiles) const {
        return (square_ ? a_tiles * (a_tiles + 1) / 2 : a_tiles * b_tiles) * kTile * kTile *
               int64_t{sizeof(T)};
    }
    bool square_;
    int64_t columns_;
    bool any_;
    Buffer<T> tiles_;
};

// A problem with its operands packed, for both passes.
template <class P, class T>
struct PackedProblem {
    const Problem<T>& p;
    const Rows<T> none{};
    // Without rows in the square form, where b is a.
    const P a, other;
    const P& b;
    const Kept<T> kept;

    PackedProblem(const Problem<T>& problem, bool keep)
        : p(problem),
          a(p, p.anchors),
          other(p, p.square ? none : p.contrasts),
          b(p.square ? a : other),
          kept(p, a.tiles, b.tiles, keep) {}
};

// The constants of a problem, as vectors. Exponents are powers of two.
template <class V>
struct Terms {
    using T = typename V::scalar_type;
    V scale, log_k2, minus_log2e, log_k1;
    bool with_k1;
    explicit Terms(const Problem<T>& p)
        : scale(V::set(static_cast<T>(p.scale))),
          log_k2(V::set(p.k2 > 0 ? static_cast<T>(std::log2(p.k2)) : T(kNone))),
          minus_log2e(V::set(T(-kLog2e))),
          log_k1(V::set(p.k1 > 0 ? static_cast<T>(std::log2(p.k1)) : T(0))),
          with_k1(p.k1 > 0) {}
};

// Which columns c.. of a tile are contrasts of an anchor (valid), and which of them are its positives (same).
template <class V>
struct Masks {
    using I = typename V::index;
    using M = decltype(I::set(0) == I::set(0));
    M same, valid;
    Masks(const int32_t* classes, int64_t c, int32_t cls, int32_t own) {
        const I column = I::load(classes + c);
        valid = ~(column == I::set(-1)) & ~(I::load(kColumns.index + c) == I::set(own));
        same = (column == I::set(cls)) & valid;
    }
};

}  // namespace skelbench::SKELBENCH_ISA::contrastive_cpu
