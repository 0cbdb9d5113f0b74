// What the op asks of a kernel: plain pointers and sizes, no torch.
#pragma once
#include <cstdint>

#include "isa/levels.h"

namespace skelbench::pv_dbow {

// Most negative samples per word.
constexpr int64_t kMostNegative = 32;
// Words that are compared with one state of their document's vector.
constexpr int64_t kStep = 4;
// Words of each document between two updates of the table.
constexpr int64_t kSegment = 64;
constexpr int64_t kSteps = kSegment / kStep;
// Rows of a step, rounded up to whole vectors.
constexpr int64_t kRows = (kStep * (1 + kMostNegative) + 15) / 16 * 16;
// Beyond this product a pair is left alone, as in word2vec (MAX_EXP).
constexpr float kSaturated = 6.0f;

// One epoch of PV-DBOW. Document d has the words words[indptr[d] .. indptr[d + 1]], each a row of the table.
struct Problem {
    const int32_t* words;
    // (documents + 1,)
    const int64_t* indptr;
    int64_t documents, vocabulary, dimensions;
    // (vocabulary,), the distribution of negative samples, summed up; the last is 1.
    const double* cumulative;
    // (vocabulary,), the chance that an occurrence of the word is used.
    const double* keep;
    // (documents, dimensions)
    float* vectors;
    // (vocabulary, dimensions); written by `train` only.
    float* table;
    // At the first and behind the last block of the epoch.
    double rate, next_rate;
    int64_t negative, epoch, seed;
    // Documents per block; used by `train` only.
    int64_t block;
};

struct Kernels {
    // Vectors and table learn.
    void (*train)(const Problem& problem);
    // Vectors learn, each by the words of its document alone.
    void (*infer)(const Problem& problem);

    static const Kernels SKELBENCH_LEVELS;
};

}  // namespace skelbench::pv_dbow
