// Running sums, computed by one thread block.
#pragma once
#include "cuda/scan.h"

namespace skelbench {

constexpr int kScanThreads = 1024;

// Calls write(i, sum of size(j) over j < i) for i in 0..count. A size below zero means that i does not fit:
// it counts as zero, and `found` gets the first such i. All threads of one thread block of kScanThreads must
// call.
template <class Size, class Write>
__device__ void running_sums(int64_t count, const Size& size, const Write& write, Scanned* found) {
    __shared__ int64_t sums[kScanThreads], bads[kScanThreads];
    const int64_t share = (count + kScanThreads - 1) / kScanThreads;
    const int64_t begin = min(count, threadIdx.x * share), end = min(count, begin + share);
    int64_t own = 0, bad = count;
    for (int64_t i = end; i-- > begin;) {
        const int64_t n = size(i);
        own += max(n, int64_t{0});
        bad = n < 0 ? i : bad;
    }
    sums[threadIdx.x] = own;
    bads[threadIdx.x] = bad;
    for (unsigned step = 1; step < kScanThreads; step *= 2) {
        __syncthreads();
        const bool more = threadIdx.x >= step;
        const int64_t before = more ? sums[threadIdx.x - step] : 0;
        const int64_t earlier = more ? bads[threadIdx.x - step] : count;
        __syncthreads();
        sums[threadIdx.x] += before;
        bads[threadIdx.x] = min(bads[threadIdx.x], earlier);
    }
    int64_t sum = sums[threadIdx.x] - own;
    for (int64_t i = begin; i < end; ++i) {
        write(i, sum);
        sum += max(size(i), int64_t{0});
    }
    if (threadIdx.x == kScanThreads - 1) *found = {sums[threadIdx.x], bads[threadIdx.x]};
}

}  // namespace skelbench
