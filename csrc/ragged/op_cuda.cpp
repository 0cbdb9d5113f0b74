// The padding-free layers on CUDA: checks and memory; cuda.cu computes. Only ragged_decode waits, for the
// size of its result.
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>

#include <initializer_list>
#include <tuple>

#include "cuda/stream.h"
#include "ragged/checks.h"
#include "ragged/cuda.h"

namespace skelbench::ragged {
namespace {

void check_device(const Tensor& first, std::initializer_list<const Tensor*> others) {
    for (const Tensor* x : others)
        STD_TORCH_CHECK(x->is_cuda() && x->get_device_index() == first.get_device_index(),
                        "every tensor must be on one device");
}

Tensor bytes(const Tensor& like, int64_t count) {
    return torch::stable::new_empty(like, {count}, ScalarType::Byte);
}

Tensor ragged_linear(Tensor joints, Tensor offsets, Tensor frames, Tensor bodies, Tensor start, Tensor weight,
                     Tensor bias, int64_t length, int64_t max_bodies) {
    check_float(joints, 3, "joints");
    check_float(weight, 2, "weight");
    check_float(bias, 1, "bias");
    check_device(joints, {&offsets, &frames, &bodies, &start, &weight, &bias});
    const torch::stable::accelerator::DeviceGuard guard(joints.get_device_index());
    const HeldClips held(offsets, frames, bodies, start, length, max_bodies, joints.size(1) * joints.size(2));
    const int64_t units = weight.size(0), features = held.clips.features();
    STD_TORCH_CHECK(weight.size(1) == features && bias.size(0) == units,
                    "weight must be (out, length * max_bodies * J * 3), bias (out,)");
    const Tensor x = torch::stable::contiguous(joints), w = torch::stable::contiguous(weight),
                 b = torch::stable::contiguous(bias);
    Tensor out = torch::stable::new_empty(x, {held.clips.count, units}),
           scratch = bytes(x, project_scratch_bytes(held.clips, units));
    check_launch(
        project_cuda({held.clips, x.size(0), current_stream(x.get_device_index())}, x.const_data_ptr<float>(),
                     {w.const_data_ptr<float>(), units, 1, features}, b.const_data_ptr<float>(),
                     scratch.mutable_data_ptr(), out.mutable_data_ptr<float>()),
        "ragged_linear");
    return out;
}

Tensor ragged_linear_backward(Tensor grad, Tensor joints, Tensor offsets, Tensor frames, Tensor bodies,
                              Tensor start, int64_t length, int64_t max_bodies) {
    check_float(joints, 3, "joints");
    check_float(grad, 2, "grad");
    check_device(joints, {&offsets, &frames, &bodies, &start, &grad});
    const torch::stable::accelerator::DeviceGuard guard(joints.get_device_index());
    const HeldClips held(offsets, frames, bodies, start, length, max_bodies, joints.size(1) * joints.size(2));
    const int64_t units = grad.size(1), features = held.clips.features();
    STD_TORCH_CHECK(grad.size(0) == held.clips.count, "grad must have one row per clip");
    const Tensor x = torch::stable::contiguous(joints), g = torch::stable::contiguous(grad);
    Tensor grad_weight = torch::stable::new_empty(x, {units, features});
    check_launch(
        outer_cuda({held.clips, x.size(0), current_stream(x.get_device_index())}, x.const_data_ptr<float>(),
                   g.const_data_ptr<float>(), {grad_weight.mutable_data_ptr<float>(), units, 1, features}),
        "ragged_linear_backward");
    return grad_weight;
}

// The clips of a decoder, whose rows lie one clip after the other.
struct Decoded {
    HeldClips held;
    Scanned found{};

