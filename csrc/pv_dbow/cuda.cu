// PV-DBOW on CUDA, in the order of csrc/pv_dbow/README.md. A warp has a document, and a lane every 32nd
// number of its vector, so only sums of products cross lanes. When the table moves, a warp has the rows of
// one share, and takes their updates in the order of documents and words. No atomics, so a result repeats its
// bits. They are not those of the CPU, which adds up products in another order.
#include <cuda_runtime.h>

#include "cuda/warp.cuh"
#include "pv_dbow/cuda.h"
#include "pv_dbow/random.h"

namespace skelbench::pv_dbow {
namespace {

constexpr int64_t kMostBlocks = 1 << 20;
// The rows are shared by their number modulo this.
constexpr int kShares = 128;
constexpr int kThreads = 256;
// Rows whose products are summed at a time.
constexpr int64_t kTogether = 4;

// A document has the stream of its own number, or with `alike` that of document 0.
__global__ void thin(Problem p, bool alike, Kept kept) {
    for (int64_t d = blockIdx.x; d < p.documents; d += gridDim.x) {
        const uint64_t start = stream(p.seed, p.epoch, alike ? 0 : 2 * d);
        const int64_t begin = p.indptr[d], length = p.indptr[d + 1] - begin;
        int64_t left = 0;
        for (int64_t first = 0; first < length; first += kLanes) {
            const int64_t i = first + threadIdx.x;
            const int32_t word = i < length ? p.words[begin + i] : -1;
            // -1 stands for no word.
            const bool stays = word >= 0 && uniform(start, i) < p.keep[word];
            const unsigned votes = __ballot_sync(kAllLanes, stays);
            if (stays) kept.words[begin + left + voted_before(votes)] = word;
            left += __popc(votes);
        }
        if (threadIdx.x == 0) kept.count[d] = left;
    }
}

// One thread block.
__global__ void longest_of(int64_t documents, const int64_t* count, int64_t* longest) {
    __shared__ int64_t most[kThreads];
    most[threadIdx.x] = 0;
    for (int64_t d = threadIdx.x; d < documents; d += kThreads)
        most[threadIdx.x] = max(most[threadIdx.x], count[d]);
    for (unsigned half = kThreads / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) most[threadIdx.x] = max(most[threadIdx.x], most[threadIdx.x + half]);
    }
    if (threadIdx.x == 0) *longest = most[0];
}

// Negative samples of a block's words.
__global__ void sample(Problem p, int64_t block, int64_t count, int32_t* samples) {
    const uint64_t start = stream(p.seed, p.epoch, 2 * block + 1);
    for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count;
         i += gridDim.x * int64_t{kThreads})
        samples[i] = word_above(p.cumulative, p.vocabulary, uniform(start, i));
}

// One step: up to kStep words of a document, and their negative samples. `slope`, in shared memory, gets a
// number per row: of the words, then of the samples. One warp calls.
__device__ void step(const Problem& p, const int32_t* words, int64_t count, const int32_t* samples,
                     float rate, float* vector, float* slope) {
    const int64_t all = count * (1 + p.negative), n = p.dimensions;
    const auto row = [&](int64_t r) {
        const int32_t number = r < count ? words[r] : samples[r - count];
        return p.table + number * n;
    };
    for (int64_t r = 0; r < all; r += kTogether) {
        const float* rows[kTogether];
        float sums[kTogether] = {};
#pragma unroll
        for (int64_t k = 0; k < kTogether; ++k) rows[k] = row(min(r + k, all - 1));
        for (int64_t i = threadIdx.x; i < n; i += kLanes) {
            const float x = vector[i];
#pragma unroll
            for (int64_t k = 0; k < kTogether; ++k) sums[k] = fmaf(x, rows[k][i], sums[k]);
        }
#pragma unroll
        for (int64_t k = 0; k < kTogether; ++k) sums[k] = warp_sum(sums[k]);
        for (int64_t k = 0; k < kTogether; ++k)
            if (threadIdx.x == k && r + k < all) slope[r + k] = sums[k];
    }
    __syncthreads();
    for (int64_t r = threadIdx.x; r < all; r += kLanes) {
        const float product = slope[r], label = r < count ? 1.0f : 0.0f;
        // A sample that is the word itself says nothing.
        const bool own = r >= count && samples[r - count] == words[(r - count) / p.negative];
        const bool moves = product > -kSaturated && product < kSaturated && !own;
        slope[r] = moves ? rate * (label - 1.0f / (1.0f + expf(-product))) : 0.0f;
    }
    __syncthreads();
    for (int64_t i = threadIdx.x; i < n; i += kLanes) {
        float x = vector[i];
#pragma unroll 4
        for (int64_t r = 0; r < all; ++r) x = fmaf(slope[r], row(r)[i], x);
        vector[i] = x;
    }
}

