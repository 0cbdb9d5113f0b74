// Sums of embeddings and their gradients on the CPU, compiled once per ISA level.
//
// A token is left out by a hash of the seed and its place, so the gradient needs no stored mask. Threads
// share the bags for the sums. For the gradient of the table they share its rows, and every row receives its
// parts in the order of the tokens. So the results have the same bits for any number of threads.
#include "bag/dropout.h"
#include "bag/kernels.h"
#include "isa/buffer.h"
#include "isa/parallel_for.h"
#include "isa/vectors.h"

namespace skelbench::SKELBENCH_ISA::bag_cpu {

using bag::Problem;

// Bags per unit of work.
constexpr int64_t kBags = 64;
// Tokens whose rows are fetched ahead.
constexpr int64_t kAhead = 8;

// Whether each token of bag g counts.
inline void choose(const Problem& p, int64_t g, bool* counts) {
    const int32_t* const rows = p.rows + g * p.tokens;
    const uint32_t start = bag::stream(p.seed, p.first + g), least = bag::least(p.dropout);
    for (int64_t i = 0; i < p.tokens; ++i) counts[i] = bag::stays(start, i, least);
    for (int64_t i = 0; i < p.tokens; ++i) counts[i] &= p.known[rows[i]];
}

// y += a x
template <class V>
inline void add(float a, const float* x, int64_t n, float* y) {
    int64_t i = 0;
    const V factor = V::set(a);
    for (; i + V::width <= n; i += V::width) fma(factor, V::load(x + i), V::load(y + i)).store(y + i);
    for (; i < n; ++i) y[i] += a * x[i];
}

template <class V>
inline float dot(const float* x, const float* y, int64_t n) {
    V sum = V::set(0.0f);
    int64_t i = 0;
    for (; i + V::width <= n; i += V::width) sum = fma(V::load(x + i), V::load(y + i), sum);
    float total = reduce_add(sum);
    for (; i < n; ++i) total += x[i] * y[i];
    return total;
}

// to (dimensions,) = the sum of the rows listed.
template <class V>
inline void sum_rows(const float* const* rows, int64_t count, int64_t n, float* to) {
    int64_t i = 0;
    for (; i + 4 * V::width <= n; i += 4 * V::width) {
        V sums[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) sums[k] = V::set(0.0f);
        for (int64_t r = 0; r < count; ++r)
#pragma GCC unroll 4
            for (int k = 0; k < 4; ++k) sums[k] = sums[k] + V::load(rows[r] + i + k * V::width);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) sums[k].store(to + i + k * V::width);
    }
    for (; i < n; ++i) {
        to[i] = 0.0f;
        for (int64_t r = 0; r < count; ++r) to[i] += rows[r][i];
    }
}

template <class V>
void sums(const Problem& p, const float* table, float* bags, float* parts) {
    const int64_t n = p.dimensions, groups = p.tokens / p.repeats;
    parallel_for(p.bags, 8, [&](int64_t begin, int64_t end) {
        Buffer<bool> counts(p.tokens);
        Buffer<const float*> list(p.repeats + 1);
        for (int64_t b = begin; b < end; ++b) {
            const int32_t* const rows = p.rows + b * p.tokens;
            std::memset(bags + b * n, 0, n * sizeof(float));
            choose(p, b, counts.get());
            for (int64_t group = 0; group < groups; ++group) {
                float* const part = parts + (b * groups + group) * n;
                int64_t listed = 0;
                for (int64_t i = group * p.repeats; i < (group + 1) * p.repeats; ++i) {
                    list.get()[listed] = table + rows[i] * n;
                    listed += counts.get()[i];
                }
                sum_rows<V>(list.get(), listed, n, part);
                add<V>(p.weight[group] * bag::scale(p.dropout), part, n, bags + b * n);
            }
        }
    });
}

template <class V>
void gradients(const Problem& p, const float* parts, const float* grad, float* table_grad,
               float* weight_grad) {
    const int64_t n = p.dimensions, depths = p.tokens / p.repeats, units = ceil_div(p.bags, kBags);
    const float scale = bag::scale(p.dropout);
    // Which tokens count, and the share of each unit of bags in the gradient of the weights.
    Buffer<bool> counts(p.bags * p.tokens);
    Buffer<float> share(units * depths, true);
    parallel_for(units, 1, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin * kBags; b < min64(end * kBags, p.bags); ++b) {
            choose(p, b, counts.get() + b * p.tokens);
            for (int64_t d = 0; d < depths; ++d)
                share.get()[b / kBags * depths + d] +=
                    scale * dot<V>(parts + (b * depths + d) * n, grad + b * n, n);
        }
    });
    for (int64_t d = 0; d < depths; ++d) {
        weight_grad[d] = 0.0f;
        for (int64_t unit = 0; unit < units; ++unit) weight_grad[d] += share.get()[unit * depths + d];
    }
    parallel_for(p.entries, ceil_div(p.entries, 16), [&](int64_t begin, int64_t end) {
        Buffer<float> scaled(n);
        for (int64_t b = 0; b < p.bags; ++b) {
            const int32_t* const rows = p.rows + b * p.tokens;
            const bool* const used = counts.get() + b * p.tokens;
            for (int64_t group = 0; group < depths; ++group) {
                const float factor = scale * p.weight[group];
                for (int64_t i = 0; i < n; ++i) scaled.get()[i] = factor * grad[b * n + i];
                for (int64_t i = group * p.repeats; i < (group + 1) * p.repeats; ++i) {
                    if (i + kAhead < p.tokens) __builtin_prefetch(table_grad + rows[i + kAhead] * n, 1);
                    if (used[i] && rows[i] >= begin && rows[i] < end)
                        add<V>(1.0f, scaled.get(), n, table_grad + rows[i] * n);
                }
            }
        }
    });
}

}  // namespace skelbench::SKELBENCH_ISA::bag_cpu

namespace skelbench::bag {

#if SKELBENCH_AT(avx512_bf16) || SKELBENCH_AT(amx)
constinit const Kernels Kernels::SKELBENCH_ISA{};
#else
constinit const Kernels Kernels::SKELBENCH_ISA{
    .sums = skelbench::SKELBENCH_ISA::bag_cpu::sums<skelbench::SKELBENCH_ISA::f32>,
    .gradients = skelbench::SKELBENCH_ISA::bag_cpu::gradients<skelbench::SKELBENCH_ISA::f32>};
#endif

}  // namespace skelbench::bag
