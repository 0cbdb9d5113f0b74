// The padding-free layers on CUDA: checks and memory. cuda.cu computes. Only ragged_decode waits, for the
// size of its result.
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>

#include <tuple>

#include "cuda/stream.h"
#include "ragged/checks.h"
#include "ragged/cuda.h"

namespace skelbench::ragged {
namespace {

Tensor bytes(const Tensor& like, int64_t count) {
    return torch::stable::new_empty(like, {count}, ScalarType::Byte);
}

Tensor ragged_linear(Tensor joints, Tensor offsets, Tensor frames, Tensor bodies, Tensor start, Tensor weight,
                     Tensor bias, int64_t length, int64_t max_bodies) {
    check_one_device("ragged_linear", joints, {&offsets, &frames, &bodies, &start, &weight, &bias});
    const torch::stable::accelerator::DeviceGuard guard(joints.get_device_index());
    const Linear a(joints, weight, bias, length, max_bodies);
    const HeldClips held(offsets, frames, bodies, start, length, max_bodies, a.columns);
    const CudaBatch batch{held.clips, a.joints.size(0), current_stream(joints.get_device_index())};
    Tensor out = torch::stable::new_empty(joints, {held.clips.count, a.units}),
           scratch = bytes(joints, project_scratch_bytes(held.clips, a.units));
    check_launch(project_cuda(batch, a.joints.const_data_ptr<float>(),
                              {a.weight.const_data_ptr<float>(), a.units, 1, held.clips.features()},
                              a.bias.const_data_ptr<float>(), scratch.mutable_data_ptr(),
                              out.mutable_data_ptr<float>()),
                 "ragged_linear");
    return out;
}

Tensor ragged_linear_backward(Tensor grad, Tensor joints, Tensor offsets, Tensor frames, Tensor bodies,
                              Tensor start, int64_t length, int64_t max_bodies) {
    check_one_device("ragged_linear_backward", joints, {&offsets, &frames, &bodies, &start, &grad});
    const torch::stable::accelerator::DeviceGuard guard(joints.get_device_index());
    const LinearGradient a(joints, grad, frames.size(0));
    const HeldClips held(offsets, frames, bodies, start, length, max_bodies, a.columns);
    const CudaBatch batch{held.clips, a.joints.size(0), current_stream(joints.get_device_index())};
    Tensor grad_weight = torch::stable::new_empty(joints, {a.units, held.clips.features()});
    check_launch(outer_cuda(batch, a.joints.const_data_ptr<float>(), a.grad.const_data_ptr<float>(),
                            {grad_weight.mutable_data_ptr<float>(), a.units, 1, held.clips.features()}),
                 "ragged_linear_backward");
    return grad_weight;
}

// The clips of a decoder. Their rows follow each other without gaps.
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
    check_one_device("ragged_decode", hidden, {&weight, &bias, &frames, &bodies, &start});
    const torch::stable::accelerator::DeviceGuard guard(hidden.get_device_index());
    const Decoder a(hidden, weight, frames.size(0), length, max_bodies);
    const Tensor offset = a.checked_bias(bias);
    const Decoded d(frames, bodies, start, length, max_bodies, a.columns, true);
    Tensor out = torch::stable::new_empty(hidden, {d.found.total, a.columns});
    check_launch(
        expand_cuda({d.held.clips, d.found.total, current_stream(hidden.get_device_index())},
                    a.hidden.const_data_ptr<float>(), {a.weight.const_data_ptr<float>(), a.units, a.units, 1},
                    offset.const_data_ptr<float>(), out.mutable_data_ptr<float>()),
        "ragged_decode");
    return out;
}

std::tuple<Tensor, Tensor, Tensor> ragged_decode_backward(Tensor grad, Tensor hidden, Tensor weight,
                                                          Tensor frames, Tensor bodies, Tensor start,
                                                          int64_t length, int64_t max_bodies) {
    check_one_device("ragged_decode_backward", grad, {&hidden, &weight, &frames, &bodies, &start});
    const torch::stable::accelerator::DeviceGuard guard(grad.get_device_index());
    const Decoder a(hidden, weight, frames.size(0), length, max_bodies);
    const Tensor g = a.checked_grad(grad);
    const Decoded d(frames, bodies, start, length, max_bodies, a.columns, false);
    const CudaBatch batch{d.held.clips, grad.size(0), current_stream(grad.get_device_index())};
    const int64_t units = a.units;
    Tensor grad_hidden = torch::stable::new_empty(hidden, {hidden.size(0), units}),
           grad_weight = torch::stable::new_empty(hidden, {weight.size(0), units}),
           grad_bias = torch::stable::new_empty(hidden, {weight.size(0)}),
           scratch = bytes(hidden, project_scratch_bytes(batch.clips, units));
    const float* rows = g.const_data_ptr<float>();
    check_launch(project_cuda(batch, rows, {a.weight.const_data_ptr<float>(), units, units, 1}, nullptr,
                              scratch.mutable_data_ptr(), grad_hidden.mutable_data_ptr<float>()),
                 "ragged_decode_backward");
    check_launch(outer_cuda(batch, rows, a.hidden.const_data_ptr<float>(),
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
