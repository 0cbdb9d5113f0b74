// PV-DBOW with negative sampling on the CPU, compiled once per ISA level.
//
// A document learns kStep words at a time: their rows and those of their negative samples against one vector.
// The documents of a block share their negative samples. In training, a block goes kSegment words forward
// with the table at rest. Then the table's updates are applied. The threads share the rows, and every row
// receives its updates in the order of documents and words, so the result has the same bits for any number of
// threads.
#include "isa/buffer.h"
#include "isa/parallel_for.h"
#include "isa/vectors.h"
#include "pv_dbow/kernels.h"
#include "pv_dbow/random.h"

namespace skelbench::SKELBENCH_ISA::pv_dbow_cpu {

using pv_dbow::kRows;
using pv_dbow::kSaturated;
using pv_dbow::kSegment;
using pv_dbow::kStep;
using pv_dbow::kSteps;
using pv_dbow::Problem;

constexpr float kLog2E = 0x1.715476p0f;
// The threads share the rows by their number modulo this.
constexpr int64_t kShares = 64;
// Documents per thread, at least: a segment of one takes about a microsecond, and to wait for a thread takes
// several.
constexpr int64_t kGrain = 32;
constexpr int64_t kLine = 64 / sizeof(float);

inline void fetch(const float* row, int64_t n) {
    for (int64_t i = 0; i < n; i += kLine) __builtin_prefetch(row + i);
}

// products[r] = x . rows[r] for R rows.
template <class V, int R>
inline void dot(const float* x, const float* const* rows, int64_t n, float* products) {
    V sums[R];
    for (int r = 0; r < R; ++r) sums[r] = V::set(0.0f);
    int64_t i = 0;
    for (; i + V::width <= n; i += V::width) {
        const V part = V::load(x + i);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) sums[r] = fma(part, V::load(rows[r] + i), sums[r]);
    }
    for (int r = 0; r < R; ++r) products[r] = reduce_add(sums[r]);
    for (; i < n; ++i)
        for (int r = 0; r < R; ++r) products[r] += x[i] * rows[r][i];
}

// y += a x
template <class V>
inline void add(float a, const float* x, int64_t n, float* y) {
    int64_t i = 0;
    const V factor = V::set(a);
    for (; i + V::width <= n; i += V::width) fma(factor, V::load(x + i), V::load(y + i)).store(y + i);
    for (; i < n; ++i) y[i] += a * x[i];
}

// x += the sum of a[r] * rows[r]
template <class V>
inline void add_rows(const float* a, const float* const* rows, int64_t count, int64_t n, float* x) {
    int64_t i = 0;
    for (; i + 4 * V::width <= n; i += 4 * V::width) {
        V sums[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) sums[k] = V::load(x + i + k * V::width);
        for (int64_t r = 0; r < count; ++r) {
            const V factor = V::set(a[r]);
#pragma GCC unroll 4
            for (int k = 0; k < 4; ++k) sums[k] = fma(factor, V::load(rows[r] + i + k * V::width), sums[k]);
        }
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) sums[k].store(x + i + k * V::width);
    }
    for (; i < n; ++i)
        for (int64_t r = 0; r < count; ++r) x[i] += a[r] * rows[r][i];
}

// products[r] becomes rate * (1 - sigmoid) for the first `positive` of `count` rows, -rate * sigmoid for the
// others.
template <class V>
inline void slopes(float rate, int64_t positive, int64_t count, float* products) {
    float power[kRows];
    for (int64_t r = count; r % V::width; ++r) products[r] = 0.0f;
    for (int64_t r = 0; r < count; r += V::width)
        exp2(max(V::load(products + r), V::set(-kSaturated)) * V::set(-kLog2E)).store(power + r);
    for (int64_t r = 0; r < count; ++r) {
        const float label = r < positive ? 1.0f : 0.0f, f = products[r];
        const float slope = rate * (label - 1.0f / (1.0f + power[r]));
        products[r] = f > -kSaturated && f < kSaturated ? slope : 0.0f;
    }
}

// The words of a document that down-sampling leaves. Returns their number.
inline int64_t thin(const Problem& p, int64_t document, int64_t stream_number, int32_t* kept) {
    const uint64_t start = pv_dbow::stream(p.seed, p.epoch, stream_number);
    const int32_t* const words = p.words + p.indptr[document];
    const int64_t count = p.indptr[document + 1] - p.indptr[document];
    int64_t left = 0;
    for (int64_t i = 0; i < count; ++i) {
        // -1 stands for no word.
        if (words[i] < 0) continue;
        kept[left] = words[i];
        left += pv_dbow::uniform(start, i) < p.keep[words[i]];
    }
    return left;
}

