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

// The tensor, contiguous. Without a call of torch's dispatcher where it already is.
inline Tensor made_contiguous(const Tensor& x) {
    return x.is_contiguous() ? x : torch::stable::contiguous(x);
}

// The same in a dtype.
inline Tensor made_contiguous(const Tensor& x, ScalarType dtype) {
    return made_contiguous(x.scalar_type() == dtype ? x : torch::stable::to(x, dtype));
}

// The tensor, contiguous. Throws if its dtype or its number of dimensions is another.
inline Tensor checked(const Tensor& x, ScalarType dtype, int64_t dim, const char* name) {
    const char* expected = dtype == ScalarType::Long     ? "int64"
                           : dtype == ScalarType::Int    ? "int32"
                           : dtype == ScalarType::Float  ? "float32"
                           : dtype == ScalarType::Double ? "float64"
                                                         : "bool";
    STD_TORCH_CHECK(x.scalar_type() == dtype && x.dim() == dim, name, " must be ", expected, " with ", dim,
                    dim == 1 ? " dimension" : " dimensions");
    return made_contiguous(x);
}

// Throws unless a padded row of this many frames, bodies and numbers per body is one that the ops compute:
// the limits of skelbench/ops/clips.py. They keep products of sizes from wrapping around, and bound the plan
// of a batch.
inline void check_padded_row(int64_t length, int64_t max_bodies, int64_t columns) {
    constexpr int64_t kMostBodies = 1024, kMostPlaces = int64_t{1} << 20,
                      kMostFeatures = (int64_t{1} << 31) - 1;
    STD_TORCH_CHECK(max_bodies >= 1 && max_bodies <= kMostBodies, "max_bodies must be in [1, ", kMostBodies,
                    "], not ", max_bodies);
    STD_TORCH_CHECK(length >= 1 && length <= kMostPlaces / max_bodies, "length must be in [1, ",
                    kMostPlaces / max_bodies, "] with max_bodies ", max_bodies, ", not ", length);
    STD_TORCH_CHECK(columns >= 1 && columns <= kMostFeatures / (length * max_bodies),
                    "joints must have 1 to ", kMostFeatures / (length * max_bodies),
                    " numbers per body with length ", length, " and max_bodies ", max_bodies, ", not ",
                    columns);
}

// Throws unless all tensors are on the CUDA device of the first.
inline void check_one_device(const char* op, const Tensor& first,
                             std::initializer_list<const Tensor*> others) {
    for (const Tensor* x : others)
        STD_TORCH_CHECK(x->is_cuda() && x->get_device_index() == first.get_device_index(), op,
                        ": every tensor must be on one device");
}

}  // namespace skelbench
