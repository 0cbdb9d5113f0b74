// The padding-free layers on CUDA. A slot is a body of a frame of the padded row. In `outer` and `expand` a
// thread block computes one slot for the clips that have it. The sums of `project` run over slots, so there a
// thread block computes clips that have about the same slots. No atomics: every sum has one order of
// addition.
#include "ragged/cuda.h"

#include <cstdio>

#include "cuda/scan.cuh"
#include "ragged/tile.cuh"

namespace skelbench::ragged {
namespace {

// Clips of a tile.
constexpr int kClips = 64;
// Numbers of a row in a tile. NTU rows have 75.
constexpr int kColumns = 80;
// Threads per block of the kernels without a tile.
constexpr int kThreads = 256;
// Rows that `sum_rows` adds up before it adds them to the result.
constexpr int kSummands = 16;
// For `project`: the desired number of thread blocks, and the most parts of a sum.
constexpr int64_t kBlocks = 1024, kMaxParts = 64;

using ByClip = Tile<kClips>;
using ByColumn = Tile<kColumns>;

__host__ __device__ constexpr int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

__global__ void check_clips(Clips clips, int64_t rows) {
    const int64_t c = blockIdx.x * int64_t{kThreads} + threadIdx.x;
    if (c >= clips.count || clips.fits(c, rows)) return;
    printf(
        "RaggedClips: clip %lld has frames %lld, bodies %lld, start %lld, offset %lld: outside the padded "
        "row "
        "of %lld frames with %lld bodies, or outside %lld rows of joints\n",
        (long long)c, (long long)clips.frames[c], (long long)clips.bodies[c], (long long)clips.start[c],
        (long long)clips.offsets[c], (long long)clips.length, (long long)clips.max_bodies, (long long)rows);
    __trap();
}

// The clips that have a slot, in order, found by one thread block.
template <int Threads, int Capacity>
struct Present {
    int64_t row[Capacity];
    int32_t clip[Capacity];
    int votes[Threads / 32];

