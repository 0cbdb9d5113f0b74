// The padding-free layers on the CPU: schema, checks, and memory.
#include <torch/csrc/stable/library.h>

#include <tuple>
#include <vector>

#include "isa/dispatch.h"
#include "isa/pages.h"
#include "ragged/checks.h"
#include "ragged/plan.h"

namespace skelbench::ragged {
namespace {

// The clips of a batch, with their values checked. There are `rows` packed rows.
class CheckedClips {
public:
    CheckedClips(const Tensor& offsets, const Tensor& frames, const Tensor& bodies, const Tensor& start,
                 int64_t length, int64_t max_bodies, int64_t columns, int64_t rows)
        : held_(offsets, frames, bodies, start, length, max_bodies, columns) {
        const Clips& clips = held_.clips;
        for (int64_t c = 0; c < clips.count; ++c) {
            const int64_t t = clips.frames[c], m = clips.bodies[c], s = clips.start[c], o = clips.offsets[c];
            STD_TORCH_CHECK(t >= 1, "RaggedClips: clip ", c, " has frames = ", t, ", expected at least 1");
            STD_TORCH_CHECK(m >= 1 && m <= max_bodies, "RaggedClips: clip ", c, " has bodies = ", m,
                            ", expected 1 to ", max_bodies);
            STD_TORCH_CHECK(s >= 0 && t <= length - s, "RaggedClips: clip ", c, " has start = ", s,
                            " and frames = ", t, ", expected within length ", length);
            STD_TORCH_CHECK(o >= 0 && t * m <= rows - o, "RaggedClips: clip ", c, " has offsets = ", o,
                            " and frames * bodies = ", t * m, ", expected within ", rows, " rows of joints");
        }
    }
    const Clips& get() const { return held_.clips; }
    int64_t features() const { return held_.clips.features(); }

private:
    HeldClips held_;
};

// Offsets of clips that lie one after the other, and the rows they take.
std::tuple<Tensor, int64_t> consecutive(const Tensor& frames, const Tensor& bodies, int64_t length,
                                        int64_t max_bodies) {
    const Tensor f = checked(frames, ScalarType::Long, 1, "RaggedClips: frames"),
                 m = checked(bodies, ScalarType::Long, 1, "RaggedClips: bodies");
    STD_TORCH_CHECK(f.size(0) == m.size(0), "RaggedClips: frames and bodies must have one number per clip");
    Tensor offsets = torch::stable::new_empty(f, {f.size(0)});
    int64_t rows = 0;
    for (int64_t c = 0; c < f.size(0); ++c) {
        const int64_t t = f.const_data_ptr<int64_t>()[c], b = m.const_data_ptr<int64_t>()[c];
        STD_TORCH_CHECK(t >= 1 && t <= length, "RaggedClips: clip ", c, " has frames = ", t,
                        ", expected 1 to length ", length);
        STD_TORCH_CHECK(b >= 1 && b <= max_bodies, "RaggedClips: clip ", c, " has bodies = ", b,
                        ", expected 1 to ", max_bodies);
        offsets.mutable_data_ptr<int64_t>()[c] = rows;
        rows += t * b;
    }
    return {offsets, rows};
}

// A new matrix, on large pages if it is large. On small pages half the time is spent on mapping them.
Tensor new_matrix(const Tensor& like, int64_t rows, int64_t columns) {
    Tensor matrix = torch::stable::new_empty(like, {rows, columns});
    advise_large_pages(matrix.mutable_data_ptr<float>(), rows * columns * sizeof(float));
    return matrix;
}

Tensor without_padding(Tensor sums, int64_t units) {
    if (sums.size(1) == units) return sums;
    return torch::stable::contiguous(torch::stable::narrow(sums, 1, 0, units));
}

Tensor ragged_linear(Tensor joints, Tensor offsets, Tensor frames, Tensor bodies, Tensor start, Tensor weight,
                     Tensor bias, int64_t length, int64_t max_bodies) {
    const Linear a(joints, weight, bias, length, max_bodies);
    const CheckedClips clips(offsets, frames, bodies, start, length, max_bodies, a.columns, joints.size(0));
    const int64_t count = clips.get().count;
    const Projection& projection = *dispatch<&Kernels::project>();
    const int64_t stride = projection.padded(a.units);
    Tensor sums = torch::stable::new_empty(joints, {count, stride});
    float* to = sums.mutable_data_ptr<float>();
    std::vector<float> row(stride, 0.0f);
    std::copy_n(a.bias.const_data_ptr<float>(), a.units, row.begin());
    for (int64_t c = 0; c < count; ++c) std::copy(row.begin(), row.end(), to + c * stride);
    projection.run(OwnedPlan(clips.get()).get(), a.joints.const_data_ptr<float>(),
                   {a.weight.const_data_ptr<float>(), a.units, 1, clips.features()}, to);
    return without_padding(sums, a.units);
}

Tensor ragged_linear_backward(Tensor grad, Tensor joints, Tensor offsets, Tensor frames, Tensor bodies,
                              Tensor start, int64_t length, int64_t max_bodies) {
    const LinearGradient a(joints, grad, frames.size(0));
    const CheckedClips clips(offsets, frames, bodies, start, length, max_bodies, a.columns, joints.size(0));
    Tensor grad_weight = new_matrix(joints, a.units, clips.features());
    dispatch<&Kernels::outer>()(OwnedPlan(clips.get()).get(), a.joints.const_data_ptr<float>(),
                                a.grad.const_data_ptr<float>(), clips.get().count,
                                {grad_weight.mutable_data_ptr<float>(), a.units, 1, clips.features()});
    return grad_weight;
}

// A step of SGD with momentum along the gradient of ragged_linear_backward, in place.
void ragged_linear_sgd_(Tensor weight, Tensor momentum_buffer, Tensor grad, Tensor joints, Tensor offsets,
                        Tensor frames, Tensor bodies, Tensor start, int64_t length, int64_t max_bodies,
                        double lr, double momentum, double weight_decay) {
    const LinearGradient a(joints, grad, frames.size(0));
    const CheckedClips clips(offsets, frames, bodies, start, length, max_bodies, a.columns, joints.size(0));
    for (const Tensor* t : {&weight, &momentum_buffer}) {
        checked_float(*t, 2, "weight and momentum_buffer");
        STD_TORCH_CHECK(t->is_contiguous() && t->size(0) == a.units && t->size(1) == clips.features(),
                        "weight and momentum_buffer must be contiguous (out, length * max_bodies * J * 3)");
    }
    dispatch<&Kernels::sgd>()(
        OwnedPlan(clips.get()).get(), a.joints.const_data_ptr<float>(), a.grad.const_data_ptr<float>(),
        clips.get().count, a.units,
        {weight.mutable_data_ptr<float>(), momentum_buffer.mutable_data_ptr<float>(), static_cast<float>(lr),
         static_cast<float>(momentum), static_cast<float>(weight_decay)});
}

// The clips of a decoder. Their rows have `columns` numbers and follow each other without gaps.
struct Decoded {
    Tensor offsets;
    int64_t rows;
    CheckedClips clips;

