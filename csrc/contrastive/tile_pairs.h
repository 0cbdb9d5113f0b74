// Which pairs of tiles are visited, and in which order: index arithmetic for the CPU, CUDA and the tests.
//
// The CPU visits pairs of blocks, which are a few consecutive tiles. A pair (a, b) adds to the sums and
// gradients of both blocks. The pairs are grouped in rounds. In a round no block appears twice, and a block's
// pairs are visited in the order of their rounds. So no sum needs a lock, and the order of all additions
// depends on the sizes alone: the result is the same for any number of threads.
#pragma once
#include <cstdint>

#include "isa/inline.h"

namespace skelbench::contrastive {

// A pair of blocks. An index equal to the number of blocks of its side means that the other block is idle.
struct Pair {
    int64_t a, b;
};

// The square form: all unordered pairs of one set of blocks. In round 0 every block is paired with itself.
// The other rounds are the circle method of round-robin tournaments, in which every two different blocks meet
// once. With an odd number of blocks one is idle in each round. From round to round a block moves by one
// slot, so a thread that keeps its slots keeps its blocks.
struct SquareRounds {
    int64_t blocks;

    // The blocks, and an idle one that makes their number even.
    SKELBENCH_INLINE int64_t even() const { return blocks + (blocks & 1); }
    SKELBENCH_INLINE int64_t rounds() const { return blocks > 1 ? even() : blocks; }
    // Pairs without an idle block.
    SKELBENCH_INLINE int64_t pairs() const { return blocks * (blocks + 1) / 2; }
    // Pairs in a round, with those that have one.
    SKELBENCH_INLINE int64_t slots(int64_t round) const { return round ? even() / 2 : blocks; }
    // The pair in a slot of a round, a <= b.
    SKELBENCH_INLINE Pair pair(int64_t round, int64_t slot) const {
        if (round == 0) return {slot, slot};
        const int64_t r = round - 1, ring = even() - 1;
        const int64_t x = slot == 0 ? r : (r + slot) % ring;
        const int64_t y = slot == 0 ? ring : (r - slot + ring) % ring;
        return x < y ? Pair{x, y} : Pair{y, x};
    }
};

// The rectangular form: all pairs of a block of one side and a block of the other. In round r, block i of the
// shorter side is paired with block i + r of the longer side, modulo its length.
struct RectangleRounds {
    int64_t a_blocks, b_blocks;

    SKELBENCH_INLINE int64_t longer() const { return a_blocks > b_blocks ? a_blocks : b_blocks; }
    SKELBENCH_INLINE int64_t shorter() const { return a_blocks < b_blocks ? a_blocks : b_blocks; }
    SKELBENCH_INLINE int64_t rounds() const { return shorter() ? longer() : 0; }
    SKELBENCH_INLINE int64_t pairs() const { return a_blocks * b_blocks; }
    SKELBENCH_INLINE int64_t slots(int64_t) const { return longer(); }
    SKELBENCH_INLINE Pair pair(int64_t round, int64_t slot) const {
        const int64_t of_shorter = slot < shorter() ? slot : shorter();
        const int64_t of_longer = (slot + round) % longer();
        return a_blocks < b_blocks ? Pair{of_shorter, of_longer} : Pair{of_longer, of_shorter};
    }
};

// The upper triangle of tiles x tiles, with the diagonal: index -> (a, b), a <= b. Row r and row tiles - 1 -
// r have tiles + 1 entries together, so the triangle folds into a rectangle. The index needs no square root.
struct Triangle {
    int64_t tiles;

    SKELBENCH_INLINE int64_t pairs() const { return tiles * (tiles + 1) / 2; }
    SKELBENCH_INLINE Pair pair(int64_t index) const {
        const int64_t row = index / (tiles + 1), column = index % (tiles + 1);
        if (column < tiles - row) return {row, row + column};
        const int64_t mirrored = tiles - 1 - row;
        return {mirrored, mirrored + column - (tiles - row)};
    }
};

// The CUDA grid. A thread block takes anchor tile a and the contrast tiles [b, b_end). A mirrored tile serves
// both sides.
struct Grid {
    int64_t a_tiles, b_tiles;
    bool square, deterministic;

    struct Work {
        int64_t a, b, b_end;
    };
    SKELBENCH_INLINE int64_t blocks() const {
        return deterministic ? a_tiles : square ? Triangle{a_tiles}.pairs() : a_tiles * b_tiles;
    }
    SKELBENCH_INLINE bool mirrored(int64_t a, int64_t b) const { return square && !deterministic && a != b; }
    SKELBENCH_INLINE Work work(int64_t block) const {
        if (deterministic) return {block, 0, b_tiles};
        const Pair p = square ? Triangle{a_tiles}.pair(block) : Pair{block / b_tiles, block % b_tiles};
        return {p.a, p.b, p.b + 1};
    }
};

}  // namespace skelbench::contrastive
