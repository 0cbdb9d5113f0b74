// The augment op on the CPU: schema, checks, and the place of each clip in the views.
#include <torch/csrc/stable/library.h>

#include <vector>

#include "augment/checks.h"
#include "isa/dispatch.h"
#include "isa/pages.h"

namespace skelbench::augment {
namespace {

Views augment(Tensor joints, Tensor offsets, Tensor frames, Tensor bodies, Tensor start, Tensor index,
              Tensor shear, Tensor reverse, int64_t length, int64_t max_bodies) {
    const Call call(joints, offsets, frames, bodies, start, index, shear, reverse, length, max_bodies);
    Batch batch = call.described();
    const int64_t rows = call.joints.size(0);
    std::vector<int64_t> begin(batch.count + 1, 0);
    for (int64_t b = 0; b < batch.count; ++b) {
        const int64_t clip = batch.index[b];
        STD_TORCH_CHECK(clip >= 0 && clip < call.clips, "augment: index ", clip, " at place ", b,
                        ", but there are ", call.clips, " clips");
        const int64_t t = batch.frames[clip], m = batch.bodies[clip], first = batch.offsets[clip],
                      s = batch.start[clip];
        STD_TORCH_CHECK(t >= 1 && t <= length, "augment: clip ", clip, " has ", t, " frames, expected 1 to ",
                        length);
        STD_TORCH_CHECK(m >= 1 && m <= max_bodies, "augment: clip ", clip, " has ", m,
                        " bodies, expected 1 to ", max_bodies);
        STD_TORCH_CHECK(s >= 0 && t <= length - s, "augment: clip ", clip, " has start = ", s,
                        " and frames = ", t, ", expected within length ", length);
        STD_TORCH_CHECK(first >= 0 && t * m <= rows - first, "augment: clip ", clip, " has offsets = ", first,
                        " and frames * bodies = ", t * m, ", but there are ", rows, " rows of joints");
        begin[b + 1] = begin[b] + t * m;
    }
    Tensor offset = call.per_view(), t = call.per_view(), m = call.per_view(), s = call.per_view();
    for (int64_t view = 0; view < 2 * batch.count; ++view) {
        const bool second = view >= batch.count;
        const int64_t b = second ? view - batch.count : view, clip = batch.index[b];
        offset.mutable_data_ptr<int64_t>()[view] = begin[b] + (second ? begin[batch.count] : 0);
        t.mutable_data_ptr<int64_t>()[view] = batch.frames[clip];
        m.mutable_data_ptr<int64_t>()[view] = batch.bodies[clip];
        s.mutable_data_ptr<int64_t>()[view] =
            second && batch.reverse[b] ? length - batch.frames[clip] - batch.start[clip] : batch.start[clip];
    }
    Tensor views = call.views(begin[batch.count]);
    advise_large_pages(views.mutable_data_ptr<float>(), views.numel() * sizeof(float));
    batch.begin = begin.data();
    batch.views = views.mutable_data_ptr<float>();
    dispatch<&Kernels::views>()(batch);
    return {views, offset, t, m, s};
}

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    m.def(
        "augment(Tensor joints, Tensor offsets, Tensor frames, Tensor bodies, Tensor start, Tensor index, "
        "Tensor shear, Tensor reverse, int length, int max_bodies) -> (Tensor, Tensor, Tensor, Tensor, "
        "Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CPU, m) {
    m.impl("augment", TORCH_BOX(&augment));
}

}  // namespace
}  // namespace skelbench::augment