// The documents of a block: first, first + apart, first + 2 apart, ..., and the words `word`, word + 1, ...
// that all of them learn before the table moves.
struct Segment {
    int64_t documents, first, apart, word;
    float rate;

    __device__ int64_t document(int64_t i) const { return first + i * apart; }
    __device__ int64_t count(const Kept& kept, int64_t i) const {
        return max(int64_t{0}, min(kept.count[document(i)] - word, kSegment));
    }
    __device__ const int32_t* words(const Problem& p, const Kept& kept, int64_t i) const {
        return kept.words + p.indptr[document(i)] + word;
    }
};

// A thread block per document of the block.
__global__ void forward(Problem p, Kept kept, Segment s, Scratch scratch) {
    __shared__ float slope[kRows];
    const int64_t i = blockIdx.x, n = p.dimensions, left = s.count(kept, i);
    const int32_t* const words = s.words(p, kept, i);
    float* const vector = p.vectors + s.document(i) * n;
    for (int64_t first = 0; first < left; first += kStep) {
        const int64_t at = i * kSteps + first / kStep, count = min(kStep, left - first);
        for (int64_t k = threadIdx.x; k < n; k += kLanes) scratch.before[at * n + k] = vector[k];
        step(p, words + first, count, scratch.samples + (s.word + first) * p.negative, s.rate, vector, slope);
        for (int64_t r = threadIdx.x; r < count * (1 + p.negative); r += kLanes)
            scratch.slope[at * kRows + r] = slope[r];
        __syncthreads();
    }
}

// A thread block per share of the table's rows.
__global__ void update(Problem p, Kept kept, Segment s, int64_t samples, Scratch scratch) {
    const int64_t n = p.dimensions;
    const auto votes_for = [&](int32_t row) {
        return __ballot_sync(kAllLanes, row >= 0 && row % kShares == static_cast<int32_t>(blockIdx.x));
    };
    for (int64_t d = 0; d < s.documents; ++d) {
        const int64_t count = s.count(kept, d);
        const int32_t* const words = s.words(p, kept, d);
        for (int64_t first = 0; first < count; first += kLanes) {
            const int64_t mine = first + threadIdx.x;
            for (unsigned votes = votes_for(mine < count ? words[mine] : -1); votes; votes &= votes - 1) {
                const int64_t w = first + first_lane(votes), at = d * kSteps + w / kStep;
                const float slope = scratch.slope[at * kRows + w % kStep];
                const float* const before = scratch.before + at * n;
                float* const row = p.table + words[w] * n;
                for (int64_t k = threadIdx.x; k < n; k += kLanes) row[k] = fmaf(slope, before[k], row[k]);
            }
        }
    }
    const int32_t* const drawn = scratch.samples + s.word * p.negative;
    for (int64_t first = 0; first < samples; first += kLanes) {
        const int64_t mine = first + threadIdx.x;
        for (unsigned votes = votes_for(mine < samples ? drawn[mine] : -1); votes; votes &= votes - 1) {
            const int64_t i = first + first_lane(votes), w = i / p.negative, step = w / kStep;
            float* const row = p.table + drawn[i] * n;
            for (int64_t k = threadIdx.x; k < n; k += kLanes) {
                float x = row[k];
                for (int64_t d = 0; d < s.documents; ++d) {
                    const int64_t count = s.count(kept, d), at = d * kSteps + step;
                    if (w >= count) continue;
                    // The samples of a step follow its words.
                    const int64_t place = min(kStep, count - step * kStep) + i - step * kStep * p.negative;
                    x = fmaf(scratch.slope[at * kRows + place], scratch.before[at * n + k], x);
                }
                row[k] = x;
            }
        }
    }
}

