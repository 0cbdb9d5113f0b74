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
    int64_t a, b;
};

// Square form: in round 0 every block meets itself; rounds 1.. are a round-robin tournament (circle method)
// in which every two different blocks meet once. With an odd number of blocks one sits out per round.
// From round to round a block moves to a neighbouring place: threads that keep to their places keep their
// blocks.
struct Tournament {
    int64_t blocks;

    SKELBENCH_HD int64_t players() const { return blocks + (blocks & 1); }
    SKELBENCH_HD int64_t rounds() const { return blocks > 1 ? players() : blocks; }
    SKELBENCH_HD int64_t places(int64_t round) const { return round ? players() / 2 : blocks; }
    // The step at a place of a round; a <= b.
    SKELBENCH_HD Step step(int64_t round, int64_t place) const {
        if (round == 0) return {place, place};
        const int64_t r = round - 1, ring = players() - 1;
        const int64_t x = place == 0 ? r : (r + place) % ring;
        const int64_t y = place == 0 ? ring : (r - place + ring) % ring;
        return x < y ? Step{x, y} : Step{y, x};
    }
};

// Rectangular form: the blocks of the longer side sit in a ring, and each of the shorter side moves on by one
// seat a round, until it has met them all.
struct Carousel {
    int64_t a_blocks, b_blocks;

    SKELBENCH_HD int64_t seats() const { return a_blocks > b_blocks ? a_blocks : b_blocks; }
    SKELBENCH_HD int64_t riders() const { return a_blocks < b_blocks ? a_blocks : b_blocks; }
    SKELBENCH_HD int64_t rounds() const { return riders() ? seats() : 0; }
    SKELBENCH_HD int64_t places(int64_t) const { return seats(); }
    SKELBENCH_HD Step step(int64_t round, int64_t place) const {
        const int64_t rider = place < riders() ? place : riders(), seat = (place + round) % seats();
        return a_blocks < b_blocks ? Step{rider, seat} : Step{seat, rider};
    }
};

// Upper triangle, diagonal included, of tiles x tiles: index -> (a, b) with a <= b. Row r and row tiles - 1 -
// r have tiles + 1 entries together, so the triangle folds into a rectangle and needs no square root.
struct Triangle {
    int64_t tiles;

    SKELBENCH_HD int64_t steps() const { return tiles * (tiles + 1) / 2; }
    SKELBENCH_HD Step step(int64_t index) const {
        const int64_t row = index / (tiles + 1), place = index % (tiles + 1);
        if (place < tiles - row) return {row, row + place};
        const int64_t mirrored = tiles - 1 - row;
        return {mirrored, mirrored + place - (tiles - row)};
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
        const Step s = square ? Triangle{a_tiles}.step(block) : Step{block / b_tiles, block % b_tiles};
        return {s.a, s.b, s.b + 1};
    }
};

}  // namespace skelbench::contrastive
