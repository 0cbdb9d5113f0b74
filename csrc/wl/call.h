// A call of the op on either device: its checks and its memory.
#pragma once
#include "host/tensors.h"
#include "wl/kernels.h"

namespace skelbench::wl {

struct Call {
    Tensor labels, indptr, indices, tokens;
    Problem problem{};

    Call(const Tensor& l, const Tensor& p, const Tensor& i, int64_t iterations, int64_t bits)
        : labels(checked(l, ScalarType::Long, 2, "labels")),
          indptr(checked(p, ScalarType::Long, 1, "indptr")),
          indices(checked(i, ScalarType::Long, 1, "indices")) {
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
};

}  // namespace skelbench::wl
