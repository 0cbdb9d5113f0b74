// What the op asks of a kernel: plain pointers and sizes, no torch.
#pragma once
#include <cstdint>

#include "isa/levels.h"

namespace skelbench::wl {

// Graphs with one adjacency in CSR form. The neighbours of node v are indices[indptr[v] .. indptr[v + 1]].
struct Problem {
    // (graphs, nodes)
    const int64_t* labels;
    // (nodes + 1,)
    const int64_t* indptr;
    const int64_t* indices;
    int64_t graphs, nodes, iterations;
    // The bits of a token that are kept.
    uint64_t mask;
    // (graphs, iterations + 1, nodes)
    int64_t* tokens;
};

struct Kernels {
    void (*subtrees)(const Problem& problem);

    static const Kernels SKELBENCH_LEVELS;
};

}  // namespace skelbench::wl
