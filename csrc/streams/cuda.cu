// Streams of resampled clips on CUDA. A thread block has a clip: its threads share first the frames, then the
// points. A point's place in the view follows from the rows alone, so only the streams of neighbouring points
// need what other threads wrote.
#include "streams/cuda.h"

#include <cstdio>

#include "streams/geometry.h"

namespace skelbench::streams {
namespace {

constexpr int kThreads = 256;

__device__ void require(bool good, const char* what, int64_t clip) {
    if (good) return;
    printf("resampled_streams: clip %lld: %s\n", static_cast<long long>(clip), what);
    __trap();
}

struct Point {
    float x, y, z;
};
__device__ Point operator-(Point a, Point b) {
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}

// A clip of the batch.
struct Clip {
    const Batch& batch;
    int64_t clip, frames, bodies;
    const float* rows;
    // Of all sampled frames of all places, and the positions in the view.
    Weights* weights;
    float* placed;

    __device__ Clip(const Batch& b, float* scratch)
        : batch(b),
          clip(blockIdx.x),
          frames(b.frames[clip]),
          bodies(b.bodies[clip]),
          rows(b.joints + b.offsets[clip] * columns()),
          weights(reinterpret_cast<Weights*>(scratch) + clip * slots()),
          placed(scratch + 2 * b.count * slots() + clip * slots() * columns()) {}

    __device__ int64_t columns() const { return 3 * batch.skeleton.joints; }
    // A slot is a place in a sampled frame, numbered place by place.
    __device__ int64_t slots() const { return batch.places * batch.sampled; }

    __device__ void check() const {
        const int64_t first = batch.offsets[clip];
        require(frames >= 1 && bodies >= 1 && frames <= batch.rows && bodies <= batch.rows && first >= 0 &&
                    frames <= (batch.rows - first) / bodies,
                "it lies outside the rows of joints", clip);
        require(!batch.axis || (batch.axis[clip] >= -1 && batch.axis[clip] < 3), "axis is outside [-1, 2]",
                clip);
    }

    __device__ Between at(int64_t t) const { return between(batch.times[clip * batch.sampled + t], frames); }
    __device__ const float* row(int64_t frame, int64_t m) const {
        return rows + (frame * bodies + m) * columns();
    }

    // Who is there, and how much of which frame a slot has.
    __device__ void weigh(int64_t slot) const {
        const int64_t m = slot / batch.sampled, t = slot % batch.sampled;
        const float time = batch.times[clip * batch.sampled + t];
        require(time >= 0 && time <= 1, "times are outside [0, 1]", clip);
        Weights w{0, 0};
        if (m < bodies) {
            const Between b = at(t);
            w = streams::weights(b.share, there(row(b.before, m), columns()),
                                 there(row(b.after, m), columns()));
        }
        weights[slot] = w;
        batch.present[clip * slots() + slot] = present(slot);
    }
    __device__ bool present(int64_t slot) const { return weights[slot].before + weights[slot].after > 0; }

    __device__ Point resampled(int64_t m, int64_t t, int joint) const {
        if (m >= bodies) return {0, 0, 0};
        const Between b = at(t);
        const Weights w = weights[m * batch.sampled + t];
        const float *from = row(b.before, m) + 3 * joint, *to = row(b.after, m) + 3 * joint;
        return {w.before * from[0] + w.after * to[0], w.before * from[1] + w.after * to[1],
                w.before * from[2] + w.after * to[2]};
    }

    // Adds the direction of a frame in which the first body is there.
    __device__ void direct(int64_t t, Direction& sum) const {
        if (!present(t)) return;
        float x = 0, z = 0;
        for (int pair = 0; pair < batch.skeleton.pairs; ++pair) {
            const Point d =
                resampled(0, t, batch.skeleton.left[pair]) - resampled(0, t, batch.skeleton.right[pair]);
            const float numbers[3] = {d.x, d.y, d.z};
            x += numbers[axis_of(batch.up, 0)];
            z += numbers[axis_of(batch.up, 2)];
        }
        sum.add(x * batch.scale, z * batch.scale);
    }

    // A joint in the view, but for the noise.
    __device__ Point mapped(int64_t m, int64_t t, int joint, const float* map) const {
        const Skeleton& s = batch.skeleton;
        int j = batch.mirror && batch.mirror[clip] ? s.mirrored[joint] : joint;
        const Point p = resampled(m, t, j);
        Point q = p;
        // A joint moves by the changes of all bones on the way to it.
        Point end = p;
        for (; batch.limbs && s.parent[j] != j; j = s.parent[j]) {
            const Point begin = resampled(m, t, s.parent[j]);
            const float change = batch.limbs[clip * s.joints + j] - 1;
            const Point bone = end - begin;
            q = {q.x + change * bone.x, q.y + change * bone.y, q.z + change * bone.z};
            end = begin;
        }
        return {map[0] * q.x + map[1] * q.y + map[2] * q.z, map[3] * q.x + map[4] * q.y + map[5] * q.z,
                map[6] * q.x + map[7] * q.y + map[8] * q.z};
    }

    __device__ void place(int64_t point, const float* map) const {
        const Skeleton& s = batch.skeleton;
        const int64_t slot = point / s.joints, m = slot / batch.sampled, t = slot % batch.sampled;
        int joint = static_cast<int>(point % s.joints);
        if (batch.hidden && batch.hidden[(clip * batch.places + m) * s.joints + joint]) joint = s.root;
        const Point p = mapped(m, t, joint, map);
        float numbers[3] = {p.x, p.y, p.z};
        for (int c = 0; c < 3; ++c) {
            if (batch.noise) numbers[c] += batch.noise[(clip * slots() + slot) * columns() + 3 * joint + c];
            if (batch.axis && batch.axis[clip] == c) numbers[c] = 0;
            placed[3 * point + c] = numbers[c];
        }
    }

