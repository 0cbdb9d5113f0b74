// The streams op on the CPU: schema, checks, dispatch.
#include <torch/csrc/stable/library.h>

#include "isa/dispatch.h"
#include "isa/pages.h"
#include "streams/call.h"

namespace skelbench::streams {
namespace {

// Every clip lies within the rows, every time within its clip.
void check_values(const Batch& batch) {
    for (int64_t b = 0; b < batch.count; ++b) {
        const int64_t t = batch.frames[b], m = batch.bodies[b], first = batch.offsets[b];
        STD_TORCH_CHECK(t >= 1 && t <= batch.rows, "streams: clip ", b, " has frames = ", t,
                        ", expected 1 to ", batch.rows, ", the rows of joints");
        STD_TORCH_CHECK(m >= 1 && m <= batch.rows, "streams: clip ", b, " has bodies = ", m,
                        ", expected 1 to ", batch.rows, ", the rows of joints");
        STD_TORCH_CHECK(first >= 0 && t <= (batch.rows - first) / m, "streams: clip ", b, " has ", t,
                        " frames of ", m, " bodies from row ", first, ", but there are ", batch.rows,
                        " rows of joints");
        for (int64_t i = 0; i < batch.sampled; ++i) {
            const float time = batch.times[b * batch.sampled + i];
            STD_TORCH_CHECK(time >= 0 && time <= 1, "streams: times of clip ", b, " must be in [0, 1], not ",
                            time);
        }
        STD_TORCH_CHECK(!batch.axis || (batch.axis[b] >= -1 && batch.axis[b] < 3), "streams: axis of clip ",
                        b, " must be in [-1, 2], not ", batch.axis[b]);
    }
}

Result resampled_streams(Tensor joints, Tensor offsets, Tensor frames, Tensor bodies, Tensor times,
                         int64_t root, Numbers origin, Numbers mirrored, Numbers parents, Numbers landmarks,
                         Numbers torso, Numbers streams, int64_t places, int64_t up, double unit,
                         MaybeTensor maps, MaybeTensor limbs, MaybeTensor mirror, MaybeTensor noise,
                         MaybeTensor hidden, MaybeTensor axis) {
    const Skeleton skeleton = skeleton_of(root, origin, mirrored, parents, landmarks, torso);
    Call call(joints, offsets, frames, bodies, times, skeleton, streams, places, up, unit);
    call.see(maps, limbs, mirror, noise, hidden, axis);
    check_values(call.batch);
    Result result = call.result();
    advise_large_pages(call.batch.out, std::get<0>(result).numel() * sizeof(float));
    dispatch<&Kernels::streams>()(call.batch);
    return result;
}

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    m.def(
        "resampled_streams(Tensor joints, Tensor offsets, Tensor frames, Tensor bodies, Tensor times, int "
        "root, "
        "int[] origin, int[] mirrored, int[] parents, int[] landmarks, int[] torso, int[] streams, int "
        "places, int "
        "up, float unit, Tensor? maps, Tensor? limbs, Tensor? mirror, Tensor? noise, Tensor? hidden, Tensor? "
        "axis) "
        "-> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CPU, m) {
    m.impl("resampled_streams", TORCH_BOX(&resampled_streams));
}

}  // namespace
}  // namespace skelbench::streams