// Negative samples of the words first .. first + count of a block, p.negative for each.
inline void sample(const Problem& p, int64_t stream_number, int64_t first, int64_t count, int32_t* samples) {
    const uint64_t start = pv_dbow::stream(p.seed, p.epoch, stream_number);
    for (int64_t i = 0; i < count * p.negative; ++i) {
        const double number = pv_dbow::uniform(start, first * p.negative + i);
        samples[i] = pv_dbow::word_above(p.cumulative, p.vocabulary, number);
    }
}

// One step: up to kStep words of a document, and their negative samples. `slope` gets a number per row: of
// the words, then of the samples.
template <class V>
inline void step(const Problem& p, const int32_t* words, int64_t count, const int32_t* samples, float rate,
                 float* vector, float* slope) {
    const float* rows[kRows];
    const int64_t all = count * (1 + p.negative), n = p.dimensions;
    for (int64_t r = 0; r < count; ++r) rows[r] = p.table + words[r] * n;
    for (int64_t r = count; r < all; ++r) rows[r] = p.table + samples[r - count] * n;
    int64_t r = 0;
    for (; r + 4 <= all; r += 4) dot<V, 4>(vector, rows + r, n, slope + r);
    for (; r < all; ++r) dot<V, 1>(vector, rows + r, n, slope + r);
    slopes<V>(rate, count, all, slope);
    // A sample that is the word itself says nothing.
    for (int64_t w = 0; w < count; ++w)
        for (int64_t k = 0; k < p.negative; ++k)
            if (samples[w * p.negative + k] == words[w]) slope[count + w * p.negative + k] = 0.0f;
    add_rows<V>(slope, rows, all, n, vector);
}

// The documents of a block at one segment.
struct Segment {
    // Per document: its words in this segment, their number, and its vector.
    const int32_t** words;
    int64_t* count;
    float** vector;
    int64_t documents;
    // (kSegment * negative,)
    int32_t* samples;
    // (documents, kSteps, dimensions), the vectors before each step.
    float* before;
    // (documents, kSteps, kRows)
    float* slope;
};

template <class V>
inline void forward(const Problem& p, const Segment& s, int64_t d, float rate) {
    const int64_t n = p.dimensions;
    for (int64_t first = 0; first < s.count[d]; first += kStep) {
        const int64_t at = d * kSteps + first / kStep, count = min64(kStep, s.count[d] - first);
        for (int64_t w = first + kStep; w < min64(first + 2 * kStep, s.count[d]); ++w)
            fetch(p.table + s.words[d][w] * n, n);
        std::memcpy(s.before + at * n, s.vector[d], n * sizeof(float));
        step<V>(p, s.words[d] + first, count, s.samples + first * p.negative, rate, s.vector[d],
                s.slope + at * kRows);
    }
}

// Applies the updates of the rows whose share is in [begin, end).
template <class V>
inline void update(const Problem& p, const Segment& s, int64_t begin, int64_t end) {
    const int64_t n = p.dimensions;
    const auto mine = [&](int64_t row) { return row % kShares >= begin && row % kShares < end; };
    constexpr int64_t kAhead = 8;
    int64_t longest = 0;
    for (int64_t d = 0; d < s.documents; ++d) {
        longest = s.count[d] > longest ? s.count[d] : longest;
        for (int64_t w = 0; w < s.count[d]; ++w) {
            if (w + kAhead < s.count[d] && mine(s.words[d][w + kAhead]))
                fetch(p.table + s.words[d][w + kAhead] * n, n);
            const int64_t row = s.words[d][w], at = d * kSteps + w / kStep;
            if (mine(row)) add<V>(s.slope[at * kRows + w % kStep], s.before + at * n, n, p.table + row * n);
        }
    }
    Buffer<float> slope(s.documents);
    Buffer<const float*> vector(s.documents);
    for (int64_t i = 0; i < longest * p.negative; ++i) {
        if (!mine(s.samples[i])) continue;
        const int64_t w = i / p.negative, first = w / kStep * kStep;
        int64_t count = 0;
        for (int64_t d = 0; d < s.documents; ++d) {
            if (w >= s.count[d]) continue;
            const int64_t at = d * kSteps + w / kStep, words = min64(kStep, s.count[d] - first);
            slope.get()[count] = s.slope[at * kRows + words + i - first * p.negative];
            vector.get()[count++] = s.before + at * n;
        }
        add_rows<V>(slope.get(), vector.get(), count, n, p.table + s.samples[i] * n);
    }
}