    __device__ Point at_place(int64_t slot, int joint) const {
        const float* p = placed + slot * columns() + 3 * joint;
        return {p[0], p[1], p[2]};
    }
    __device__ Point origin(int64_t t) const {
        const Skeleton& s = batch.skeleton;
        Point sum = at_place(t, s.origin[0]);
        for (int i = 1; i < s.origins; ++i) {
            const Point p = at_place(t, s.origin[i]);
            sum = {sum.x + p.x, sum.y + p.y, sum.z + p.z};
        }
        const float share = 1.0f / static_cast<float>(s.origins);
        return {sum.x * share, sum.y * share, sum.z * share};
    }
    __device__ Point step(int64_t slot, int joint) const {
        if (slot % batch.sampled + 1 == batch.sampled || !present(slot) || !present(slot + 1))
            return {0, 0, 0};
        const Point d = at_place(slot + 1, joint) - at_place(slot, joint);
        return {kMotion * d.x, kMotion * d.y, kMotion * d.z};
    }

    // The channels of a point.
    __device__ void stack(int64_t point, float* to) const {
        const Skeleton& s = batch.skeleton;
        const int64_t slot = point / s.joints, t = slot % batch.sampled;
        const int joint = static_cast<int>(point % s.joints);
        if (!present(slot)) {
            for (int c = 0; c < batch.channels; ++c) to[c] = 0;
            return;
        }
        const auto put = [&](Point p) { *to++ = p.x, *to++ = p.y, *to++ = p.z; };
        const auto put_lengths = [&](Point p) {
            const float floor = p.x * p.x + p.z * p.z;
            *to++ = sqrtf(floor + p.y * p.y), *to++ = sqrtf(floor), *to++ = p.y;
        };
        const Point p = at_place(slot, joint), root = origin(t), first = origin(0);
        for (int i = 0; i < batch.streams; ++i) switch (batch.stream[i]) {
                case kLevelled:
                    put(p);
                    break;
                case kPosition:
                    put(p - first);
                    break;
                case kJoint:
                    put(slot < batch.sampled && joint == s.root ? root - first : p - root);
                    break;
                case kBone:
                    put(p - at_place(slot, s.parent[joint]));
                    break;
                case kMotionStream:
                    put(step(slot, joint));
                    break;
                default:
                    put_lengths(p - root);
                    put_lengths(step(slot, joint));
                    for (int mark = 0; mark < s.marks; ++mark) {
                        const Point d = p - at_place(t, s.marked[mark]);
                        *to++ = sqrtf(d.x * d.x + d.y * d.y + d.z * d.z);
                    }
            }
    }
};

__global__ void __launch_bounds__(kThreads) write_streams(Batch batch, float* scratch) {
    __shared__ float x[kThreads], z[kThreads], map[9];
    // The channels of kThreads points, to be written side by side.
    extern __shared__ float tile[];
    const Clip clip(batch, scratch);
    if (threadIdx.x == 0) clip.check();
    __syncthreads();
    for (int64_t slot = threadIdx.x; slot < clip.slots(); slot += kThreads) clip.weigh(slot);
    __syncthreads();
    Direction sum{0, 0};
    if (batch.skeleton.pairs)
        for (int64_t t = threadIdx.x; t < batch.sampled; t += kThreads) clip.direct(t, sum);
    x[threadIdx.x] = sum.x, z[threadIdx.x] = sum.z;
    for (unsigned apart = kThreads / 2; apart > 0; apart /= 2) {
        __syncthreads();
        if (threadIdx.x < apart) {
            x[threadIdx.x] += x[threadIdx.x + apart];
            z[threadIdx.x] += z[threadIdx.x + apart];
        }
    }
    if (threadIdx.x == 0) linear_map(batch, clip.clip, {x[0], z[0]}, map);
    __syncthreads();
    const int64_t points = clip.slots() * batch.skeleton.joints;
    for (int64_t point = threadIdx.x; point < points; point += kThreads) clip.place(point, map);
    float* out = batch.out + clip.clip * points * batch.channels;
    for (int64_t begin = 0; begin < points; begin += kThreads) {
        __syncthreads();
        if (begin + threadIdx.x < points)
            clip.stack(begin + threadIdx.x, tile + threadIdx.x * batch.channels);
        __syncthreads();
        const int64_t numbers = min(int64_t{kThreads}, points - begin) * batch.channels;
        for (int64_t i = threadIdx.x; i < numbers; i += kThreads) out[begin * batch.channels + i] = tile[i];
    }
}

}  // namespace

int64_t scratch_floats(const Batch& batch) {
    return batch.count * batch.places * batch.sampled * (2 + 3 * batch.skeleton.joints);
}

int streams_cuda(const Batch& batch, float* scratch, cudaStream_t stream) {
    if (batch.count == 0) return cudaSuccess;
    const dim3 grid(static_cast<unsigned>(batch.count));
    write_streams<<<grid, kThreads, kThreads * batch.channels * sizeof(float), stream>>>(batch, scratch);
    return cudaGetLastError();
}

}  // namespace skelbench::streams
