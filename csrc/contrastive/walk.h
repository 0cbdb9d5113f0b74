// Index arithmetic of the walks over pairs of blocks, shared by the kernels and their tests.
//
// A pair (a, b) of row blocks adds to the sums and gradients of both. The walk goes in rounds; within a round
// no block appears twice, and a block's pairs are worked on in the order of their rounds. So threads need no
// locks around sums, and the order of every addition is fixed by the sizes alone: the result does not depend
// on the threads.
#pragma once
#include <cstdint>

#ifdef __CUDACC__
#define SKELBENCH_HD __host__ __device__
#else
#define SKELBENCH_HD
#endif

namespace skelbench::contrastive {

// One step of a walk. An index equal to the number of blocks of its side means that the other one sits out.
struct Step {
    int64_t round, a, b;
};

// Square form: in round 0 every block meets itself; rounds 1.. are a round-robin tournament (circle method)
// in which every two different blocks meet once. With an odd number of blocks one sits out per round.
struct Tournament {
    int64_t blocks;

    SKELBENCH_HD int64_t players() const { return blocks + (blocks & 1); }
    SKELBENCH_HD int64_t steps() const {
        return blocks > 1 ? blocks + (players() - 1) * (players() / 2) : blocks;
    }
    // Steps in the order in which they may start; a <= b.
    SKELBENCH_HD Step step(int64_t index) const {
        if (index < blocks) return {0, index, index};
        const int64_t half = players() / 2, ring = players() - 1;
        const int64_t r = (index - blocks) / half, k = (index - blocks) % half;
        const int64_t x = k == 0 ? r : (r + k) % ring;
        const int64_t y = k == 0 ? ring : (r - k + ring) % ring;
        return x < y ? Step{r + 1, x, y} : Step{r + 1, y, x};
    }
};

// Rectangular form: the blocks of the longer side sit in a ring, and each of the shorter side moves on by one
// seat a round, until it has met them all.
struct Carousel {
    int64_t a_blocks, b_blocks;

    SKELBENCH_HD int64_t seats() const { return a_blocks > b_blocks ? a_blocks : b_blocks; }
    SKELBENCH_HD int64_t riders() const { return a_blocks < b_blocks ? a_blocks : b_blocks; }
    SKELBENCH_HD int64_t steps() const { return riders() ? seats() * seats() : 0; }
    SKELBENCH_HD Step step(int64_t index) const {
        const int64_t round = index / seats(), k = index % seats();
        const int64_t rider = k < riders() ? k : riders(), seat = (k + round) % seats();
        return a_blocks < b_blocks ? Step{round, rider, seat} : Step{round, seat, rider};
    }
};

// Upper triangle, diagonal included, of tiles x tiles: index -> (a, b) with a <= b. Row r and row tiles - 1 -
// r have tiles + 1 entries together, so the triangle folds into a rectangle and needs no square root.
struct Triangle {
    int64_t tiles;

    SKELBENCH_HD int64_t steps() const { return tiles * (tiles + 1) / 2; }
    SKELBENCH_HD Step step(int64_t index) const {
        const int64_t row = index / (tiles + 1), place = index % (tiles + 1);
        if (place < tiles - row) return {0, row, row + place};
        const int64_t mirrored = tiles - 1 - row;
        return {0, mirrored, mirrored + place - (tiles - row)};
    }
};

// What one CUDA thread block does: anchor tile a against contrast tiles [b, b_end). "Mirrored" tiles serve
// both sides.
struct GridWalk {
    int64_t a_tiles, b_tiles;
    bool square, deterministic;

    struct Work {
        int64_t a, b, b_end;
    };
    SKELBENCH_HD int64_t blocks() const {
        return deterministic ? a_tiles : square ? Triangle{a_tiles}.steps() : a_tiles * b_tiles;
    }
    SKELBENCH_HD bool mirrored(int64_t a, int64_t b) const { return square && !deterministic && a != b; }
    SKELBENCH_HD Work work(int64_t block) const {
        if (deterministic) return {block, 0, b_tiles};
        const Step s = square ? Triangle{a_tiles}.step(block) : Step{0, block / b_tiles, block % b_tiles};
        return {s.a, s.b, s.b + 1};
    }
};

}  // namespace skelbench::contrastive
