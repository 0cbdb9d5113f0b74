// What the kernels of both devices compute of a frame or of a clip, not of a joint.
#pragma once
#include <cmath>

#include "isa/inline.h"
#include "streams/kernels.h"

namespace skelbench::streams {

// A sampled frame lies between two frames of its clip.
struct Between {
    int64_t before, after;
    // Of the way from the one to the other.
    float share;
};
SKELBENCH_INLINE Between between(float time, int64_t frames) {
    const int64_t last = frames - 1;
    const float at = time * static_cast<float>(last);
    const int64_t floor = static_cast<int64_t>(at);
    const int64_t before = floor < last ? floor : last;
    return {before, before < last ? before + 1 : last, at - static_cast<float>(before)};
}

// How much of each of the two a sampled frame has; none where the body is absent.
struct Weights {
    float before, after;
};
// A frame that is hit exactly does not ask whether the next one is there.
SKELBENCH_INLINE Weights weights(float share, bool before_there, bool after_there) {
    const float before = before_there ? 1 - share : 0, after = after_there ? share : 0;
    const float total = before + after;
    return total > 0 ? Weights{before / total, after / total} : Weights{0, 0};
}

// Whether a body stands in a row: not all numbers are zero.
SKELBENCH_INLINE bool there(const float* row, int64_t columns) {
    for (int64_t i = 0; i < columns; ++i)
        if (row[i] != 0) return true;
    return false;
}

// The coordinate that becomes x (0), y (1) or z (2).
SKELBENCH_INLINE int axis_of(int up, int c) {
    return c == 1 ? up : c == 0 ? (up == 0 ? 1 : 0) : (up == 2 ? 1 : 2);
}

// The sum of the directions of a clip's frames on the floor.
struct Direction {
    float x, z;
    SKELBENCH_INLINE void add(float dx, float dz) {
        const float length = sqrtf(dx * dx + dz * dz), divisor = length < kShortest ? kShortest : length;
        x += dx / divisor;
        z += dz / divisor;
    }
};

// The linear map of a clip, row by row: y up, unit lengths, turned into the direction, then the view's own
// map and the mirror's sign.
SKELBENCH_INLINE void linear_map(const Batch& batch, int64_t clip, Direction d, float* map) {
    const float length = sqrtf(d.x * d.x + d.z * d.z);
    const bool known = length > kDirected * static_cast<float>(batch.sampled);
    const float cos = known ? d.x / length : 1, sin = known ? d.z / length : 0;
    const float turn[3][3] = {{cos, 0, sin}, {0, 1, 0}, {-sin, 0, cos}};
    for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c) {
            float sum = turn[r][c];
            if (batch.maps) {
                const float* row = batch.maps + 9 * clip + 3 * r;
                sum = row[0] * turn[0][c] + row[1] * turn[1][c] + row[2] * turn[2][c];
            }
            if (r == 0 && batch.mirror && batch.mirror[clip]) sum = -sum;
            map[3 * r + axis_of(batch.up, c)] = sum * batch.scale;
        }
}

}  // namespace skelbench::streams
