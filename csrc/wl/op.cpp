// Rooted subtrees of Weisfeiler and Lehman: schema, checks and the choice of the kernel.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include "isa/kernels.h"

#ifdef SKELBENCH_WITH_CUDA
#include <torch/csrc/stable/accelerator.h>

#include "wl/cuda.h"
extern "C" int32_t aoti_torch_get_current_cuda_stream(int32_t device, void** stream);
#pragma weak aoti_torch_get_current_cuda_stream  // absent from a torch without CUDA, which then never gets
                                                 // here
#endif

namespace skelbench::wl {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// The call as the kernels see it, with the memory it points into.
struct Call {
    Tensor labels, indptr, indices, tokens;
    Problem problem{};

    Call(const Tensor& l, const Tensor& p, const Tensor& i, int64_t iterations, int64_t bits)
        : labels(torch::stable::contiguous(l)),
          indptr(torch::stable::contiguous(p)),
          indices(torch::stable::contiguous(i)) {
        const auto is = [](const Tensor& x, int64_t dim, const char* name) {
            STD_TORCH_CHECK(x.scalar_type() == ScalarType::Long && x.dim() == dim, name,
                            " must be int64 with ", dim, " dimensions");
        };
        is(labels, 2, "labels");
        is(indptr, 1, "indptr");
        is(indices, 1, "indices");
        const int64_t nodes = labels.size(1);
        STD_TORCH_CHECK(indptr.size(0) == nodes + 1, "indptr has ", indptr.size(0), " numbers, but ", nodes,
                        " nodes need ", nodes + 1);
        STD_TORCH_CHECK(iterations >= 0, "iterations must not be negative: ", iterations);
        STD_TORCH_CHECK(bits >= 1 && bits <= 64, "bits must be 1 to 64: ", bits);
        tokens = torch::stable::new_empty(labels, {labels.size(0), iterations + 1, nodes}, ScalarType::Long);
        problem = {labels.const_data_ptr<int64_t>(),
                   indptr.const_data_ptr<int64_t>(),
                   indices.const_data_ptr<int64_t>(),
                   labels.size(0),
                   nodes,
                   iterations,
                   bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1,
                   tokens.mutable_data_ptr<int64_t>()};
    }

    // Every neighbour must be a node. On the CPU only: looking would make the GPU wait.
    void check_neighbours() const {
        const Problem& p = problem;
        STD_TORCH_CHECK(p.indptr[0] == 0 && p.indptr[p.nodes] == indices.size(0),
                        "indptr must run from 0 to ", indices.size(0),
                        ", the number of neighbours, not from ", p.indptr[0], " to ", p.indptr[p.nodes]);
        for (int64_t v = 0; v < p.nodes; ++v) {
            STD_TORCH_CHECK(p.indptr[v] <= p.indptr[v + 1], "indptr falls after node ", v);
        }
        for (int64_t e = 0; e < indices.size(0); ++e) {
            STD_TORCH_CHECK(p.indices[e] >= 0 && p.indices[e] < p.nodes, "indices: number ", e, " is ",
                            p.indices[e], ", but the nodes are 0..", p.nodes - 1);
        }
    }
};

Tensor subtrees(Tensor labels, Tensor indptr, Tensor indices, int64_t iterations, int64_t bits) {
    const Call call(labels, indptr, indices, iterations, bits);
    call.check_neighbours();
    if (call.problem.graphs > 0 && call.problem.nodes > 0) kernels().wl.subtrees(call.problem);
    return call.tokens;
}

#ifdef SKELBENCH_WITH_CUDA
Tensor subtrees_on_cuda(Tensor labels, Tensor indptr, Tensor indices, int64_t iterations, int64_t bits) {
    const int32_t device = labels.get_device_index();
    const torch::stable::accelerator::DeviceGuard guard(device);
    const Call call(labels, indptr, indices, iterations, bits);
    STD_TORCH_CHECK(indptr.is_cuda() && indices.is_cuda() && indptr.get_device_index() == device &&
                        indices.get_device_index() == device,
                    "labels, indptr and indices must be on one device");
    void* stream = nullptr;
    STD_TORCH_CHECK(aoti_torch_get_current_cuda_stream != nullptr &&
                        aoti_torch_get_current_cuda_stream(device, &stream) == 0,
                    "this torch has no CUDA stream to offer");
    const int error = subtrees_cuda(call.problem, stream);
    STD_TORCH_CHECK(error == 0, "wl_subtrees: CUDA error ", error);
    return call.tokens;
}
#endif

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    m.def("wl_subtrees(Tensor labels, Tensor indptr, Tensor indices, int iterations, int bits) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CPU, m) {
    m.impl("wl_subtrees", TORCH_BOX(&subtrees));
}

#ifdef SKELBENCH_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(skelbench, CUDA, m) {
    m.impl("wl_subtrees", TORCH_BOX(&subtrees_on_cuda));
}
#endif

}  // namespace
}  // namespace skelbench::wl
