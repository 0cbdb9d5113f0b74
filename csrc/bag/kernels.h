// What the op asks of a kernel: plain pointers and sizes, no torch.
#pragma once
#include <cstdint>

#include "isa/levels.h"

namespace skelbench::bag {

// Sums of embeddings. Bag g adds up weight[i / repeats] * table[rows[g, i]] over its tokens i that count.
struct Problem {
    // (bags, tokens), each of 0 .. entries - 1.
    const int32_t* rows;
    int64_t bags, tokens, entries, dimensions;
    // (tokens / repeats,)
    const float* weight;
    int64_t repeats;
    // (entries,): whether tokens of a row count.
    const bool* known;
    // Of the tokens that count, this share is left out at random, by the seed.
    double dropout;
    int64_t seed;
    // Number of the first bag, for the random numbers.
    int64_t first;
};

struct Kernels {
    // bags (bags, dimensions) and the unweighted sums of their groups, parts (bags, tokens / repeats,
    // dimensions), from table (entries, dimensions).
    void (*sums)(const Problem& problem, const float* table, float* bags, float* parts);
    // Gradients of table, zeros before, and of weight.
    void (*gradients)(const Problem& problem, const float* parts, const float* grad, float* table_grad,
                      float* weight_grad);

    static const Kernels SKELBENCH_LEVELS;
};

}  // namespace skelbench::bag
