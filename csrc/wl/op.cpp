// Weisfeiler-Lehman subtrees on the CPU: schema, the check of the neighbour lists, dispatch.
#include <torch/csrc/stable/library.h>

#include "isa/dispatch.h"
#include "wl/call.h"

namespace skelbench::wl {
namespace {

// Every neighbour must be a node.
void check_neighbours(const Problem& p, int64_t neighbours) {
    STD_TORCH_CHECK(p.indptr[0] == 0 && p.indptr[p.nodes] == neighbours, "indptr must run from 0 to ",
                    neighbours, ", the number of neighbours, not from ", p.indptr[0], " to ",
                    p.indptr[p.nodes]);
    for (int64_t v = 0; v < p.nodes; ++v) {
        STD_TORCH_CHECK(p.indptr[v] <= p.indptr[v + 1], "indptr falls after node ", v);
    }
    for (int64_t e = 0; e < neighbours; ++e) {
        STD_TORCH_CHECK(p.indices[e] >= 0 && p.indices[e] < p.nodes, "indices: number ", e, " is ",
                        p.indices[e], ", but the nodes are 0..", p.nodes - 1);
    }
}

Tensor subtrees(Tensor labels, Tensor indptr, Tensor indices, int64_t iterations, int64_t bits) {
    const Call call(labels, indptr, indices, iterations, bits);
    check_neighbours(call.problem, indices.size(0));
    if (call.problem.graphs > 0 && call.problem.nodes > 0) dispatch<&Kernels::subtrees>()(call.problem);
    return call.tokens;
}

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    m.def("wl_subtrees(Tensor labels, Tensor indptr, Tensor indices, int iterations, int bits) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CPU, m) {
    m.impl("wl_subtrees", TORCH_BOX(&subtrees));
}

}  // namespace
}  // namespace skelbench::wl
