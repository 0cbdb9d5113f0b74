// A call of the augment op on either device: its tensors, with dtypes and shapes checked. The devices check
// the values.
#pragma once
#include <tuple>

#include "augment/kernels.h"
#include "host/tensors.h"

namespace skelbench::augment {

// Joints, offsets, frames, bodies and start of the views.
using Views = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>;

struct Call {
    Tensor joints, offsets, frames, bodies, start, index, shear, reverse;
    int64_t batch, clips;

    Call(const Tensor& x, const Tensor& o, const Tensor& f, const Tensor& m, const Tensor& t, const Tensor& i,
         const Tensor& s, const Tensor& r, int64_t length, int64_t max_bodies)
        : joints(checked(x, ScalarType::Float, 3, "augment: joints")),
          offsets(checked(o, ScalarType::Long, 1, "augment: offsets")),
          frames(checked(f, ScalarType::Long, 1, "augment: frames")),
          bodies(checked(m, ScalarType::Long, 1, "augment: bodies")),
          start(checked(t, ScalarType::Long, 1, "augment: start")),
          index(checked(i, ScalarType::Long, 1, "augment: index")),
          shear(checked(s, ScalarType::Float, 3, "augment: shear")),
          reverse(checked(r, ScalarType::Bool, 1, "augment: reverse")),
          batch(index.size(0)),
          clips(frames.size(0)) {
        STD_TORCH_CHECK(joints.size(1) > 0 && joints.size(2) == 3,
                        "augment: joints must be (R, J, 3) with J > 0, not (R, ", joints.size(1), ", ",
                        joints.size(2), ")");
        STD_TORCH_CHECK(offsets.size(0) == clips && bodies.size(0) == clips && start.size(0) == clips,
                        "augment: offsets, frames, bodies and start must have one number per clip");
        STD_TORCH_CHECK(
            shear.size(0) == batch && shear.size(1) == 3 && shear.size(2) == 3 && reverse.size(0) == batch,
            "augment: shear must be (B, 3, 3) and reverse (B,) for B places of index");
        check_padded_row(length, max_bodies, joints.size(1) * joints.size(2));
    }
    // The batch as the kernels see it, without memory for the views yet.
    Batch described() const {
        return {.joints = joints.const_data_ptr<float>(),
                .columns = joints.size(1) * joints.size(2),
                .offsets = offsets.const_data_ptr<int64_t>(),
                .frames = frames.const_data_ptr<int64_t>(),
                .bodies = bodies.const_data_ptr<int64_t>(),
                .start = start.const_data_ptr<int64_t>(),
                .index = index.const_data_ptr<int64_t>(),
                .count = batch,
                .shear = shear.const_data_ptr<float>(),
                .reverse = reverse.const_data_ptr<bool>(),
                .begin = nullptr,
                .views = nullptr};
    }
    // A number for each of the 2 * batch clips of both views.
    Tensor per_view() const { return torch::stable::new_empty(index, {2 * batch}); }
    Tensor views(int64_t rows) const {
        return torch::stable::new_empty(joints, {2 * rows, joints.size(1), joints.size(2)});
    }
};

}  // namespace skelbench::augment