    // Finds the clips among first..last that have the slot, without the first `skip` of them and at most
    // Capacity. Returns how many.
    __device__ int find(const Clips& clips, int64_t slot, int64_t first, int64_t last, int64_t skip) {
        const int64_t frame = slot / clips.max_bodies, body = slot % clips.max_bodies;
        int64_t place = -skip;
        __syncthreads();
        for (int64_t c = first + threadIdx.x; c - threadIdx.x < last && place < Capacity; c += Threads) {
            const bool has = c < last && clips.has(c, frame, body);
            const unsigned vote = __ballot_sync(0xffffffffu, has);
            if (threadIdx.x % 32 == 0) votes[threadIdx.x / 32] = __popc(vote);
            __syncthreads();
            int64_t own = place + __popc(vote & ((1u << threadIdx.x % 32) - 1));
            for (int warp = 0; warp < Threads / 32; ++warp) {
                if (warp < threadIdx.x / 32) own += votes[warp];
                place += votes[warp];
            }
            if (has && own >= 0 && own < Capacity) {
                row[own] = clips.row(c, frame, body);
                clip[own] = static_cast<int32_t>(c);
            }
            __syncthreads();
        }
        return static_cast<int>(max(int64_t{0}, min(place, int64_t{Capacity})));
    }
};

// ---- project ----

// Sorts the clips by bodies, then start, then end, so that clips with the same slots are neighbours. The rank
// of a clip is the number of clips before it: B^2 comparisons, about a million for a batch of 1024.
__global__ void sort_clips(Clips clips, int32_t* order) {
    __shared__ int64_t keys[kThreads];
    const auto key = [&](int64_t c) {
        const int64_t start = clips.start[c], frames = clips.length + 1;
        return (clips.bodies[c] * frames + start) * frames + start + clips.frames[c];
    };
    const int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x;
    const int64_t own = i < clips.count ? key(i) : 0;
    int64_t rank = 0;
    for (int64_t first = 0; first < clips.count; first += kThreads) {
        __syncthreads();
        if (first + threadIdx.x < clips.count) keys[threadIdx.x] = key(first + threadIdx.x);
        __syncthreads();
        const int64_t n = min(int64_t{kThreads}, clips.count - first);
        for (int64_t j = 0; j < n; ++j) rank += keys[j] < own || (keys[j] == own && first + j < i);
    }
    if (i < clips.count) order[rank] = static_cast<int32_t>(i);
}

// parts[z] (count, units): the sum over the z-th share of the frames, for each clip. Grid: clips, units,
// parts.
__global__ void __launch_bounds__(ByClip::kThreads)
    project_tiles(Clips clips, const int32_t* order, const float* x, Weight<const float> w, float* parts) {
    __shared__ ByClip::Memory memory;
    __shared__ int32_t clip[kClips];
    __shared__ int64_t row[kClips];
    const int64_t first = blockIdx.x * int64_t{kClips}, unit = blockIdx.y * int64_t{kWidth};
    const int64_t n = min(int64_t{kClips}, clips.count - first), columns = clips.columns;
    if (threadIdx.x < n) clip[threadIdx.x] = order[first + threadIdx.x];
    __syncthreads();
    int64_t begin = clips.length, end = 0, bodies = 0;
    for (int i = 0; i < n; ++i) {
        const int64_t c = clip[i];
        begin = min(begin, clips.start[c]);
        end = max(end, clips.start[c] + clips.frames[c]);
        bodies = max(bodies, clips.bodies[c]);
    }
    const int64_t frames = end - begin;
    end = begin + frames * (blockIdx.z + 1) / gridDim.z;
    begin += frames * blockIdx.z / gridDim.z;
    ByClip tile(memory);
    for (int64_t slot = begin * clips.max_bodies; slot < end * clips.max_bodies; ++slot) {
        const int64_t frame = slot / clips.max_bodies, body = slot % clips.max_bodies;
        if (body >= bodies) continue;
        __syncthreads();
        if (threadIdx.x < kClips)
            row[threadIdx.x] = threadIdx.x < n && clips.has(clip[threadIdx.x], frame, body)
                                   ? clips.row(clip[threadIdx.x], frame, body)
                                   : -1;
        for (int64_t column = 0; column < columns; column += kDepth) {
            const int64_t feature = slot * columns + column;
            tile.add(
                static_cast<int>(min(int64_t{kDepth}, columns - column)),
                [&](int i, int k) { return row[i] < 0 ? 0.0f : x[row[i] * columns + column + k]; }, true,
                [&](int u, int k) {
                    return unit + u < w.units
                               ? w.data[(feature + k) * w.feature_stride + (unit + u) * w.unit_stride]
                               : 0.0f;
                },
                w.feature_stride == 1);
        }
    }
    float* to = parts + blockIdx.z * clips.count * w.units;
    tile.finish(false, [&](int i, int u, float sum) {
        if (i < n && unit + u < w.units) to[clip[i] * w.units + unit + u] = sum;
    });
}

__global__ void add_parts(const float* parts, int64_t count, int64_t size, int64_t units, const float* bias,
                          float* out) {
    const int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x;
    if (i >= size) return;
    float sum = bias ? bias[i % units] : 0.0f;
    for (int64_t part = 0; part < count; ++part) sum += parts[part * size + i];
    out[i] = sum;
}

// ---- outer, expand, sum ----

// Grid: slots, columns, units.
__global__ void __launch_bounds__(ByColumn::kThreads)
    outer_tiles(Clips clips, const float* x, const float* g, Weight<float> w) {
    constexpr int kWindow = 2 * ByColumn::kThreads;
    __shared__ ByColumn::Memory memory;
    __shared__ Present<ByColumn::kThreads, kWindow> present;
    const int64_t slot = blockIdx.x, column = blockIdx.y * int64_t{kColumns},
                  unit = blockIdx.z * int64_t{kWidth}, columns = clips.columns;
    ByColumn tile(memory);
    for (int64_t first = 0; first < clips.count; first += kWindow) {
        const int n = present.find(clips, slot, first, min(first + kWindow, clips.count), 0);
        for (int i = 0; i < n; i += kDepth)
            tile.add(
                min(kDepth, n - i),
                [&](int c, int k) {
                    return column + c < columns ? x[present.row[i + k] * columns + column + c] : 0.0f;
                },
                false,
                [&](int u, int k) {
                    return unit + u < w.units ? g[present.clip[i + k] * w.units + unit + u] : 0.0f;
                },
                false);
    }
    tile.finish(w.feature_stride == 1, [&](int c, int u, float sum) {
        if (column + c < columns && unit + u < w.units)
            w.data[(slot * columns + column + c) * w.feature_stride + (unit + u) * w.unit_stride] = sum;
    });
}

// Grid: slots, columns, clips that have the slot.
__global__ void __launch_bounds__(ByColumn::kThreads)
    expand_tiles(Clips clips, const float* hidden, Weight<const float> w, const float* bias, float* y) {
    __shared__ ByColumn::Memory memory;
    __shared__ Present<ByColumn::kThreads, kWidth> present;
    const int64_t slot = blockIdx.x, column = blockIdx.y * int64_t{kColumns}, columns = clips.columns;
    const int n = present.find(clips, slot, 0, clips.count, blockIdx.z * int64_t{kWidth});
    if (n == 0) return;
    const int64_t feature = slot * columns + column;
    ByColumn tile(memory);
    for (int64_t unit = 0; unit < w.units; unit += kDepth)
        tile.add(
            static_cast<int>(min(int64_t{kDepth}, w.units - unit)),
            [&](int c, int k) {
                return column + c < columns
                           ? w.data[(feature + c) * w.feature_stride + (unit + k) * w.unit_stride]
                           : 0.0f;
            },
            w.unit_stride == 1,
            [&](int i, int k) { return i < n ? hidden[present.clip[i] * w.units + unit + k] : 0.0f; }, true);
    tile.finish(true, [&](int c, int i, float sum) {
        if (column + c < columns && i < n) y[present.row[i] * columns + column + c] = bias[feature + c] + sum;
    });
}

// A thread block per slot, a thread per column.
__global__ void sum_rows(Clips clips, const float* x, float* out) {
    __shared__ Present<kThreads, kThreads> present;
    const int64_t slot = blockIdx.x, columns = clips.columns, column = blockIdx.y * kThreads + threadIdx.x;
    float sum = 0;
    for (int64_t first = 0; first < clips.count; first += kThreads) {
        const int n = present.find(clips, slot, first, min(first + kThreads, clips.count), 0);
        for (int i = 0; i < n && column < columns; i += kSummands) {
            float part = 0;
            for (int k = i; k < min(i + kSummands, n); ++k) part += x[present.row[k] * columns + column];
            sum += part;
        }
    }
    if (column < columns) out[slot * columns + column] = sum;
}

// One thread block of kScanThreads. A clip that does not fit its padded row counts as no rows.
__global__ void place(Clips clips, int64_t* offsets, Scanned* found) {
    running_sums(
        clips.count,
        [&](int64_t c) -> int64_t { return clips.padded_fits(c) ? clips.frames[c] * clips.bodies[c] : -1; },
        [&](int64_t c, int64_t row) { offsets[c] = row; }, found);
}

unsigned blocks_of(int64_t count, int64_t size) {
    return static_cast<unsigned>(ceil_div(count, size));
}

void check(const CudaBatch& batch) {
    check_clips<<<blocks_of(batch.clips.count, kThreads), kThreads, 0, batch.stream>>>(batch.clips,
                                                                                       batch.rows);
}

int64_t parts_of(const Clips& clips, int64_t units) {
    const int64_t tiles = ceil_div(clips.count, kClips) * ceil_div(units, kWidth);
    const int64_t parts = ceil_div(kBlocks, tiles > 0 ? tiles : 1);
    return parts < kMaxParts ? parts : kMaxParts;
}

}  // namespace

int64_t project_scratch_bytes(const Clips& clips, int64_t units) {
    return clips.count * (parts_of(clips, units) * units * sizeof(float) + sizeof(int32_t));
}

int project_cuda(const CudaBatch& batch, const float* x, const Weight<const float>& w, const float* bias,
                 void* scratch, float* out) {
    const Clips& clips = batch.clips;
    const int64_t size = clips.count * w.units, parts = parts_of(clips, w.units);
    if (size == 0) return cudaSuccess;
    const auto sums = static_cast<float*>(scratch);
    const auto order = reinterpret_cast<int32_t*>(sums + parts * size);
    check(batch);
    sort_clips<<<blocks_of(clips.count, kThreads), kThreads, 0, batch.stream>>>(clips, order);
    const dim3 grid(blocks_of(clips.count, kClips), blocks_of(w.units, kWidth), static_cast<unsigned>(parts));
    project_tiles<<<grid, ByClip::kThreads, 0, batch.stream>>>(clips, order, x, w, sums);
    add_parts<<<blocks_of(size, kThreads), kThreads, 0, batch.stream>>>(sums, parts, size, w.units, bias,
                                                                        out);
    return cudaGetLastError();
}

int outer_cuda(const CudaBatch& batch, const float* x, const float* g, const Weight<float>& w) {
    const Clips& clips = batch.clips;
    if (clips.features() * w.units == 0) return cudaSuccess;
    if (clips.count > 0) check(batch);
    const dim3 grid(static_cast<unsigned>(clips.slots()), blocks_of(clips.columns, kColumns),
                    blocks_of(w.units, kWidth));
    outer_tiles<<<grid, ByColumn::kThreads, 0, batch.stream>>>(clips, x, g, w);
    return cudaGetLastError();
}

int expand_cuda(const CudaBatch& batch, const float* hidden, const Weight<const float>& w, const float* bias,
                float* y) {
    const Clips& clips = batch.clips;
    if (clips.features() * clips.count == 0) return cudaSuccess;
    const dim3 grid(static_cast<unsigned>(clips.slots()), blocks_of(clips.columns, kColumns),
                    blocks_of(clips.count, kWidth));
    expand_tiles<<<grid, ByColumn::kThreads, 0, batch.stream>>>(clips, hidden, w, bias, y);
    return cudaGetLastError();
}

int sum_cuda(const CudaBatch& batch, const float* x, float* out) {
    const Clips& clips = batch.clips;
    if (clips.features() == 0) return cudaSuccess;
    const dim3 grid(static_cast<unsigned>(clips.slots()), blocks_of(clips.columns, kThreads));
    sum_rows<<<grid, kThreads, 0, batch.stream>>>(clips, x, out);
    return cudaGetLastError();
}

int place_cuda(const Clips& clips, int64_t* offsets, void* scratch, Scanned* found, cudaStream_t stream) {
    const auto on_device = static_cast<Scanned*>(scratch);
    place<<<1, kScanThreads, 0, stream>>>(clips, offsets, on_device);
    const cudaError_t error = cudaGetLastError();
    return error || !found ? error : read_scan(on_device, found, stream);
}

}  // namespace skelbench::ragged
