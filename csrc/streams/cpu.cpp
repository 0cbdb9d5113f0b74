// Streams of resampled clips on the CPU, compiled once per ISA level. A clip's positions stay in the cache
// from its rows to its streams.
//
// A lane is a sampled frame. So what is computed of two joints is computed of the same lanes of two vectors,
// and only rows that are read and written are transposed.
#include <cstring>

#include "isa/parallel_for.h"
#include "isa/transpose_copy.h"
#include "isa/vectors.h"
#include "streams/geometry.h"

namespace skelbench::SKELBENCH_ISA::streams_cpu {

using namespace skelbench::streams;

// Clips that a thread computes at least.
constexpr int64_t kClips = 8;

template <class V>
struct Point {
    V x, y, z;
};
template <class V>
Point<V> operator-(Point<V> a, Point<V> b) {
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}

// The streams of one clip after another, in a thread's memory.
template <class V>
class Clip {
    using Mask = decltype(V::index::set(0) == V::index::set(0));
    static constexpr int64_t W = V::width;

public:
    explicit Clip(const Batch& batch)
        : batch_(batch),
          s_(batch.skeleton),
          columns_(3 * s_.joints),
          padded_(ceil_div(batch.sampled, W) * W),
          // The next frame of the last one is read, too.
          stride_(padded_ + W),
          rows_(batch.sampled * columns_),
          raw_(batch.places * columns_ * stride_, true),
          placed_(batch.places * columns_ * stride_, true),
          there_(batch.places * padded_, true),
          moves_(batch.places * padded_, true),
          tile_(s_.joints * batch.channels * W) {}

    void compute(int64_t clip) {
        bodies_ = min64(batch_.bodies[clip], batch_.places);
        for (int64_t m = 0; m < bodies_; ++m) resample(clip, m);
        float map[9];
        linear_map(batch_, clip, direction(), map);
        for (int64_t m = 0; m < bodies_; ++m) {
            place(clip, m, map);
            if (batch_.noise) add_noise(clip, m);
            if (batch_.hidden) hide(clip, m);
            if (batch_.axis && batch_.axis[clip] >= 0) flatten(m, batch_.axis[clip]);
        }
        const int64_t numbers = s_.joints * batch_.channels, body = batch_.sampled * numbers;
        float* out = batch_.out + clip * batch_.places * body;
        const int64_t width = min64(W, batch_.sampled);
        for (int64_t m = 0; m < bodies_; ++m)
            for (int64_t t = 0; t < batch_.sampled; t += W) {
                // The last frames overlap those before them.
                t = min64(t, batch_.sampled - width);
                stack(m, t);
                transpose_copy<V>(tile_.get(), W, numbers, width, out + m * body + t * numbers, numbers);
            }
        std::memset(out + bodies_ * body, 0, (batch_.places - bodies_) * body * sizeof(float));
        bool* present = batch_.present + clip * batch_.places * batch_.sampled;
        for (int64_t m = 0; m < batch_.places; ++m)
            for (int64_t t = 0; t < batch_.sampled; ++t)
                present[m * batch_.sampled + t] = m < bodies_ && there_.get()[m * padded_ + t];
    }

private:
    float* at(const Buffer<float>& of, int64_t m, int64_t column) const {
        return of.get() + (m * columns_ + column) * stride_;
    }
    Point<V> point(const Buffer<float>& of, int64_t m, int64_t joint, int64_t t) const {
        const float* x = at(of, m, 3 * joint) + t;
        return {V::load(x), V::load(x + stride_), V::load(x + 2 * stride_)};
    }
    void store(const Buffer<float>& to, int64_t m, int64_t joint, int64_t t, Point<V> p) const {
        float* x = at(to, m, 3 * joint) + t;
        p.x.store(x), p.y.store(x + stride_), p.z.store(x + 2 * stride_);
    }
    static Mask mask(const Buffer<int32_t>& of, int64_t place) {
        return V::index::load(of.get() + place) == V::index::set(1);
    }

