// The clips of a batch, and where their rows lie: shared by the CPU's plan and the CUDA kernels.
#pragma once
#include <cstdint>

#ifdef __CUDACC__
#define RAGGED_INLINE __host__ __device__ __forceinline__
#else
#define RAGGED_INLINE inline
#endif

namespace skelbench::ragged {

struct Clips {
    const int64_t *offsets, *frames, *bodies, *start;  // (count,) each
    int64_t count, length, max_bodies, columns;        // columns: numbers per row, J * 3

    // Whether a clip has a body in a frame of the padded row, and the packed row that holds it.
    RAGGED_INLINE bool has(int64_t clip, int64_t frame, int64_t body) const {
        return frame >= start[clip] && frame - start[clip] < frames[clip] && body < bodies[clip];
    }
    RAGGED_INLINE int64_t row(int64_t clip, int64_t frame, int64_t body) const {
        return offsets[clip] + (frame - start[clip]) * bodies[clip] + body;
    }
    // Whether a clip lies within its padded row, and within `rows` packed ones.
    RAGGED_INLINE bool padded_fits(int64_t clip) const {
        return frames[clip] >= 1 && bodies[clip] >= 1 && bodies[clip] <= max_bodies && start[clip] >= 0 &&
               frames[clip] <= length - start[clip];
    }
    RAGGED_INLINE bool fits(int64_t clip, int64_t rows) const {
        return padded_fits(clip) && offsets[clip] >= 0 && frames[clip] * bodies[clip] <= rows - offsets[clip];
    }
    RAGGED_INLINE int64_t slots() const { return length * max_bodies; }
    RAGGED_INLINE int64_t features() const { return slots() * columns; }
};

}  // namespace skelbench::ragged
