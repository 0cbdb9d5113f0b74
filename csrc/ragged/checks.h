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

// ragged_linear's arguments, apart from the clips: contiguous, with float32 checked.
struct Linear {
    Tensor joints, weight, bias;
    int64_t columns, units;

    Linear(const Tensor& x, const Tensor& w, const Tensor& b, int64_t length, int64_t max_bodies) {
        check_float(x, 3, "joints");
        check_float(w, 2, "weight");
        check_float(b, 1, "bias");
        columns = x.size(1) * x.size(2);
        units = w.size(0);
        STD_TORCH_CHECK(w.size(1) == length * max_bodies * columns && b.size(0) == units,
                        "weight must be (out, length * max_bodies * J * 3), bias (out,)");
        joints = torch::stable::contiguous(x);
        weight = torch::stable::contiguous(w);
        bias = torch::stable::contiguous(b);
    }
};

// What the gradient of its weight is made of.
struct LinearGradient {
    Tensor joints, grad;
    int64_t columns, units;

    LinearGradient(const Tensor& x, const Tensor& g, int64_t count) {
        check_float(x, 3, "joints");
        check_float(g, 2, "grad");
        STD_TORCH_CHECK(g.size(0) == count, "grad must have one row per clip");
        columns = x.size(1) * x.size(2);
        units = g.size(1);
        joints = torch::stable::contiguous(x);
        grad = torch::stable::contiguous(g);
    }
};

// ragged_decode's arguments, apart from the clips.
struct Decoder {
    Tensor hidden, weight, bias;
    int64_t columns, units;

    Decoder(const Tensor& h, const Tensor& w, const Tensor& b, int64_t count, int64_t length,
            int64_t max_bodies) {
        columns = columns_of(w, length, max_bodies);
        units = w.size(1);
        check_float(h, 2, "hidden");
        check_float(b, 1, "bias");
        STD_TORCH_CHECK(h.size(0) == count && h.size(1) == units && b.size(0) == w.size(0),
                        "hidden must be (clips, H), weight (features, H), bias (features,)");
        hidden = torch::stable::contiguous(h);
        weight = torch::stable::contiguous(w);
        bias = torch::stable::contiguous(b);
    }
};

// What its gradients are made of; how many rows `grad` must have, its caller knows.
struct DecoderGradient {
    Tensor grad, hidden, weight;
    int64_t columns, units;

    DecoderGradient(const Tensor& g, const Tensor& h, const Tensor& w, int64_t count, int64_t length,
                    int64_t max_bodies) {
        columns = columns_of(w, length, max_bodies);
        units = w.size(1);
        check_float(g, 2, "grad");
        check_float(h, 2, "hidden");
        STD_TORCH_CHECK(h.size(0) == count && h.size(1) == units && g.size(1) == columns,
                        "grad must be (rows, J * 3), hidden (clips, H), weight (features, H)");
        grad = torch::stable::contiguous(g);
        hidden = torch::stable::contiguous(h);
        weight = torch::stable::contiguous(w);
    }
};

}  // namespace skelbench::ragged
