// The augment op on the CPU: schema, checks, and where each clip of the views lies.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include <tuple>
#include <vector>

#include "isa/kernels.h"
#include "isa/pages.h"

namespace skelbench::augment {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

Tensor checked(const Tensor& x, ScalarType dtype, int64_t dim, const char* name) {
    STD_TORCH_CHECK(x.scalar_type() == dtype && x.dim() == dim, "augment: ", name,
                    " has the wrong dtype or not ", dim, " dimensions");
    return torch::stable::contiguous(x);
}

// Offsets, frames, bodies and start of the 2B clips.
class Described {
public:
    Described(const Tensor& like, int64_t batch)
        : offsets(torch::stable::new_empty(like, {2 * batch})),
          frames(torch::stable::new_empty(like, {2 * batch})),
          bodies(torch::stable::new_empty(like, {2 * batch})),
          start(torch::stable::new_empty(like, {2 * batch})) {}
    void set(int64_t clip, int64_t row, int64_t t, int64_t m, int64_t first) {
        offsets.mutable_data_ptr<int64_t>()[clip] = row;
        frames.mutable_data_ptr<int64_t>()[clip] = t;
        bodies.mutable_data_ptr<int64_t>()[clip] = m;
        start.mutable_data_ptr<int64_t>()[clip] = first;
    }
    Tensor offsets, frames, bodies, start;
};

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> augment(Tensor joints, Tensor offsets, Tensor frames,
                                                           Tensor bodies, Tensor index, Tensor shear,
                                                           Tensor reverse, int64_t length,
                                                           int64_t max_bodies) {
    const Tensor x = checked(joints, ScalarType::Float, 3, "joints"),
                 o = checked(offsets, ScalarType::Long, 1, "offsets"),
                 f = checked(frames, ScalarType::Long, 1, "frames"),
                 m = checked(bodies, ScalarType::Long, 1, "bodies"),
                 i = checked(index, ScalarType::Long, 1, "index"),
                 s = checked(shear, ScalarType::Float, 3, "shear"),
                 r = checked(reverse, ScalarType::Bool, 1, "reverse");
    const int64_t batch = i.size(0), clips = f.size(0);
    STD_TORCH_CHECK(
        x.size(2) == 3 && o.size(0) >= clips && m.size(0) == clips && s.size(0) == batch && s.size(1) == 3 &&
            s.size(2) == 3 && r.size(0) == batch,
        "augment: expected joints (R, J, 3), offsets, frames and bodies per clip, shear (B, 3, 3) and "
        "reverse (B,)");
    const int64_t* clip_of = i.const_data_ptr<int64_t>();
    const int64_t* first_of = o.const_data_ptr<int64_t>();
    const int64_t* frames_of = f.const_data_ptr<int64_t>();
    const int64_t* bodies_of = m.const_data_ptr<int64_t>();
    std::vector<int64_t> begin(batch + 1, 0);
    for (int64_t b = 0; b < batch; ++b) {
        const int64_t clip = clip_of[b];
        STD_TORCH_CHECK(clip >= 0 && clip < clips, "augment: index ", clip, " at place ", b,
                        ", but there are ", clips, " clips");
        const int64_t t = frames_of[clip], n = bodies_of[clip], first = first_of[clip];
        STD_TORCH_CHECK(t >= 1 && t <= length, "augment: clip ", clip, " has ", t, " frames, expected 1 to ",
                        length);
        STD_TORCH_CHECK(n >= 1 && n <= max_bodies, "augment: clip ", clip, " has ", n,
                        " bodies, expected 1 to ", max_bodies);
        STD_TORCH_CHECK(first >= 0 && t * n <= x.size(0) - first, "augment: clip ", clip, " ends at row ",
                        first + t * n, ", but there are ", x.size(0), " rows of joints");
        begin[b + 1] = begin[b] + t * n;
    }
    const bool* reversed = r.const_data_ptr<bool>();
    Described out(i, batch);
    for (int64_t b = 0; b < batch; ++b) {
        const int64_t t = frames_of[clip_of[b]], n = bodies_of[clip_of[b]];
        out.set(b, begin[b], t, n, 0);
        out.set(batch + b, begin[batch] + begin[b], t, n, reversed[b] ? length - t : 0);
    }
    Tensor views = torch::stable::new_empty(x, {2 * begin[batch], x.size(1), x.size(2)});
    advise_large_pages(views.mutable_data_ptr<float>(), views.numel() * sizeof(float));
    kernels().augment.views({x.const_data_ptr<float>(), x.size(1) * x.size(2), first_of, frames_of, bodies_of,
                             clip_of, batch, s.const_data_ptr<float>(), reversed, begin.data(),
                             views.mutable_data_ptr<float>()});
    return {views, out.offsets, out.frames, out.bodies, out.start};
}

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    m.def(
        "augment(Tensor joints, Tensor offsets, Tensor frames, Tensor bodies, Tensor index, Tensor shear, "
        "Tensor reverse, int length, int max_bodies) -> (Tensor, Tensor, Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CPU, m) {
    m.impl("augment", TORCH_BOX(&augment));
}

}  // namespace
}  // namespace skelbench::augment