    // A body's rows at the sampled times, and in which of these it is there, and in the next one, too.
    void resample(int64_t clip, int64_t m) {
        int32_t *there_at = there_.get() + m * padded_, *moves = moves_.get() + m * padded_;
        for (int64_t t = 0; t < batch_.sampled; ++t) {
            const Between b = between(batch_.times[clip * batch_.sampled + t], batch_.frames[clip]);
            const float *before = row(clip, b.before, m), *after = row(clip, b.after, m);
            const Weights share = weights(b.share, there(before, columns_), there(after, columns_));
            mix(before, after, share, rows_.get() + t * columns_);
            there_at[t] = share.before + share.after > 0;
            moves[t] = 0;
            if (t > 0) moves[t - 1] = there_at[t - 1] && there_at[t];
        }
        transpose_copy<V>(rows_.get(), columns_, batch_.sampled, columns_, at(raw_, m, 0), stride_);
    }

    void mix(const float* before, const float* after, Weights share, float* to) const {
        if (columns_ < W) {
            for (int64_t c = 0; c < columns_; ++c) to[c] = share.before * before[c] + share.after * after[c];
            return;
        }
        const V left = V::set(share.before), right = V::set(share.after);
        for (int64_t c = 0; c < columns_; c += W) {
            c = min64(c, columns_ - W);
            fma(right, V::load(after + c), left * V::load(before + c)).store(to + c);
        }
    }

    const float* row(int64_t clip, int64_t frame, int64_t m) const {
        return batch_.joints + (batch_.offsets[clip] + frame * batch_.bodies[clip] + m) * columns_;
    }

    // Of the first body, from the right shoulder and hip to the left ones.
    Direction direction() const {
        Direction found{0, 0};
        if (s_.pairs == 0) return found;
        float dx[W], dz[W];
        for (int64_t t = 0; t < batch_.sampled; t += W) {
            V x = V::set(0), z = V::set(0);
            for (int pair = 0; pair < s_.pairs; ++pair) {
                const float *a = at(raw_, 0, 3 * s_.left[pair]) + t, *b = at(raw_, 0, 3 * s_.right[pair]) + t;
                const int64_t to_x = axis_of(batch_.up, 0) * stride_, to_z = axis_of(batch_.up, 2) * stride_;
                x = x + (V::load(a + to_x) - V::load(b + to_x));
                z = z + (V::load(a + to_z) - V::load(b + to_z));
            }
            x.store(dx), z.store(dz);
            for (int64_t i = 0; i < W; ++i)
                if (there_.get()[t + i]) found.add(dx[i] * batch_.scale, dz[i] * batch_.scale);
        }
        return found;
    }

    // The clip's linear map of a body, longer or shorter bones, and joints of left and right exchanged.
    void place(int64_t clip, int64_t m, const float* map) {
        V factor[9];
        for (int i = 0; i < 9; ++i) factor[i] = V::set(map[i]);
        const bool mirrored = batch_.mirror && batch_.mirror[clip];
        for (int place = 0; place < s_.joints; ++place) {
            const int j = s_.order[place], parent = s_.parent[j];
            const int to = mirrored ? s_.mirrored[j] : j, from = mirrored ? s_.mirrored[parent] : parent;
            const bool scaled = batch_.limbs && parent != j;
            const V limb = V::set(scaled ? batch_.limbs[clip * s_.joints + j] : 0);
            for (int64_t t = 0; t < batch_.sampled; t += W) {
                const Point<V> p = point(raw_, m, j, t);
                const auto number = [&](int r) {
                    return fma(factor[3 * r + 2], p.z, fma(factor[3 * r + 1], p.y, factor[3 * r] * p.x));
                };
                Point<V> q = {number(0), number(1), number(2)};
                if (batch_.limbs) store(raw_, m, j, t, q);
                if (scaled) {
                    const Point<V> bone = q - point(raw_, m, parent, t), end = point(placed_, m, from, t);
                    q = {fma(limb, bone.x, end.x), fma(limb, bone.y, end.y), fma(limb, bone.z, end.z)};
                }
                store(placed_, m, to, t, q);
            }
        }
    }

    void add_noise(int64_t clip, int64_t m) {
        const float* noise = batch_.noise + (clip * batch_.places + m) * batch_.sampled * columns_;
        float *to = at(placed_, m, 0), *from = at(raw_, m, 0);
        transpose_copy<V>(noise, columns_, batch_.sampled, columns_, from, stride_);
        for (int64_t i = 0; i < columns_ * stride_; i += W)
            (V::load(to + i) + V::load(from + i)).store(to + i);
    }

