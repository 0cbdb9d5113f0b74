// Runs one AVX2 kernel on one thread, without torch, for callgrind: `python -m benchmarks.instructions`.
// argv[1] names the kernel. Only what measured() calls is counted.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "augment/kernels.h"
#include "contrastive/kernels.h"
#include "isa/one_thread.h"
#include "ragged/plan.h"
#include "wl/kernels.h"

namespace {

using namespace skelbench;

// Numbers in [-1, 1), the same on every machine.
class Numbers {
public:
    uint64_t word() { return state_ = state_ * 6364136223846793005ull + 1442695040888963407ull; }
    float unit() { return static_cast<float>(static_cast<int64_t>(word() >> 40)) / float(1 << 23) - 1.0f; }
    std::vector<float> units(int64_t n) {
        std::vector<float> values(n);
        for (float& value : values) value = unit();
        return values;
    }

private:
    uint64_t state_ = 42;
};

// The function whose instructions callgrind counts.
template <class F>
__attribute__((noinline)) void measured(const F& f) {
    f();
}

void run_contrastive(bool backward, bool keep) {
    constexpr int64_t n = 512, d = 128, classes = 60;
    Numbers numbers;
    std::vector<float> z = numbers.units(n * d);
    for (int64_t i = 0; i < n; ++i) {
        double norm = 0;
        for (int64_t c = 0; c < d; ++c) norm += double(z[i * d + c]) * z[i * d + c];
        for (int64_t c = 0; c < d; ++c) z[i * d + c] /= static_cast<float>(std::sqrt(norm));
    }
    std::vector<int32_t> order(n), cls(n + contrastive::kPad, -1), self(n + contrastive::kPad, -1);
    for (int64_t i = 0; i < n; ++i) {
        order[i] = self[i] = static_cast<int32_t>(i);
        cls[i] = static_cast<int32_t>(i * classes / n);
    }
    const double temperature = 0.07;
    contrastive::Problem<float> p{};
    p.anchors = p.contrasts = {z.data(), n, order.data(), cls.data(), true};
    p.square = p.shared_shift = true;
    p.d = d;
    p.self = self.data();
    p.scale = p.shift = 1.4426950408889634 / temperature;
    p.k2 = 1;
    std::vector<float> shift(n + contrastive::kPad, static_cast<float>(p.shift));
    std::vector<float> weight(n + contrastive::kPad, 1e-3f), share(n + contrastive::kPad, 1e-3f), grad(n * d);
    std::vector<double> sum(n + contrastive::kPad), positive(n + contrastive::kPad);
    const contrastive::Entry<float>& kernels = *contrastive::Kernels::avx2.f32;
    p.threads = 1;
    const auto forward = [&](const contrastive::Passes<float>& passes) {
        passes.forward({shift.data(), sum.data(), positive.data()});
    };
    const auto turn_back = [&](const contrastive::Passes<float>& passes) {
        passes.backward({shift.data(), weight.data(), share.data(), temperature, grad.data(), nullptr});
    };
    measured([&] {
        const contrastive::Passes<float> passes(kernels, p, keep);
        if (!backward || keep) forward(passes);
        if (backward) turn_back(passes);
    });
}

// 64 clips of 40 to 120 frames, every fifth of two bodies.
struct Clips {
    static constexpr int64_t count = 64, length = 300, columns = 75, units = 256;
    std::vector<int64_t> offsets, frames, bodies, start;
    std::vector<float> joints;

    Clips() : start(count, 0) {
        Numbers numbers;
        int64_t row = 0;
        for (int64_t c = 0; c < count; ++c) {
            offsets.push_back(row);
            frames.push_back(40 + static_cast<int64_t>((numbers.word() >> 33) % 81));
            bodies.push_back(c % 5 ? 1 : 2);
            row += frames[c] * bodies[c];
        }
        joints = numbers.units(row * columns);
    }
    int64_t rows() const { return static_cast<int64_t>(joints.size()) / columns; }
};

void run_ragged(bool gradient) {
    const Clips clips;
    const ragged::OwnedPlan plan({clips.offsets.data(), clips.frames.data(), clips.bodies.data(),
                                  clips.start.data(), Clips::count, Clips::length, 2, Clips::columns});
    const ragged::Kernels& kernels = ragged::Kernels::avx2;
    const int64_t features = plan.get().features();
    std::vector<float> weight(features * Clips::units, 0.01f), out(Clips::count * Clips::units, 0.01f);
    measured([&] {
        if (gradient)
            kernels.outer(plan.get(), clips.joints.data(), out.data(), Clips::count,
                          {weight.data(), Clips::units, 1, features});
        else
            kernels.project->run(plan.get(), clips.joints.data(), {weight.data(), Clips::units, 1, features},
                                 out.data());
    });
}

void run_augment() {
    const Clips clips;
    Numbers numbers;
    std::vector<int64_t> index(Clips::count), begin(Clips::count + 1);
    std::vector<uint8_t> reverse(Clips::count);
    for (int64_t c = 0; c < Clips::count; ++c) {
        index[c] = c;
        reverse[c] = c % 2;
        begin[c + 1] = begin[c] + clips.frames[c] * clips.bodies[c];
    }
    const std::vector<float> shear = numbers.units(Clips::count * 9);
    std::vector<float> views(2 * clips.rows() * Clips::columns);
    measured([&] {
        augment::Kernels::avx2.views(
            {clips.joints.data(), Clips::columns, clips.offsets.data(), clips.frames.data(),
             clips.bodies.data(), clips.start.data(), index.data(), Clips::count, shear.data(),
             reinterpret_cast<const bool*>(reverse.data()), begin.data(), views.data()});
    });
}

// 4096 binary trees of 25 nodes.
void run_wl() {
    constexpr int64_t graphs = 4096, nodes = 25, iterations = 2;
    Numbers numbers;
    std::vector<int64_t> labels(graphs * nodes), indptr{0}, indices,
        tokens(graphs * (iterations + 1) * nodes);
    for (int64_t& label : labels) label = static_cast<int64_t>(numbers.word() >> 50);
    for (int64_t v = 0; v < nodes; ++v) {
        if (v) indices.push_back((v - 1) / 2);
        for (int64_t child = 2 * v + 1; child <= 2 * v + 2 && child < nodes; ++child)
            indices.push_back(child);
        indptr.push_back(static_cast<int64_t>(indices.size()));
    }
    measured([&] {
        wl::Kernels::avx2.subtrees({labels.data(), indptr.data(), indices.data(), graphs, nodes, iterations,
                                    ~uint64_t{0}, tokens.data()});
    });
}

}  // namespace

int main(int argc, char** argv) {
    const char* name = argc == 2 ? argv[1] : "";
    const auto is = [&](const char* other) { return std::strcmp(name, other) == 0; };
    if (is("contrastive_forward") || is("contrastive_backward") || is("contrastive_both")) {
        run_contrastive(!is("contrastive_forward"), is("contrastive_both"));
    } else if (is("ragged_project") || is("ragged_outer")) {
        run_ragged(is("ragged_outer"));
    } else if (is("augment_views")) {
        run_augment();
    } else if (is("wl_subtrees")) {
        run_wl();
    } else {
        std::fprintf(stderr, "driver: unknown kernel '%s'\n", name);
        return 2;
    }
    return 0;
}
