// The arguments of the padding-free layers on either device, with dtypes and shapes checked. The devices
// check the values.
#pragma once
#include <limits>

#include "host/tensors.h"
#include "ragged/clips.h"

namespace skelbench::ragged {

inline Tensor checked_float(const Tensor& x, int64_t dim, const char* name) {
    return checked(x, ScalarType::Float, dim, name);
}

// The clips of a batch, and the memory that the kernels read them from.
struct HeldClips {
    Tensor offsets, frames, bodies, start;
    Clips clips{};

    HeldClips(const Tensor& o, const Tensor& f, const Tensor& m, const Tensor& s, int64_t length,
              int64_t max_bodies, int64_t columns)
        : offsets(checked(o, ScalarType::Long, 1, "RaggedClips: offsets")),
          frames(checked(f, ScalarType::Long, 1, "RaggedClips: frames")),
          bodies(checked(m, ScalarType::Long, 1, "RaggedClips: bodies")),
          start(checked(s, ScalarType::Long, 1, "RaggedClips: start")) {
        check_padded_row(length, max_bodies, columns);
        const int64_t count = frames.size(0);
        for (const Tensor* t : {&offsets, &bodies, &start})
            STD_TORCH_CHECK(t->size(0) == count,
                            "RaggedClips: offsets, frames, bodies and start must have one number per clip");
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

// ragged_linear's tensors, apart from the clips.
struct Linear {
    Tensor joints, weight, bias;
    int64_t columns, units;

    Linear(const Tensor& x, const Tensor& w, const Tensor& b, int64_t length, int64_t max_bodies)
        : joints(checked_float(x, 3, "joints")),
          weight(checked_float(w, 2, "weight")),
          bias(checked_float(b, 1, "bias")),
          columns(joints.size(1) * joints.size(2)),
          units(weight.size(0)) {
        check_padded_row(length, max_bodies, columns);
        STD_TORCH_CHECK(weight.size(1) == length * max_bodies * columns && bias.size(0) == units,
                        "weight must be (out, length * max_bodies * J * 3), bias (out,)");
    }
};

// The tensors of the gradient of its weight.
struct LinearGradient {
    Tensor joints, grad;
    int64_t columns, units;

    LinearGradient(const Tensor& x, const Tensor& g, int64_t count)
        : joints(checked_float(x, 3, "joints")),
          grad(checked_float(g, 2, "grad")),
          columns(joints.size(1) * joints.size(2)),
          units(grad.size(1)) {
        STD_TORCH_CHECK(grad.size(0) == count, "grad must have one row per clip");
    }
};

// The tensors that ragged_decode and its gradient share, apart from the clips.
struct Decoder {
    Tensor hidden, weight;
    int64_t columns, units;

    Decoder(const Tensor& h, const Tensor& w, int64_t count, int64_t length, int64_t max_bodies)
        : hidden(checked_float(h, 2, "hidden")), weight(checked_float(w, 2, "weight")) {
        check_padded_row(length, max_bodies, 1);
        const int64_t slots = length * max_bodies;
        STD_TORCH_CHECK(weight.size(0) > 0 && weight.size(0) % slots == 0,
                        "weight must be (length * max_bodies * J * 3, H)");
        columns = weight.size(0) / slots;
        units = weight.size(1);
        STD_TORCH_CHECK(hidden.size(0) == count && hidden.size(1) == units,
                        "hidden must be (clips, H), weight (features, H)");
    }
    Tensor checked_bias(const Tensor& b) const {
        const Tensor bias = checked_float(b, 1, "bias");
        STD_TORCH_CHECK(bias.size(0) == weight.size(0), "bias must be (features,)");
        return bias;
    }
    // The caller knows the number of rows.
    Tensor checked_grad(const Tensor& g) const {
        const Tensor grad = checked_float(g, 2, "grad");
        STD_TORCH_CHECK(grad.size(1) == columns, "grad must be (rows, J * 3)");
        return grad;
    }
};

}  // namespace skelbench::ragged
