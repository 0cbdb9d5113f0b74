// Weisfeiler-Lehman subtrees on CUDA: one thread per node of a graph, one launch per depth. A depth reads the
// tokens of the depth before from the result. The neighbours of a warp's nodes are close together and come
// from the caches.
#include "wl/cuda.h"
#include "wl/hash.h"

namespace skelbench::wl {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 1 << 16;

__global__ void leaves(Problem p) {
    const int64_t count = p.graphs * p.nodes;
    for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count;
         i += gridDim.x * int64_t{kThreads}) {
        const int64_t g = i / p.nodes, v = i % p.nodes;
        p.tokens[g * (p.iterations + 1) * p.nodes + v] =
            static_cast<int64_t>(leaf<uint64_t>(static_cast<uint64_t>(p.labels[i]), p.mask));
    }
}

__global__ void deepen(Problem p, int64_t depth) {
    const int64_t count = p.graphs * p.nodes;
    for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count;
         i += gridDim.x * int64_t{kThreads}) {
        const int64_t g = i / p.nodes, v = i % p.nodes;
        int64_t* const now = p.tokens + (g * (p.iterations + 1) + depth) * p.nodes;
        uint64_t sum = 0;
        for (int64_t e = p.indptr[v]; e < p.indptr[v + 1]; ++e)
            sum += static_cast<uint64_t>(now[p.indices[e]]);
        now[p.nodes + v] = static_cast<int64_t>(grow<uint64_t>(static_cast<uint64_t>(now[v]), sum, p.mask));
    }
}

}  // namespace

int subtrees_cuda(const Problem& p, void* stream) {
    const int64_t blocks = (p.graphs * p.nodes + kThreads - 1) / kThreads;
    if (blocks == 0) return cudaSuccess;
    const auto grid = static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks);
    const auto queue = static_cast<cudaStream_t>(stream);
    leaves<<<grid, kThreads, 0, queue>>>(p);
    for (int64_t depth = 0; depth < p.iterations; ++depth) deepen<<<grid, kThreads, 0, queue>>>(p, depth);
    return cudaGetLastError();
}

}  // namespace skelbench::wl
