// A CUDA runtime on one host thread, to run kernels without a GPU. The threads of a thread block are fibres
// that switch at barriers. Thread blocks run one after the other. The fibres run in ascending, descending or
// mixed order
// (`fibre_order`). If a barrier is missing, the results depend on the order.
#pragma once
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define __CUDACC__
#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(threads)

using std::max;
using std::min;

using cudaStream_t = void*;
using cudaError_t = int;
constexpr int cudaSuccess = 0, cudaMemcpyDeviceToHost = 0;
inline int cudaGetLastError() {
    return cudaSuccess;
}
inline int cudaStreamSynchronize(cudaStream_t) {
    return cudaSuccess;
}
inline int cudaMemcpyAsync(void* to, const void* from, size_t bytes, int, cudaStream_t) {
    std::memcpy(to, from, bytes);
    return cudaSuccess;
}

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(16) float4 {
    float x, y, z, w;
};

namespace fibres {

inline dim3 thread, block, grid;
inline ucontext_t scheduler;
inline std::vector<ucontext_t> contexts;
inline std::vector<unsigned> votes;
inline std::function<void()> body;
inline unsigned current;
inline std::vector<bool> finished;
inline int order = 0;

inline void pause() {
    swapcontext(&contexts[current], &scheduler);
}
inline void enter() {
    body();
    finished[current] = true;
}

inline void run_block(unsigned threads) {
    static std::vector<std::vector<char>> stacks;
    while (stacks.size() < threads) stacks.emplace_back(1 << 16);
    contexts.resize(threads);
    finished.assign(threads, false);
    votes.assign((threads + 31) / 32, 0);
    for (unsigned t = 0; t < threads; ++t) {
        getcontext(&contexts[t]);
        contexts[t].uc_stack.ss_sp = stacks[t].data();
        contexts[t].uc_stack.ss_size = stacks[t].size();
        contexts[t].uc_link = &scheduler;
        makecontext(&contexts[t], enter, 0);
    }
    for (unsigned turn = 0, left = threads; left > 0; ++turn) {
        unsigned ended = 0;
        for (unsigned i = 0; i < threads; ++i) {
            // 7 divides no number of threads here.
            current = order == 0 ? i : order == 1 ? threads - 1 - i : (i * 7 + turn * 13) % threads;
            if (finished[current]) continue;
            thread = dim3(current);
            swapcontext(&scheduler, &contexts[current]);
            ended += finished[current];
        }
        if (ended != 0 && ended != left) {
            std::fprintf(stderr, "%u of %u threads left a block while others waited at a barrier\n", ended,
                         left);
            std::abort();
        }
        left -= ended;
    }
}

inline void launch(dim3 blocks, dim3 threads, int, cudaStream_t, std::function<void()> kernel) {
    body = std::move(kernel);
    grid = blocks;
    for (block.z = 0; block.z < grid.z; ++block.z)
        for (block.y = 0; block.y < grid.y; ++block.y)
            for (block.x = 0; block.x < grid.x; ++block.x) run_block(threads.x);
}

}  // namespace fibres

#define threadIdx fibres::thread
#define blockIdx fibres::block
#define gridDim fibres::grid

inline void __syncthreads() {
    fibres::pause();
}
// Called by all threads of a block at once, as the kernels here do.
inline unsigned __ballot_sync(unsigned, bool vote) {
    const unsigned me = threadIdx.x;
    unsigned& votes = fibres::votes[me / 32];
    votes = vote ? votes | 1u << me % 32 : votes & ~(1u << me % 32);
    fibres::pause();
    const unsigned all = votes;
    fibres::pause();
    return all;
}
// Called likewise; the lanes of a warp exchange their numbers.
inline float __shfl_xor_sync(unsigned, float x, int apart) {
    static std::vector<float> numbers(1024);
    const unsigned me = threadIdx.x;
    numbers[me] = x;
    fibres::pause();
    const float other = numbers[me ^ static_cast<unsigned>(apart)];
    fibres::pause();
    return other;
}
inline unsigned long long atomicAdd(unsigned long long* at, unsigned long long x) {
    const unsigned long long before = *at;
    *at += x;
    return before;
}
inline int __popc(unsigned x) {
    return __builtin_popcount(x);
}
[[noreturn]] inline void __trap() {
    std::abort();
}
extern "C" inline void fibre_order(int order) {
    fibres::order = order;
}
