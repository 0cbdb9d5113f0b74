// What the op asks of an ISA level.
#pragma once
#include <cstdint>

namespace skelbench::wl {

// G graphs over one adjacency in CSR form; node v's neighbours are indices[indptr[v] .. indptr[v + 1]].
struct Problem {
    const int64_t* labels;  // (graphs, nodes)
    const int64_t* indptr;  // (nodes + 1)
    const int64_t* indices;
    int64_t graphs, nodes, iterations;
    uint64_t mask;    // bits of a token that are kept
    int64_t* tokens;  // (graphs, iterations + 1, nodes)
};

struct Kernels {
    void (*subtrees)(const Problem& problem);
};

}  // namespace skelbench::wl