    Decoded(const Tensor& frames, const Tensor& bodies, const Tensor& start, int64_t length,
            int64_t max_bodies, int64_t columns, bool wait)
        : held(torch::stable::new_empty(frames, {frames.size(0)}), frames, bodies, start, length, max_bodies,
               columns) {
        Tensor scratch = bytes(frames, sizeof(Scanned));
        check_launch(
            place_cuda(held.clips, held.offsets.mutable_data_ptr<int64_t>(), scratch.mutable_data_ptr(),
                       wait ? &found : nullptr, current_stream(frames.get_device_index())),
            "ragged_decode");
        STD_TORCH_CHECK(!wait || found.bad == held.clips.count, "RaggedClips: clip ", found.bad,
                        " has frames, bodies or a start outside its padded row of ", length, " frames with ",
                        max_bodies, " bodies");
    }
};

Tensor ragged_decode(Tensor hidden, Tensor weight, Tensor bias, Tensor frames, Tensor bodies, Tensor start,
                     int64_t length, int64_t max_bodies) {
    const int64_t columns = columns_of(weight, length, max_bodies), units = weight.size(1);
    check_float(hidden, 2, "hidden");
    check_float(bias, 1, "bias");
    check_device(hidden, {&weight, &bias, &frames, &bodies, &start});
    const torch::stable::accelerator::DeviceGuard guard(hidden.get_device_index());
    STD_TORCH_CHECK(
        hidden.size(0) == frames.size(0) && hidden.size(1) == units && bias.size(0) == weight.size(0),
        "hidden must be (clips, H), weight (features, H), bias (features,)");
    const Tensor h = torch::stable::contiguous(hidden), w = torch::stable::contiguous(weight),
                 b = torch::stable::contiguous(bias);
    const Decoded d(frames, bodies, start, length, max_bodies, columns, true);
    Tensor out = torch::stable::new_empty(h, {d.found.total, columns});
    check_launch(expand_cuda({d.held.clips, d.found.total, current_stream(h.get_device_index())},
                             h.const_data_ptr<float>(), {w.const_data_ptr<float>(), units, units, 1},
                             b.const_data_ptr<float>(), out.mutable_data_ptr<float>()),
                 "ragged_decode");
    return out;
}

std::tuple<Tensor, Tensor, Tensor> ragged_decode_backward(Tensor grad, Tensor hidden, Tensor weight,
                                                          Tensor frames, Tensor bodies, Tensor start,
                                                          int64_t length, int64_t max_bodies) {
    const int64_t columns = columns_of(weight, length, max_bodies), units = weight.size(1);
    check_float(grad, 2, "grad");
    check_float(hidden, 2, "hidden");
    check_device(grad, {&hidden, &weight, &frames, &bodies, &start});
    const torch::stable::accelerator::DeviceGuard guard(grad.get_device_index());
    STD_TORCH_CHECK(hidden.size(0) == frames.size(0) && hidden.size(1) == units && grad.size(1) == columns,
                    "grad must be (rows, J * 3), hidden (clips, H), weight (features, H)");
    const Tensor g = torch::stable::contiguous(grad), h = torch::stable::contiguous(hidden),
                 w = torch::stable::contiguous(weight);
    const Decoded d(frames, bodies, start, length, max_bodies, columns, false);
    const CudaBatch batch{d.held.clips, g.size(0), current_stream(g.get_device_index())};
    Tensor grad_hidden = torch::stable::new_empty(h, {h.size(0), units}),
           grad_weight = torch::stable::new_empty(h, {w.size(0), units}),
           grad_bias = torch::stable::new_empty(h, {w.size(0)}),
           scratch = bytes(h, project_scratch_bytes(batch.clips, units));
    const float* rows = g.const_data_ptr<float>();
    check_launch(project_cuda(batch, rows, {w.const_data_ptr<float>(), units, units, 1}, nullptr,
                              scratch.mutable_data_ptr(), grad_hidden.mutable_data_ptr<float>()),
                 "ragged_decode_backward");
    check_launch(outer_cuda(batch, rows, h.const_data_ptr<float>(),
                            {grad_weight.mutable_data_ptr<float>(), units, units, 1}),
                 "ragged_decode_backward");
    check_launch(sum_cuda(batch, rows, grad_bias.mutable_data_ptr<float>()), "ragged_decode_backward");
    return {grad_hidden, grad_weight, grad_bias};
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CUDA, m) {
    m.impl("ragged_linear", TORCH_BOX(&ragged_linear));
    m.impl("ragged_linear_backward", TORCH_BOX(&ragged_linear_backward));
    m.impl("ragged_decode", TORCH_BOX(&ragged_decode));
    m.impl("ragged_decode_backward", TORCH_BOX(&ragged_decode_backward));
}

}  // namespace
}  // namespace skelbench::ragged
