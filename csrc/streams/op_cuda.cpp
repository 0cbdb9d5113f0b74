// The streams op on CUDA: checks and memory. cuda.cu computes. Nothing waits for the device.
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>

#include "cuda/stream.h"
#include "streams/call.h"
#include "streams/cuda.h"

namespace skelbench::streams {
namespace {

Result resampled_streams(Tensor joints, Tensor offsets, Tensor frames, Tensor bodies, Tensor times,
                         int64_t root, Numbers origin, Numbers mirrored, Numbers parents, Numbers landmarks,
                         Numbers torso, Numbers streams, int64_t places, int64_t up, double unit,
                         MaybeTensor maps, MaybeTensor limbs, MaybeTensor mirror, MaybeTensor noise,
                         MaybeTensor hidden, MaybeTensor axis) {
    check_one_device("resampled_streams", joints, {&offsets, &frames, &bodies, &times});
    for (const MaybeTensor* part : {&maps, &limbs, &mirror, &noise, &hidden, &axis})
        if (*part) check_one_device("resampled_streams", joints, {&**part});
    const int32_t device = joints.get_device_index();
    const torch::stable::accelerator::DeviceGuard guard(device);
    const Skeleton skeleton = skeleton_of(root, origin, mirrored, parents, landmarks, torso);
    Call call(joints, offsets, frames, bodies, times, skeleton, streams, places, up, unit);
    call.see(maps, limbs, mirror, noise, hidden, axis);
    Result result = call.result();
    Tensor scratch = torch::stable::new_empty(call.joints, {scratch_floats(call.batch)});
    check_launch(streams_cuda(call.batch, scratch.mutable_data_ptr<float>(), current_stream(device)),
                 "resampled_streams");
    return result;
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CUDA, m) {
    m.impl("resampled_streams", TORCH_BOX(&resampled_streams));
}

}  // namespace
}  // namespace skelbench::streams
