// Both views on CUDA. One thread block computes the places of the clips. Then every point is read once and
// written twice.
#include "augment/cuda.h"

#include "cuda/scan.cuh"

namespace skelbench::augment {
namespace {

constexpr int kThreads = 256;
// Thread blocks that share a clip.
constexpr int kParts = 4;

__global__ void describe(Batch batch, int64_t clips, int64_t rows, int64_t length, int64_t max_bodies,
                         ViewClips views, int64_t* begin, Scanned* found) {
    const auto size = [&](int64_t b) -> int64_t {
        const int64_t clip = batch.index[b];
        if (clip < 0 || clip >= clips) return -1;
        const int64_t t = batch.frames[clip], m = batch.bodies[clip], first = batch.offsets[clip];
        const int64_t start = batch.start[clip];
        const bool fits =
            t >= 1 && start >= 0 && t <= length - start && m >= 1 && m <= max_bodies && first >= 0;
        return fits && t * m <= rows - first ? t * m : -1;
    };
    const auto place = [&](int64_t b, int64_t row) {
        begin[b] = row;
        if (size(b) < 0) return;
        const int64_t clip = batch.index[b], t = batch.frames[clip], start = batch.start[clip];
        for (const int64_t view : {b, batch.count + b}) {
            views.offsets[view] = row;
            views.frames[view] = t;
            views.bodies[view] = batch.bodies[clip];
            views.start[view] = view >= batch.count && batch.reverse[b] ? length - t - start : start;
        }
    };
    running_sums(batch.count, size, place, found);
    __syncthreads();
    const int64_t total = found->total;
    for (int64_t b = threadIdx.x; b < batch.count; b += kScanThreads) views.offsets[batch.count + b] += total;
    if (threadIdx.x == 0) begin[batch.count] = total;
}

// The clip of a thread block is blockIdx.x. A thread takes whole points.
__global__ void write_views(Batch batch, int64_t rows) {
    const int64_t b = blockIdx.x, clip = batch.index[b], frames = batch.frames[clip];
    const int64_t frame = batch.bodies[clip] * batch.columns / 3, points = frames * frame;
    const float* from = batch.joints + batch.offsets[clip] * batch.columns;
    float* sheared = batch.views + batch.begin[b] * batch.columns;
    float* reversed = sheared + rows * batch.columns;
    const bool reverse = batch.reverse[b];
    float s[9];
    for (int i = 0; i < 9; ++i) s[i] = batch.shear[9 * b + i];
    for (int64_t p = blockIdx.y * kThreads + threadIdx.x; p < points; p += kParts * kThreads) {
        const float x[3] = {from[3 * p], from[3 * p + 1], from[3 * p + 2]};
        const int64_t t = p / frame, q = reverse ? (frames - 1 - t) * frame + p % frame : p;
        for (int c = 0; c < 3; ++c) {
            sheared[3 * p + c] = x[0] * s[c] + x[1] * s[3 + c] + x[2] * s[6 + c];
            reversed[3 * q + c] = x[c];
        }
    }
}

}  // namespace

int describe_cuda(const Batch& batch, int64_t clips, int64_t rows, int64_t length, int64_t max_bodies,
                  const ViewClips& views, int64_t* begin, void* scratch, Scanned* found,
                  cudaStream_t stream) {
    const auto on_device = static_cast<Scanned*>(scratch);
    describe<<<1, kScanThreads, 0, stream>>>(batch, clips, rows, length, max_bodies, views, begin, on_device);
    const cudaError_t error = cudaGetLastError();
    return error ? error : read_scan(on_device, found, stream);
}

int views_cuda(const Batch& batch, int64_t rows, cudaStream_t stream) {
    if (batch.count == 0) return cudaSuccess;
    const dim3 grid(static_cast<unsigned>(batch.count), kParts);
    write_views<<<grid, kThreads, 0, stream>>>(batch, rows);
    return cudaGetLastError();
}

}  // namespace skelbench::augment
