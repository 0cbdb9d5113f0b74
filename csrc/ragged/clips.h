// The clips of a batch and the places of their rows, for the CPU's plan and the CUDA kernels.
#pragma once
#include <cstdint>

#include "isa/inline.h"

namespace skelbench::ragged {

struct Clips {
    // (count,) each.
    const int64_t *offsets, *frames, *bodies, *start;
    // columns: numbers per row, J * 3.
    int64_t count, length, max_bodies, columns;

    // Whether a clip has a body in a frame of the padded row.
    SKELBENCH_INLINE bool has(int64_t clip, int64_t frame, int64_t body) const {
        return frame >= start[clip] && frame - start[clip] < frames[clip] && body < bodies[clip];
    }
    // The packed row of that body.
    SKELBENCH_INLINE int64_t row(int64_t clip, int64_t frame, int64_t body) const {
        return offsets[clip] + (frame - start[clip]) * bodies[clip] + body;
    }
    // Whether a clip lies within its padded row.
    SKELBENCH_INLINE bool padded_fits(int64_t clip) const {
        return frames[clip] >= 1 && bodies[clip] >= 1 && bodies[clip] <= max_bodies && start[clip] >= 0 &&
               frames[clip] <= length - start[clip];
    }
    // Whether it also lies within `rows` packed rows.
    SKELBENCH_INLINE bool fits(int64_t clip, int64_t rows) const {
        return padded_fits(clip) && offsets[clip] >= 0 && frames[clip] * bodies[clip] <= rows - offsets[clip];
    }
    SKELBENCH_INLINE int64_t slots() const { return length * max_bodies; }
    SKELBENCH_INLINE int64_t features() const { return slots() * columns; }
};

}  // namespace skelbench::ragged