    Decoded(const Tensor& frames, const Tensor& bodies, const Tensor& start, int64_t length,
            int64_t max_bodies, int64_t columns, std::tuple<Tensor, int64_t> placed)
        : offsets(std::get<0>(placed)),
          rows(std::get<1>(placed)),
          clips(offsets, frames, bodies, start, length, max_bodies, columns, rows) {}
};

Tensor ragged_decode(Tensor hidden, Tensor weight, Tensor bias, Tensor frames, Tensor bodies, Tensor start,
                     int64_t length, int64_t max_bodies) {
    const Decoder a(hidden, weight, frames.size(0), length, max_bodies);
    const Tensor offset = a.checked_bias(bias);
    const Decoded d(frames, bodies, start, length, max_bodies, a.columns,
                    consecutive(frames, bodies, length, max_bodies));
    Tensor out = new_matrix(hidden, d.rows, a.columns);
    dispatch<&Kernels::expand>()(OwnedPlan(d.clips.get()).get(), a.hidden.const_data_ptr<float>(),
                                 {a.weight.const_data_ptr<float>(), a.units, a.units, 1},
                                 offset.const_data_ptr<float>(), out.mutable_data_ptr<float>());
    return out;
}

std::tuple<Tensor, Tensor, Tensor> ragged_decode_backward(Tensor grad, Tensor hidden, Tensor weight,
                                                          Tensor frames, Tensor bodies, Tensor start,
                                                          int64_t length, int64_t max_bodies) {
    const Decoder a(hidden, weight, frames.size(0), length, max_bodies);
    const Tensor g = a.checked_grad(grad);
    const Decoded d(frames, bodies, start, length, max_bodies, a.columns,
                    consecutive(frames, bodies, length, max_bodies));
    STD_TORCH_CHECK(g.size(0) == d.rows, "grad must have ", d.rows, " rows, not ", g.size(0));
    const int64_t count = d.clips.get().count, units = a.units;
    const float* rows = g.const_data_ptr<float>();
    const OwnedPlan plan(d.clips.get());
    const Projection& projection = *dispatch<&Kernels::project>();
    Tensor sums = torch::stable::new_zeros(hidden, {count, projection.padded(units)});
    projection.run(plan.get(), rows, {a.weight.const_data_ptr<float>(), units, units, 1},
                   sums.mutable_data_ptr<float>());
    Tensor grad_weight = new_matrix(hidden, weight.size(0), units);
    dispatch<&Kernels::outer>()(plan.get(), rows, a.hidden.const_data_ptr<float>(), count,
                                {grad_weight.mutable_data_ptr<float>(), units, units, 1});
    Tensor grad_bias = torch::stable::new_empty(hidden, {weight.size(0)});
    dispatch<&Kernels::sum>()(plan.get(), rows, grad_bias.mutable_data_ptr<float>());
    return {without_padding(sums, units), grad_weight, grad_bias};
}

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    m.def(
        "ragged_linear(Tensor joints, Tensor offsets, Tensor frames, Tensor bodies, Tensor start, Tensor "
        "weight, "
        "Tensor bias, int length, int max_bodies) -> Tensor");
    m.def(
        "ragged_linear_backward(Tensor grad, Tensor joints, Tensor offsets, Tensor frames, Tensor bodies, "
        "Tensor start, int length, int max_bodies) -> Tensor");
    m.def(
        "ragged_linear_sgd_(Tensor(a!) weight, Tensor(b!) momentum_buffer, Tensor grad, Tensor joints, "
        "Tensor offsets, Tensor frames, Tensor bodies, Tensor start, int length, int max_bodies, float lr, "
        "float momentum, float weight_decay) -> ()");
    m.def(
        "ragged_decode(Tensor hidden, Tensor weight, Tensor bias, Tensor frames, Tensor bodies, Tensor "
        "start, "
        "int length, int max_bodies) -> Tensor");
    m.def(
        "ragged_decode_backward(Tensor grad, Tensor hidden, Tensor weight, Tensor frames, Tensor bodies, "
        "Tensor start, int length, int max_bodies) -> (Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CPU, m) {
    m.impl("ragged_linear", TORCH_BOX(&ragged_linear));
    m.impl("ragged_linear_backward", TORCH_BOX(&ragged_linear_backward));
    m.impl("ragged_linear_sgd_", TORCH_BOX(&ragged_linear_sgd_));
    m.impl("ragged_decode", TORCH_BOX(&ragged_decode));
    m.impl("ragged_decode_backward", TORCH_BOX(&ragged_decode_backward));
}

}  // namespace
}  // namespace skelbench::ragged