template <class V>
void train(const Problem& p) {
    const int64_t blocks = ceil_div(p.documents, p.block);
    int64_t most = 0;
    for (int64_t d = 0; d < p.documents; ++d) {
        const int64_t length = p.indptr[d + 1] - p.indptr[d];
        most = length > most ? length : most;
    }
    const int64_t room = most + 1;
    Buffer<int32_t> kept(p.block * room), samples(kSegment * p.negative);
    Buffer<int64_t> total(p.block), count(p.block);
    Buffer<const int32_t*> words(p.block);
    Buffer<float*> vector(p.block);
    Buffer<float> before(p.block * kSteps * p.dimensions), slope(p.block * kSteps * kRows);
    for (int64_t b = 0; b < blocks; ++b) {
        const double done = static_cast<double>(b) / static_cast<double>(blocks);
        const float rate = static_cast<float>(p.rate + (p.next_rate - p.rate) * done);
        // The documents b, b + blocks, b + 2 blocks, ...: neighbours are often windows of one clip, and too
        // alike.
        const int64_t documents = (p.documents - b + blocks - 1) / blocks;
        parallel_for(documents, kGrain, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const int64_t d = b + i * blocks;
                vector.get()[i] = p.vectors + d * p.dimensions;
                total.get()[i] = thin(p, d, 2 * d, kept.get() + i * room);
            }
        });
        int64_t longest = 0;
        for (int64_t i = 0; i < documents; ++i) longest = total.get()[i] > longest ? total.get()[i] : longest;
        for (int64_t first = 0; first < longest; first += kSegment) {
            sample(p, 2 * b + 1, first, min64(kSegment, longest - first), samples.get());
            for (int64_t i = 0; i < documents; ++i) {
                const int64_t left = total.get()[i] - first;
                count.get()[i] = left < 0 ? 0 : min64(left, kSegment);
                words.get()[i] = kept.get() + i * room + first;
            }
            const Segment s{words.get(),   count.get(),  vector.get(), documents,
                            samples.get(), before.get(), slope.get()};
            parallel_for(documents, kGrain, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) forward<V>(p, s, i, rate);
            });
            parallel_for(kShares, documents < 2 * kGrain ? kShares : 1,
                         [&](int64_t begin, int64_t end) { update<V>(p, s, begin, end); });
        }
    }
}

template <class V>
void infer(const Problem& p) {
    int64_t most = 0;
    for (int64_t d = 0; d < p.documents; ++d) {
        const int64_t length = p.indptr[d + 1] - p.indptr[d];
        most = length > most ? length : most;
    }
    Buffer<int32_t> samples(most * p.negative + 1);
    // All documents have the streams of document 0 and block 0, so that a vector depends on its words alone.
    sample(p, 1, 0, most, samples.get());
    parallel_for(p.documents, 1, [&](int64_t begin, int64_t end) {
        Buffer<int32_t> kept(most + 1);
        float slope[kRows];
        for (int64_t d = begin; d < end; ++d) {
            const int64_t total = thin(p, d, 0, kept.get());
            for (int64_t first = 0; first < total; first += kStep)
                step<V>(p, kept.get() + first, min64(kStep, total - first),
                        samples.get() + first * p.negative, static_cast<float>(p.rate),
                        p.vectors + d * p.dimensions, slope);
        }
    });
}

}  // namespace skelbench::SKELBENCH_ISA::pv_dbow_cpu

namespace skelbench::pv_dbow {

#if SKELBENCH_AT(avx512_bf16) || SKELBENCH_AT(amx)
constinit const Kernels Kernels::SKELBENCH_ISA{};
#else
constinit const Kernels Kernels::SKELBENCH_ISA{
    .train = skelbench::SKELBENCH_ISA::pv_dbow_cpu::train<skelbench::SKELBENCH_ISA::f32>,
    .infer = skelbench::SKELBENCH_ISA::pv_dbow_cpu::infer<skelbench::SKELBENCH_ISA::f32>};
#endif

}  // namespace skelbench::pv_dbow
