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
template <class V, class T>
Tile<V> tile_at(const Problem<T>& p, const Tiled<V>& a, const Tiled<V>& b, int64_t ti, int64_t tj, T* s) {
    Tile<V> t{p, ti * kTile, tj * kTile, a.count(ti), b.count(tj), p.square && ti == tj, false, s};
    const bool apart = a.last_class(ti) < b.cls(tj)[0] || b.last_class(tj) < a.cls(ti)[0];
    t.plain = p.shared_shift && apart && t.n == kTile && !t.diagonal;
    for (int64_t r = 0; t.plain && !p.square && r < t.m; ++r) {
        const int64_t own = p.self[t.i + r] - t.j;
        t.plain = own < 0 || own >= kTile;
    }
    return t;
}

template <class Operands, class T>
auto similarities(const Problem<T>& p, const Operands& operands, int64_t ti, int64_t tj, T* s) {
    const auto t = tile_at(p, operands.a, operands.b, ti, tj, s);
    operands.a.similarities(ti, operands.b, tj, t.vectors(), s);
    return t;
}

// The tiles that the forward pass keeps for the backward pass: the exponentials of plain tiles, the
// similarities of others.
template <class T>
class Kept {
public:
    Kept(bool square, int64_t a_tiles, int64_t b_tiles)
        : square_(square),
          columns_(b_tiles),
          size_((square ? a_tiles * (a_tiles + 1) / 2 : a_tiles * b_tiles) * kTile * kTile) {}
    // Numbers in the memory of the tiles.
    int64_t size() const { return size_; }
    // Whether they are few enough to be kept.
    bool fits() const { return size_ * int64_t{sizeof(T)} <= skelbench::contrastive::kMostKept; }
    void keep(T* memory) { tiles_ = memory; }
    bool any() const { return tiles_ != nullptr; }
    // ti <= tj in the square form.
    T* tile(int64_t ti, int64_t tj) const {
        return tiles_ + (square_ ? tj * (tj + 1) / 2 + ti : ti * columns_ + tj) * kTile * kTile;
    }

private:
    bool square_;
    int64_t columns_, size_;
    T* tiles_ = nullptr;
};

// A problem with its operands packed, for both passes, and their memory.
//
// Up to kMostCopies threads pack the operands each for itself, if the tiles fit: a core takes longer to write
// what another core has read than to pack, and more so if the two share no cache. For the same reason the
// memory is one block: in calls of the same size each thread finds its part in the same place.
template <class P, class T>
class PackedProblem {
    static constexpr int64_t kMostCopies = 4;
    using V = typename P::vector;

public:
    // In the square form b is a, and the other operand has no rows.
    struct Operands {
        const P a, other;
        const P& b;
        Operands(const PackedProblem& of, T* memory, bool alone)
            : a(of.a, memory, alone),
              other(of.other_, memory + P::size(of.a), alone),
              b(of.p.square ? a : other) {}
    };
    const Problem<T>& p;
    const Tiled<V> a, b;
    const Kept<T>& kept = kept_;

    PackedProblem(const Problem<T>& problem, bool keep)
        : p(problem),
          a(p.anchors, p.d),
          b(p.square ? p.anchors : p.contrasts, p.d),
          other_(p.square ? kNoRows : p.contrasts, p.d),
          kept_(p.square, a.tiles, b.tiles),
          copies_(kept_.fits() && p.threads <= kMostCopies ? p.threads : 1),
          keeps_(keep && kept_.fits()),
          memory_(copies_ * operands_size() + (keeps_ ? kept_.size() : 0) + sums_size(a) +
                  sums_size(other_)) {
        if (keeps_) kept_.keep(memory_.get() + copies_ * operands_size());
        if (copies_ < p.threads) pack(0, false);
    }
    ~PackedProblem() {
        for (const Operands* copy : operands_) delete copy;
    }
    PackedProblem(const PackedProblem&) = delete;
    PackedProblem& operator=(const PackedProblem&) = delete;

    // The operands as a thread of for_each_tile_pair reads them.
    const Operands& operands(int64_t thread) const {
        const int64_t copy = copies_ < p.threads ? 0 : thread;
        if (!operands_[copy]) pack(copy, true);
        return *operands_[copy];
    }
    // Memory for the gradients of either side, in class order and padded; none for those that are summed
    // where the caller wants them.
    T* sums(bool of_b) const {
        return memory_.get() + copies_ * operands_size() + (keeps_ ? kept_.size() : 0) +
               (of_b ? sums_size(a) : 0);
    }

private:
    static constexpr Rows<T> kNoRows{};
    static int64_t sums_size(const Tiled<V>& of) { return of.direct() ? 0 : of.whole(of.rows.n * of.stride); }
    int64_t operands_size() const { return P::size(a) + P::size(other_); }
    void pack(int64_t copy, bool alone) const {
        operands_[copy] = new Operands(*this, memory_.get() + copy * operands_size(), alone);
    }
    const Tiled<V> other_;
    Kept<T> kept_;
    int64_t copies_;
    bool keeps_;
    const Buffer<T> memory_;
    mutable const Operands* operands_[kMostCopies] = {};
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
