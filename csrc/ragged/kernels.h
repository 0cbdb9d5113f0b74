// What the padding-free layers ask of a kernel: plain pointers and sizes, no torch.
#pragma once
#include <cstdint>

namespace skelbench::ragged {

// Frames are taken in blocks of this many: a clip that has a whole block is multiplied with all of it at
// once.
inline constexpr int64_t kBlock = 4;

// The rows of one body of one clip in one block of frames.
struct Entry {
    int32_t clip;
    int32_t bodies;  // packed rows from one frame of the clip to the next
    int64_t row;     // packed row of the first frame that the clip has in the block
};

// Which clips have what. Entries are grouped by block, body, and the frames that the clip has in the block.
struct Plan {
    int64_t columns;  // numbers per row: J * 3
    int64_t length;   // frames of the padded row
    int64_t bodies;   // bodies of the padded row
    int64_t blocks;   // ceil(length / kBlock)
    const Entry* entries;
    const int64_t* begin;  // (groups + 1,)

    static int64_t in_block(int64_t bodies) { return bodies * kBlock * kBlock; }
    // Group of the clips that have frames first..last of the block, and this body.
    int64_t group(int64_t block, int64_t body, int64_t first, int64_t last) const {
        return ((block * bodies + body) * kBlock + first) * kBlock + last;
    }
    int64_t features() const { return length * bodies * columns; }
};

// A weight matrix over (feature, unit): a linear layer keeps it (unit, feature), a decoder (feature, unit).
template <class T>
struct Weight {
    T* data;
    int64_t units;
    int64_t feature_stride, unit_stride;  // one of them is 1
};

// A step of stochastic gradient descent with momentum (Sutskever et al. 2013, as torch.optim.SGD has it):
// with the gradient g of a weight w, b = momentum * b + g + decay * w, then w -= rate * b.
struct Descent {
    float *weight, *buffer;  // (units, features)
    float rate, momentum, decay;
};

struct Kernels {
    // out[clip] += sum over the clip's rows of x[row] * W[its features]; out (clips, ceil(units / lanes) *
    // lanes).
    void (*project)(const Plan&, const float* x, const Weight<const float>&, float* out);
    // W[features] = sum over clips of outer(x[row], g[clip]); zero where no clip has the frame. g (clips,
    // units).
    void (*outer)(const Plan&, const float* x, const float* g, int64_t clips, const Weight<float>&);
    // The descent of a linear layer's weight along the gradient that `outer` gives, which is not stored.
    void (*descend)(const Plan&, const float* x, const float* g, int64_t clips, int64_t units,
                    const Descent&);
    // y[row] = bias[its features] + W[its features] * hidden[clip]; hidden (clips, units).
    void (*expand)(const Plan&, const float* hidden, const Weight<const float>&, const float* bias, float* y);
    // out[features] = sum over clips of x[row].
    void (*sum)(const Plan&, const float* x, float* out);
    int64_t lanes;  // units that are computed at once
};

}  // namespace skelbench::ragged
