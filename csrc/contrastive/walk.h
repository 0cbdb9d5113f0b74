// Index arithmetic of the walks over pairs of blocks, shared by the kernels and their tests.
//
// A pair (I, J) of row blocks adds to the sums and gradients of both I and J. The walk goes in rounds; within
// a round no block appears twice, so threads need no locks, and the order of every addition is fixed by the
// sizes alone: the result does not depend on the number of threads.
#pragma once
#include <cstdint>

#ifdef __CUDACC__
#define SKELBENCH_HD __host__ __device__
#else
#define SKELBENCH_HD
#endif

namespace skelbench::contrastive {

struct BlockPair {
    int64_t a, b;
};

// Square form: round 0 pairs every block with itself; rounds 1.. are a round-robin tournament (circle method)
// in which every two different blocks meet once. With an odd number of blocks one sits out per round.
struct Tournament {
    int64_t blocks;

    SKELBENCH_HD int64_t players() const { return blocks + (blocks & 1); }
    SKELBENCH_HD int64_t rounds() const { return blocks > 1 ? players() : blocks; }
    SKELBENCH_HD int64_t pairs(int64_t round) const { return round == 0 ? blocks : players() / 2; }
    // The pair has a <= b; b == blocks means "sits out".
    SKELBENCH_HD BlockPair pair(int64_t round, int64_t k) const {
        if (round == 0) return {k, k};
        const int64_t ring = players() - 1, r = round - 1;
        const int64_t x = k == 0 ? r : (r + k) % ring;
        const int64_t y = k == 0 ? ring : (r - k + ring) % ring;
        return x < y ? BlockPair{x, y} : BlockPair{y, x};
    }
};

// Rectangular form: every block of a meets every block of b; in a round each moves on by one.
struct Carousel {
    int64_t a_blocks, b_blocks;

    SKELBENCH_HD int64_t rounds() const { return a_blocks > b_blocks ? a_blocks : b_blocks; }
    SKELBENCH_HD int64_t pairs(int64_t) const { return a_blocks < b_blocks ? a_blocks : b_blocks; }
    SKELBENCH_HD BlockPair pair(int64_t round, int64_t k) const {
        const int64_t other = (k + round) % rounds();
        return a_blocks < b_blocks ? BlockPair{k, other} : BlockPair{other, k};
    }
};

}  // namespace skelbench::contrastive