__global__ void infer(Problem p, Kept kept, float rate) {
    __shared__ float slope[kRows];
    __shared__ int32_t samples[kStep * kMostNegative];
    // All documents have the streams of document 0 and block 0.
    const uint64_t start = stream(p.seed, p.epoch, 1);
    for (int64_t d = blockIdx.x; d < p.documents; d += gridDim.x) {
        const int64_t left = kept.count[d];
        const int32_t* const words = kept.words + p.indptr[d];
        for (int64_t first = 0; first < left; first += kStep) {
            const int64_t count = min(kStep, left - first);
            __syncthreads();
            for (int64_t i = threadIdx.x; i < count * p.negative; i += kLanes)
                samples[i] = word_above(p.cumulative, p.vocabulary, uniform(start, first * p.negative + i));
            __syncthreads();
            step(p, words + first, count, samples, rate, p.vectors + d * p.dimensions, slope);
        }
    }
}

unsigned grid(int64_t blocks) {
    return static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
}

}  // namespace

int thin_cuda(const Problem& p, const Kept& kept, int64_t* scratch, int64_t* longest, void* stream) {
    const auto queue = static_cast<cudaStream_t>(stream);
    thin<<<grid(p.documents), kLanes, 0, queue>>>(p, false, kept);
    longest_of<<<1, kThreads, 0, queue>>>(p.documents, kept.count, scratch);
    const cudaError_t error =
        cudaMemcpyAsync(longest, scratch, sizeof(int64_t), cudaMemcpyDeviceToHost, queue);
    return error ? error : cudaStreamSynchronize(queue);
}

int train_cuda(const Problem& p, const Kept& kept, int64_t longest, const Scratch& scratch, void* stream) {
    const auto queue = static_cast<cudaStream_t>(stream);
    const int64_t blocks = (p.documents + p.block - 1) / p.block, drawn = longest * p.negative;
    for (int64_t b = 0; b < blocks && longest > 0; ++b) {
        const double done = static_cast<double>(b) / static_cast<double>(blocks);
        const float rate = static_cast<float>(p.rate + (p.next_rate - p.rate) * done);
        const int64_t documents = (p.documents - b + blocks - 1) / blocks;
        sample<<<grid((drawn + kThreads - 1) / kThreads), kThreads, 0, queue>>>(p, b, drawn, scratch.samples);
        for (int64_t word = 0; word < longest; word += kSegment) {
            const Segment s{documents, b, blocks, word, rate};
            const int64_t samples = (longest - word < kSegment ? longest - word : kSegment) * p.negative;
            forward<<<static_cast<unsigned>(documents), kLanes, 0, queue>>>(p, kept, s, scratch);
            update<<<kShares, kLanes, 0, queue>>>(p, kept, s, samples, scratch);
        }
    }
    return cudaGetLastError();
}

int infer_cuda(const Problem& p, const Kept& kept, void* stream) {
    const auto queue = static_cast<cudaStream_t>(stream);
    thin<<<grid(p.documents), kLanes, 0, queue>>>(p, true, kept);
    infer<<<grid(p.documents), kLanes, 0, queue>>>(p, kept, static_cast<float>(p.rate));
    return cudaGetLastError();
}

}  // namespace skelbench::pv_dbow
