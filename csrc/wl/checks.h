// A call of the op, checked, as its CPU and CUDA kernels see it.
#pragma once
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include "wl/kernels.h"

namespace skelbench::wl {

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

}  // namespace skelbench::wl
