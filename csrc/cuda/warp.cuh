// What kernels of one warp per thread block share.
#pragma once

namespace skelbench {

constexpr int kLanes = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// The sum over all lanes, of the same bits in each of them.
__device__ inline float warp_sum(float x) {
    for (int apart = kLanes / 2; apart > 0; apart /= 2) x += __shfl_xor_sync(kAllLanes, x, apart);
    return x;
}

// The first lane that voted, 32 where none did.
__device__ inline int first_lane(unsigned votes) {
    return __popc((votes & (0u - votes)) - 1u);
}

// How many lanes before this one voted.
__device__ inline int voted_before(unsigned votes) {
    return __popc(votes & ((1u << threadIdx.x) - 1u));
}

}  // namespace skelbench
