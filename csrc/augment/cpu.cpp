// Both views of a batch on the CPU, compiled once per ISA level. Every clip is read once and written twice.
#include <cstring>

#include "augment/kernels.h"
#include "isa/parallel_for.h"
#include "isa/vectors.h"

namespace skelbench::SKELBENCH_ISA::augment_cpu {

using skelbench::augment::Batch;

// Points x' = x S, as a product with a banded matrix over the numbers of all points in a row. x'[i] is the
// sum over d in -2..2 of x[i + d] * S[c + d][c], with c = i mod 3, where S has such a row. The coefficients
// repeat after three vectors, so no number has to be moved between lanes.
template <class V>
class Shear {
public:
    explicit Shear(const float* s) : s_(s) {
        constexpr int W = V::width;
        float lanes[W];
        for (int phase = 0; phase < 3; ++phase)
            for (int d = -2; d <= 2; ++d) {
                for (int lane = 0; lane < W; ++lane) {
                    const int c = (phase * W + lane) % 3, r = c + d;
                    lanes[lane] = r >= 0 && r < 3 ? s[3 * r + c] : 0.0f;
                }
                band_[phase][d + 2] = V::load(lanes);
            }
    }

    // to = from S for `count` numbers, a multiple of 3. At the ends, where a vector would read beyond the
    // numbers, it computes point by point.
    void apply(const float* from, int64_t count, float* to) const {
        constexpr int64_t W = V::width;
        point(from, to);
        int64_t i = 3;
        for (; i + 3 * W + 2 <= count; i += 3 * W) {
#pragma GCC unroll 3
            for (int phase = 0; phase < 3; ++phase) {
                const float* x = from + i + phase * W;
                V sum = V::load(x - 2) * band_[phase][0];
#pragma GCC unroll 4
                for (int d = -1; d <= 2; ++d) sum = fma(V::load(x + d), band_[phase][d + 2], sum);
                sum.store(to + i + phase * W);
            }
        }
        for (; i < count; i += 3) point(from + i, to + i);
    }

private:
    void point(const float* x, float* to) const {
        for (int c = 0; c < 3; ++c) to[c] = x[0] * s_[c] + x[1] * s_[3 + c] + x[2] * s_[6 + c];
    }
    const float* s_;
    V band_[3][5];
};

template <class V>
void views(const Batch& batch) {
    const int64_t rows = batch.begin[batch.count];
    // Threads share the rows. The thread that has a clip's first row processes the clip.
    parallel_for(rows, 256, [&](int64_t begin, int64_t end) {
        for (int64_t b = 0; b < batch.count; ++b) {
            if (batch.begin[b] < begin || batch.begin[b] >= end) continue;
            const int64_t clip = batch.index[b], frames = batch.frames[clip];
            const int64_t frame = batch.bodies[clip] * batch.columns, size = frames * frame;
            const float* from = batch.joints + batch.offsets[clip] * batch.columns;
            float* sheared = batch.views + batch.begin[b] * batch.columns;
            float* reversed = sheared + rows * batch.columns;
            Shear<V>(batch.shear + 9 * b).apply(from, size, sheared);
            if (!batch.reverse[b]) {
                std::memcpy(reversed, from, size * sizeof(float));
                continue;
            }
            for (int64_t t = 0; t < frames; ++t)
                std::memcpy(reversed + (frames - 1 - t) * frame, from + t * frame, frame * sizeof(float));
        }
    });
}

}  // namespace skelbench::SKELBENCH_ISA::augment_cpu

namespace skelbench::augment {

constinit const Kernels Kernels::SKELBENCH_ISA{
    .views = skelbench::SKELBENCH_ISA::augment_cpu::views<skelbench::SKELBENCH_ISA::f32>};

}  // namespace skelbench::augment
