// The arguments of an augment call, checked as far as their shapes tell; both devices look at the values.
#pragma once
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include "augment/kernels.h"

namespace skelbench::augment {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

struct Call {
    Tensor joints, offsets, frames, bodies, index, shear, reverse;
    int64_t batch, clips;

    Call(const Tensor& x, const Tensor& o, const Tensor& f, const Tensor& m, const Tensor& i, const Tensor& s,
         const Tensor& r)
        : joints(checked(x, ScalarType::Float, 3, "joints")),
          offsets(checked(o, ScalarType::Long, 1, "offsets")),
          frames(checked(f, ScalarType::Long, 1, "frames")),
          bodies(checked(m, ScalarType::Long, 1, "bodies")),
          index(checked(i, ScalarType::Long, 1, "index")),
          shear(checked(s, ScalarType::Float, 3, "shear")),
          reverse(checked(r, ScalarType::Bool, 1, "reverse")),
          batch(index.size(0)),
          clips(frames.size(0)) {
        STD_TORCH_CHECK(joints.size(2) == 3 && offsets.size(0) >= clips && bodies.size(0) == clips &&
                            shear.size(0) == batch && shear.size(1) == 3 && shear.size(2) == 3 &&
                            reverse.size(0) == batch,
                        "augment: expected joints (R, J, 3), offsets, frames and bodies per clip, shear (B, "
                        "3, 3) and reverse (B,)");
    }
    // The batch as the kernels see it, still without a place for the views.
    Batch described() const {
        return {joints.const_data_ptr<float>(),
                joints.size(1) * joints.size(2),
                offsets.const_data_ptr<int64_t>(),
                frames.const_data_ptr<int64_t>(),
                bodies.const_data_ptr<int64_t>(),
                index.const_data_ptr<int64_t>(),
                batch,
                shear.const_data_ptr<float>(),
                reverse.const_data_ptr<bool>(),
                nullptr,
                nullptr};
    }
    // A number for each of the 2 * batch clips of both views.
    Tensor per_view() const { return torch::stable::new_empty(index, {2 * batch}); }
    Tensor views(int64_t rows) const {
        return torch::stable::new_empty(joints, {2 * rows, joints.size(1), joints.size(2)});
    }

private:
    static Tensor checked(const Tensor& x, ScalarType dtype, int64_t dim, const char* name) {
        STD_TORCH_CHECK(x.scalar_type() == dtype && x.dim() == dim, "augment: ", name,
                        " has the wrong dtype or not ", dim, " dimensions");
        return torch::stable::contiguous(x);
    }
};

}  // namespace skelbench::augment
