// One tile of similarities, the walk over all tiles, and the masks where classes meet.
//
// Rows come sorted by class, so classes meet only in a band of tiles; all other tiles need neither labels nor
// the k1 term ("plain"). In the square form each unordered pair of tiles is visited once and serves both its
// sides.
#pragma once
#include <sched.h>

#include <cmath>

#include "contrastive/kernels.h"
#include "contrastive/packed.h"
#include "contrastive/walk.h"
#include "isa/parallel_for.h"

namespace skelbench::SKELBENCH_ISA {

using contrastive::Problem;

// A moment's rest in a loop that waits for another thread.
inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

// Blocks of one side, and how many rounds each has behind it.
class Progress {
public:
    explicit Progress(int64_t blocks) : rounds_(blocks + 1, true), blocks_(blocks) {}
    bool sits_out(int64_t block) const { return block == blocks_; }
    void wait(int64_t block, int64_t round) const {
        // A block is late by a few steps at most, some 50 us, unless its thread was put to sleep: only then
        // is the processor better left to others, for what may be milliseconds.
        constexpr int kPauses = 1000;
        for (int waits = 0; !sits_out(block) && __atomic_load_n(at(block), __ATOMIC_ACQUIRE) != round;
             ++waits)
            waits < kPauses ? pause() : static_cast<void>(sched_yield());
    }
    void finish(int64_t block, int64_t round) const {
        if (!sits_out(block)) __atomic_store_n(at(block), round + 1, __ATOMIC_RELEASE);
    }

private:
    int64_t* at(int64_t block) const { return rounds_.get() + block; }
    Buffer<int64_t> rounds_;
    int64_t blocks_;
};

// Which thread works on which places of a round: every lane is an equal share of the places, and a thread
// keeps to one lane as long as it can, so that the sums of its blocks stay in its cache.
class Lanes {
public:
    Lanes(int64_t lanes, int64_t rounds) : claimed_(lanes, true), lanes_(lanes), rounds_(rounds) {}
    int64_t count() const { return lanes_; }
    // Takes a lane's next round, the thread's own lane before another that is behind; false when all are
    // taken. Rounds are taken in order: when one is, all earlier rounds of all lanes have been. So the
    // earliest step in work never waits and there is no deadlock, however many threads there are in the end;
    // and a thread that the system has put to sleep holds up only the blocks it works on.
    bool take(int64_t own, int64_t& lane, int64_t& round) const {
        for (;;) {
            round = rounds_;
            for (int64_t i = 0; i < lanes_; ++i)
                round = min64(round, __atomic_load_n(at(i), __ATOMIC_ACQUIRE));
            if (round == rounds_) return false;
            for (int64_t i = 0; i < lanes_; ++i) {
                lane = (own + i) % lanes_;
                int64_t expected = round;
                if (__atomic_compare_exchange_n(at(lane), &expected, round + 1, false, __ATOMIC_ACQ_REL,
                                                __ATOMIC_RELAXED))
                    return true;
            }
        }
    }

private:
    int64_t* at(int64_t lane) const { return claimed_.get() + lane; }
    Buffer<int64_t> claimed_;
    int64_t lanes_, rounds_;
};

// Runs f(a, b) for every step of the walk in one parallel region, each after its two blocks' earlier rounds.
template <class Walk, class F>
void run_walk(const Walk& walk, const Progress& a, const Progress& b, const F& f) {
    if (!walk.rounds()) return;
    const Lanes lanes(min64(parallel_threads(), walk.places(walk.rounds() - 1)), walk.rounds());
    parallel_for(lanes.count(), 1, [&](int64_t own, int64_t) {
        for (int64_t lane, round; lanes.take(own, lane, round);) {
            const int64_t places = walk.places(round), end = (lane + 1) * places / lanes.count();
            for (int64_t place = lane * places / lanes.count(); place < end; ++place) {
                const contrastive::Step step = walk.step(round, place);
                a.wait(step.a, round);
                b.wait(step.b, round);
                if (!a.sits_out(step.a) && !b.sits_out(step.b)) f(step.a, step.b);
                a.finish(step.a, round);
                b.finish(step.b, round);
            }
        }
    });
}

// Tiles per block of the walk: enough blocks for many threads, enough work in a step to pay for its
// bookkeeping.
inline int64_t block_tiles(int64_t tiles) {
    return tiles <= 16 ? 1 : tiles <= 64 ? 2 : tiles <= 256 ? 4 : 8;
}

// Runs f(a_tile, b_tile) for every pair of tiles (square form: every unordered pair), one at a time per tile.
template <class T, class P, class F>
void walk_tiles(const Problem<T>& p, const P& a, const P& b, const F& f) {
    const int64_t size = block_tiles(a.tiles > b.tiles ? a.tiles : b.tiles);
    const auto block = [&](int64_t block_a, int64_t block_b) {
        const int64_t a_end = min64(a.tiles, (block_a + 1) * size),
                      b_end = min64(b.tiles, (block_b + 1) * size);
        for (int64_t i = block_a * size; i < a_end; ++i)
            for (int64_t j = p.square && block_a == block_b ? i : block_b * size; j < b_end; ++j) f(i, j);
    };
    const int64_t a_blocks = ceil_div(a.tiles, size), b_blocks = ceil_div(b.tiles, size);
    const Progress of_a(a_blocks), of_b(p.square ? 0 : b_blocks);
    if (p.square) {
        run_walk(contrastive::Tournament{a_blocks}, of_a, of_a, block);
    } else {
        run_walk(contrastive::Carousel{a_blocks, b_blocks}, of_a, of_b, block);
    }
}

struct Columns {
    alignas(64) int32_t index[kTile];
    constexpr Columns() : index{} {
        for (int32_t c = 0; c < kTile; ++c) index[c] = c;
    }
};
inline constexpr Columns kColumns;

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

template <class T, class P>
Tile<typename P::vector> similarities(const Problem<T>& p, const P& a, const P& b, int64_t ti, int64_t tj,
                                      T* s) {
    Tile<typename P::vector> t{p,           ti * kTile,           tj * kTile, a.count(ti),
                               b.count(tj), p.square && ti == tj, false,      s};
    const bool apart = a.last_class(ti) < b.cls(tj)[0] || b.last_class(tj) < a.cls(ti)[0];
    t.plain = p.shared_shift && apart && t.n == kTile && !t.diagonal;
    for (int64_t r = 0; t.plain && !p.square && r < t.m; ++r) {
        const int64_t own = p.self[t.i + r] - t.j;
        t.plain = own < 0 || own >= kTile;
    }
    a.similarities(ti, b, tj, t.vectors(), s);
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
        valid = ~(column == I::set(-1)) & ~(I::load(kColumns.index + c) == I::set(own));
        same = (column == I::set(cls)) & valid;
    }
};

}  // namespace skelbench::SKELBENCH_ISA