    // Hidden joints lie at the root.
    void hide(int64_t clip, int64_t m) {
        const bool* hidden = batch_.hidden + (clip * batch_.places + m) * s_.joints;
        for (int j = 0; j < s_.joints; ++j)
            if (hidden[j] && j != s_.root)
                std::memcpy(at(placed_, m, 3 * j), at(placed_, m, 3 * s_.root), 3 * stride_ * sizeof(float));
    }

    void flatten(int64_t m, int64_t axis) {
        for (int j = 0; j < s_.joints; ++j)
            std::memset(at(placed_, m, 3 * j + axis), 0, stride_ * sizeof(float));
    }

    // Where lengths are measured from: the mean of some joints of the first body.
    Point<V> origin(int64_t t) const {
        Point<V> sum = point(placed_, 0, s_.origin[0], t);
        for (int i = 1; i < s_.origins; ++i) {
            const Point<V> p = point(placed_, 0, s_.origin[i], t);
            sum = {sum.x + p.x, sum.y + p.y, sum.z + p.z};
        }
        const V share = V::set(1.0f / static_cast<float>(s_.origins));
        return {sum.x * share, sum.y * share, sum.z * share};
    }
    // The same in the first frame, in all lanes.
    Point<V> start() const {
        float x[W], y[W], z[W];
        const Point<V> p = origin(0);
        p.x.store(x), p.y.store(y), p.z.store(z);
        return {V::set(x[0]), V::set(y[0]), V::set(z[0])};
    }

    // All channels of W frames of a body, in the tile.
    void stack(int64_t m, int64_t t) {
        const V zero = V::set(0), motion = V::set(kMotion);
        const Mask there = mask(there_, m * padded_ + t), moves = mask(moves_, m * padded_ + t);
        const Point<V> root = origin(t), first = start();
        float* to = tile_.get();
        const auto put = [&](V x) {
            select(there, x, zero).store(to);
            to += W;
        };
        const auto put_point = [&](Point<V> p) { put(p.x), put(p.y), put(p.z); };
        const auto put_lengths = [&](Point<V> p) {
            const V floor = fma(p.z, p.z, p.x * p.x);
            put(sqrt(fma(p.y, p.y, floor))), put(sqrt(floor)), put(p.y);
        };
        for (int j = 0; j < s_.joints; ++j) {
            const Point<V> p = point(placed_, m, j, t);
            const auto step = [&] {
                const Point<V> d = point(placed_, m, j, t + 1) - p;
                return Point<V>{select(moves, d.x * motion, zero), select(moves, d.y * motion, zero),
                                select(moves, d.z * motion, zero)};
            };
            for (int i = 0; i < batch_.streams; ++i) switch (batch_.stream[i]) {
                    case kLevelled:
                        put_point(p);
                        break;
                    case kPosition:
                        put_point(p - first);
                        break;
                    case kJoint:
                        put_point(m == 0 && j == s_.root ? root - first : p - root);
                        break;
                    case kBone:
                        put_point(p - point(placed_, m, s_.parent[j], t));
                        break;
                    case kMotionStream:
                        put_point(step());
                        break;
                    default:
                        put_lengths(p - root);
                        put_lengths(step());
                        for (int mark = 0; mark < s_.marks; ++mark) {
                            const Point<V> d = p - point(placed_, 0, s_.marked[mark], t);
                            put(sqrt(fma(d.z, d.z, fma(d.y, d.y, d.x * d.x))));
                        }
                }
        }
    }

    const Batch& batch_;
    const Skeleton& s_;
    const int64_t columns_, padded_, stride_;
    int64_t bodies_ = 0;
    // A resampled body, row by row. Then bodies' coordinates, frame after frame: as resampled, and as placed
    // in the view.
    Buffer<float> rows_, raw_, placed_;
    // Per body and frame.
    Buffer<int32_t> there_, moves_;
    Buffer<float> tile_;
};

template <class V>
void streams(const Batch& batch) {
    parallel_for(batch.count, kClips, [&](int64_t begin, int64_t end) {
        Clip<V> memory(batch);
        for (int64_t clip = begin; clip < end; ++clip) memory.compute(clip);
    });
}

}  // namespace skelbench::SKELBENCH_ISA::streams_cpu

namespace skelbench::streams {

constinit const Kernels Kernels::SKELBENCH_ISA{
    .streams = skelbench::SKELBENCH_ISA::streams_cpu::streams<skelbench::SKELBENCH_ISA::f32>};

}  // namespace skelbench::streams
