// What the padding-free layers ask of a kernel: plain pointers and sizes, no torch.
#pragma once
#include <cstdint>

#include "isa/inline.h"
#include "isa/levels.h"

namespace skelbench::ragged {

// Frames are processed in blocks of this many. A clip that has a whole block is multiplied with all of it at
// once.
inline constexpr int64_t kBlock = 4;

// The rows of one body of one clip in one block of frames.
struct Entry {
    int32_t clip;
    // Packed rows from one frame of the clip to the next.
    int32_t bodies;
    // Packed row of the first frame that the clip has in the block.
    int64_t row;
};

// The entries of a batch, grouped by block, body, and the frames that the clip has in the block.
struct Plan {
    // Numbers per row: J * 3.
    int64_t columns;
    // Frames and bodies of the padded row.
    int64_t length, bodies;
    // ceil(length / kBlock)
    int64_t blocks;
    const Entry* entries;
    // (groups + 1,), the first entry of each group.
    const int64_t* begin;

    // The group of the clips that have this body and exactly the frames first..last of the block.
    SKELBENCH_INLINE int64_t group(int64_t block, int64_t body, int64_t first, int64_t last) const {
        return ((block * bodies + body) * kBlock + first) * kBlock + last;
    }
    SKELBENCH_INLINE int64_t features() const { return length * bodies * columns; }
};

// A weight matrix over (feature, unit). A linear layer stores it as (unit, feature), a decoder as (feature,
// unit).
template <class T>
struct Weight {
    T* data;
    int64_t units;
    // One of the strides is 1.
    int64_t feature_stride, unit_stride;
};

// A step of stochastic gradient descent with momentum (Sutskever et al. 2013, in the form of
// torch.optim.SGD). With g the gradient of a weight w: buffer = momentum * buffer + g + decay * w, then w -=
// rate * buffer.
struct SgdStep {
    // (units, features)
    float *weight, *buffer;
    float rate, momentum, decay;
};

struct Projection {
    // out[clip] += sum over the clip's rows of x[row] * W[its features]. out (clips, padded(units)).
    void (*run)(const Plan&, const float* x, const Weight<const float>&, float* out);
    // Units that are computed at once.
    int64_t lanes;

    SKELBENCH_INLINE int64_t padded(int64_t units) const { return (units + lanes - 1) / lanes * lanes; }
};

// A level leaves null what a plainer level does as well.
struct Kernels {
    const Projection* project = nullptr;
    // W[features] = sum over clips of outer(x[row], g[clip]), zero where no clip has the frame. g (clips,
    // units).
    void (*outer)(const Plan&, const float* x, const float* g, int64_t clips, const Weight<float>&) = nullptr;
    // The step of SGD on a linear layer's weight along the gradient of `outer`, which is not stored.
    void (*sgd)(const Plan&, const float* x, const float* g, int64_t clips, int64_t units,
                const SgdStep&) = nullptr;
    // y[row] = bias[its features] + W[its features] * hidden[clip]. hidden (clips, units).
    void (*expand)(const Plan&, const float* hidden, const Weight<const float>&, const float* bias,
                   float* y) = nullptr;
    // out[features] = sum over clips of x[row].
    void (*sum)(const Plan&, const float* x, float* out) = nullptr;

    static const Kernels SKELBENCH_LEVELS;
};

}  // namespace skelbench::ragged
