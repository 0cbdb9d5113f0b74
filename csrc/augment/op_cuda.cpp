// The augment op on CUDA: checks and memory. cuda.cu computes. The op waits once, for the size of its result.
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>

#include "augment/checks.h"
#include "augment/cuda.h"
#include "cuda/stream.h"

namespace skelbench::augment {
namespace {

Views augment(Tensor joints, Tensor offsets, Tensor frames, Tensor bodies, Tensor start, Tensor index,
              Tensor shear, Tensor reverse, int64_t length, int64_t max_bodies) {
    check_one_device("augment", joints, {&offsets, &frames, &bodies, &start, &index, &shear, &reverse});
    const int32_t device = joints.get_device_index();
    const torch::stable::accelerator::DeviceGuard guard(device);
    const Call call(joints, offsets, frames, bodies, start, index, shear, reverse, length, max_bodies);
    const cudaStream_t stream = current_stream(device);
    Tensor first = call.per_view(), t = call.per_view(), m = call.per_view(), s = call.per_view(),
           begin = torch::stable::new_empty(call.index, {call.batch + 1}),
           scratch = torch::stable::new_empty(call.index, {2});
    Batch batch = call.described();
    Scanned found{};
    check_launch(describe_cuda(batch, call.clips, call.joints.size(0), length, max_bodies,
                               {first.mutable_data_ptr<int64_t>(), t.mutable_data_ptr<int64_t>(),
                                m.mutable_data_ptr<int64_t>(), s.mutable_data_ptr<int64_t>()},
                               begin.mutable_data_ptr<int64_t>(), scratch.mutable_data_ptr(), &found, stream),
                 "augment");
    STD_TORCH_CHECK(found.bad == call.batch, "augment: place ", found.bad,
                    " of the batch: its index is none of the ", call.clips,
                    " clips, or the clip lies outside the ", call.joints.size(0),
                    " rows of joints or outside ", length, " frames and ", max_bodies, " bodies");
    Tensor views = call.views(found.total);
    batch.begin = begin.const_data_ptr<int64_t>();
    batch.views = views.mutable_data_ptr<float>();
    check_launch(views_cuda(batch, found.total, stream), "augment");
    return {views, first, t, m, s};
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CUDA, m) {
    m.impl("augment", TORCH_BOX(&augment));
}

}  // namespace
}  // namespace skelbench::augment
