// What the streams op asks of a kernel: plain pointers and sizes, no torch.
#pragma once
#include <cstdint>

#include "isa/levels.h"

namespace skelbench::streams {

// The limits of skelbench/ops/views.py.
constexpr int kMostJoints = 256, kMostMarks = 16, kMostOrigins = 4, kMostPairs = 4;
// Displacements between sampled frames are so much smaller than positions (MOTION in skelbench/ops/views.py).
constexpr float kMotion = 8;
// The numbers of a joint among the invariants, besides the distances to the landmarks.
constexpr int kInvariants = 6;
// Below this share of agreement between frames, a clip has no direction.
constexpr float kDirected = 0.01f;
// The shortest line that has a direction.
constexpr float kShortest = 1e-12f;

// The streams, in the order of STREAMS in skelbench/ops/views.py.
enum Stream : uint8_t { kLevelled, kPosition, kJoint, kBone, kMotionStream, kInvariant, kStreams };

// What is known of the joints of a skeleton. Handed to a CUDA kernel by value.
struct Skeleton {
    int32_t joints, root, origins, marks, pairs;
    uint8_t origin[kMostOrigins], marked[kMostMarks], left[kMostPairs], right[kMostPairs];
    // The joint of the other side, the joint that the bone comes from (the joint itself where there is none),
    // and the joints in an order in which the latter come first.
    uint8_t mirrored[kMostJoints], parent[kMostJoints], order[kMostJoints];
};

struct Batch {
    // (rows, 3 * skeleton.joints)
    const float* joints;
    int64_t rows;
    // Per clip.
    const int64_t *offsets, *frames, *bodies;
    // (count, sampled), in [0, 1].
    const float* times;
    int64_t count, sampled, places;
    // How a view differs from its clip; null where it does not. (count, 3, 3), (count, joints), (count,),
    // (count, places, sampled, joints, 3), (count, places, joints), (count,) with -1 for none.
    const float *maps, *limbs;
    const bool* mirror;
    const float* noise;
    const bool* hidden;
    const int64_t* axis;
    // (count, places, sampled, joints, channels) and (count, places, sampled).
    float* out;
    bool* present;
    // The coordinate that points up, and one over the unit of length.
    int32_t up;
    float scale;
    int32_t channels, streams;
    uint8_t stream[kStreams];
    Skeleton skeleton;
};

struct Kernels {
    void (*streams)(const Batch&);

    static const Kernels SKELBENCH_LEVELS;
};

}  // namespace skelbench::streams
