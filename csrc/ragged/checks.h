// What the layers on both devices ask of their arguments before they look at a value.
#pragma once
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include <limits>

#include "ragged/clips.h"

namespace skelbench::ragged {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

inline void check_float(const Tensor& x, int64_t dim, const char* name) {
    STD_TORCH_CHECK(x.scalar_type() == ScalarType::Float && x.dim() == dim, name, " must be float32 with ",
                    dim, " dimensions");
}

inline int64_t columns_of(const Tensor& weight, int64_t length, int64_t max_bodies) {
    check_float(weight, 2, "weight");
    STD_TORCH_CHECK(length > 0 && max_bodies > 0 && weight.size(0) % (length * max_bodies) == 0,
                    "weight must be (length * max_bodies * J * 3, H)");
    return weight.size(0) / (length * max_bodies);
}

// The clips of a batch: the memory that the kernels read them from.
struct HeldClips {
    Tensor offsets, frames, bodies, start;
    Clips clips{};

    HeldClips(const Tensor& o, const Tensor& f, const Tensor& m, const Tensor& s, int64_t length,
              int64_t max_bodies, int64_t columns)
        : offsets(torch::stable::contiguous(o)),
          frames(torch::stable::contiguous(f)),
          bodies(torch::stable::contiguous(m)),
          start(torch::stable::contiguous(s)) {
        for (const Tensor* t : {&offsets, &frames, &bodies, &start}) {
            STD_TORCH_CHECK(
                t->scalar_type() == ScalarType::Long && t->dim() == 1 && t->size(0) == frames.size(0),
                "RaggedClips: offsets, frames, bodies and start must be int64, one number per clip");
        }
        const int64_t count = frames.size(0);
        STD_TORCH_CHECK(count < std::numeric_limits<int32_t>::max(), "RaggedClips: too many clips: ", count);
        clips = {offsets.const_data_ptr<int64_t>(),
                 frames.const_data_ptr<int64_t>(),
                 bodies.const_data_ptr<int64_t>(),
                 start.const_data_ptr<int64_t>(),
                 count,
                 length,
                 max_bodies,
                 columns};
    }
};

}  // namespace skelbench::ragged
