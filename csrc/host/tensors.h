// Checks of tensors, for the host side of every op.
#pragma once
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include <initializer_list>

namespace skelbench {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// The tensor, contiguous. Throws if its dtype or its number of dimensions is another.
inline Tensor checked(const Tensor& x, ScalarType dtype, int64_t dim, const char* name) {
    const char* expected = dtype == ScalarType::Long     ? "int64"
                           : dtype == ScalarType::Int    ? "int32"
                           : dtype == ScalarType::Float  ? "float32"
                           : dtype == ScalarType::Double ? "float64"
                                                         : "bool";
    STD_TORCH_CHECK(x.scalar_type() == dtype && x.dim() == dim, name, " must be ", expected, " with ", dim,
                    dim == 1 ? " dimension" : " dimensions");
    return torch::stable::contiguous(x);
}

// Throws unless all tensors are on the CUDA device of the first.
inline void check_one_device(const char* op, const Tensor& first,
                             std::initializer_list<const Tensor*> others) {
    for (const Tensor* x : others)
        STD_TORCH_CHECK(x->is_cuda() && x->get_device_index() == first.get_device_index(), op,
                        ": every tensor must be on one device");
}

}  // namespace skelbench
