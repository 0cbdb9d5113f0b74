// Rooted subtrees of Weisfeiler and Lehman: schema and the choice of the CPU kernel.
#include <torch/csrc/stable/library.h>

#include "isa/kernels.h"
#include "wl/checks.h"

namespace skelbench::wl {
namespace {

Tensor subtrees(Tensor labels, Tensor indptr, Tensor indices, int64_t iterations, int64_t bits) {
    const Call call(labels, indptr, indices, iterations, bits);
    call.check_neighbours();
    if (call.problem.graphs > 0 && call.problem.nodes > 0) kernels().wl.subtrees(call.problem);
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
