// The padding-free layers on the CPU, compiled once per ISA level. README.md explains the algorithm.
#include <cstring>

#include "isa/buffer.h"
#include "isa/vectors.h"
#include "ragged/blocks.h"
#include "ragged/finish.h"
#include "ragged/kernels.h"
#include "ragged/panel.h"
#include "ragged/tile.h"

namespace skelbench::SKELBENCH_ISA::ragged_cpu {

// Clips of `outer` whose rows and gradients stay in the first-level cache.
inline constexpr int64_t kClips = 48;
// Units that `expand` adds up before it adds them to the result.
inline constexpr int64_t kUnits = 64;
// Rows that `sum` adds up before it adds them to the result.
inline constexpr int64_t kSummands = 16;

// Threads share the units, so the order of a sum does not depend on their number.
template <class V>
void project(const Plan& plan, const float* x, const Weight<const float>& w, float* out) {
    constexpr int64_t lanes = V::cols * V::width;
    const int64_t chunks = ceil_div(w.units, lanes), stride = chunks * lanes;
    const int64_t step = plan.columns * lanes, size = kBlock * plan.bodies * step;
    parallel_for(chunks, 1, [&](int64_t chunk_begin, int64_t chunk_end) {
        Buffer<float> panels((chunk_end - chunk_begin) * size);
        const auto panel = [&](int64_t chunk) { return panels.get() + (chunk - chunk_begin) * size; };
        Groups groups(plan);
        for (int64_t block = 0; block < plan.blocks; ++block) {
            if (groups.select(block) == 0) continue;
            for (int64_t chunk = chunk_begin; chunk < chunk_end; ++chunk)
                read_panel<V>(w, first_feature(plan, block), features_in(plan, block), chunk * lanes,
                              panel(chunk));
            for (const Group& g : groups)
                for (int64_t chunk = chunk_begin; chunk < chunk_end; ++chunk) {
                    const float* p = panel(chunk) + (g.first * plan.bodies + g.body) * step;
                    float* to = out + chunk * lanes;
                    int64_t i = 0;
                    for (; i + V::rows <= g.count; i += V::rows)
                        project_tile<V, V::rows>(g.entries + i, g.frames(), x, plan.columns, p,
                                                 plan.bodies * step, to, stride);
                    with_count<V::rows - 1>(g.count - i, [&]<int M>() {
                        project_tile<V, M>(g.entries + i, g.frames(), x, plan.columns, p, plan.bodies * step,
                                           to, stride);
                    });
                }
        }
    });
}

// panel (columns, lanes) += outer products of `count` rows (stride apart) and of their clips' units.
template <class V>
inline void add_outer(const float* rows, int64_t stride, const int32_t* clip, int64_t count, int64_t columns,
                      const float* units, float* panel) {
    constexpr int64_t lanes = V::cols * V::width;
    int64_t c = 0;
    for (; c + V::rows <= columns; c += V::rows)
        outer_tile<V, V::rows>(rows + c, stride, clip, count, units, panel + c * lanes);
    with_count<V::rows - 1>(columns - c, [&]<int M>() {
        outer_tile<V, M>(rows + c, stride, clip, count, units, panel + c * lanes);
    });
}

// The weight gradient, block by block. `Finish` receives each block.
template <class V, class Finish>
void sum_outer(const Plan& plan, const float* x, const float* g, int64_t clips, int64_t units,
               const typename Finish::Argument& argument) {
    constexpr int64_t lanes = V::cols * V::width;
    const int64_t chunks = ceil_div(units, lanes), step = plan.columns * lanes;
    // (chunk, clip, lanes): the clips of a chunk lie next to each other.
    Buffer<float> packed(chunks * clips * lanes);
    parallel_for(clips, 64, [&](int64_t begin, int64_t end) {
        for (int64_t clip = begin; clip < end; ++clip)
            for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                float* to = packed.get() + (chunk * clips + clip) * lanes;
                const int64_t n = min64(lanes, units - chunk * lanes);
                std::memcpy(to, g + clip * units + chunk * lanes, n * sizeof(float));
                for (int64_t i = n; i < lanes; ++i) to[i] = 0;
            }
    });
    parallel_blocks(plan, [&](int64_t block_begin, int64_t block_end) {
        const int64_t slots = kBlock * plan.bodies;
        Buffer<float> panels(chunks * slots * step);
        Gathered rows(plan.columns);
        Groups groups(plan);
        Finish finish(plan, argument);
        for (int64_t block = block_begin; block < block_end; ++block) {
            groups.select(block);
            std::memset(panels.get(), 0, chunks * slots * step * sizeof(float));
            for (int64_t slot = 0; slot < frames_in(plan, block) * plan.bodies; ++slot)
                rows.for_parts(groups, slot / plan.bodies, slot % plan.bodies, x, [&](int64_t count) {
                    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                        float* panel = panels.get() + (chunk * slots + slot) * step;
                        for (int64_t i = 0; i < count; i += kClips)
                            add_outer<V>(rows.row(i), rows.stride, rows.clip(i), min64(kClips, count - i),
                                         plan.columns, packed.get() + chunk * clips * lanes, panel);
                    }
                });
            for (int64_t chunk = 0; chunk < chunks; ++chunk)
                finish.panel(first_feature(plan, block), features_in(plan, block), chunk * lanes,
                             panels.get() + chunk * slots * step);
        }
    });
}

template <class V>
void outer(const Plan& plan, const float* x, const float* g, int64_t clips, const Weight<float>& w) {
    sum_outer<V, Store<V>>(plan, x, g, clips, w.units, w);
}

template <class V>
void sgd(const Plan& plan, const float* x, const float* g, int64_t clips, int64_t units,
         const SgdStep& step) {
    sum_outer<V, Sgd<V>>(plan, x, g, clips, units, {step, units});
}

// rows (M, stride) = bias + hidden of M clips * panel (units, stride).
template <class V, int M>
inline void expand_rows(const Entry* e, const float* hidden, int64_t units, const float* panel,
                        int64_t stride, const float* bias, float* rows) {
    for (int i = 0; i < M; ++i) std::memcpy(rows + i * stride, bias, stride * sizeof(float));
    for (int64_t u = 0; u < units; u += kUnits) {
        const int64_t k = min64(kUnits, units - u);
        const float* p = panel + u * stride;
        int64_t n = 0;
        for (; n + V::cols * V::width <= stride; n += V::cols * V::width)
            expand_tile<V, M, V::cols>(e, hidden + u, units, k, p + n, rows + n, stride);
        with_count<V::cols - 1>((stride - n) / V::width, [&]<int N>() {
            expand_tile<V, M, N>(e, hidden + u, units, k, p + n, rows + n, stride);
        });
    }
}

template <class V>
void expand(const Plan& plan, const float* hidden, const Weight<const float>& w, const float* bias,
            float* y) {
    const int64_t columns = plan.columns, stride = ceil_div(columns, V::width) * V::width;
    parallel_blocks(plan, [&](int64_t block_begin, int64_t block_end) {
        Buffer<float> panel(w.units * stride, true), rows(V::rows * stride), offset(stride, true);
        Groups groups(plan);
        for (int64_t block = block_begin; block < block_end; ++block) {
            if (groups.select(block) == 0) continue;
            for (int64_t slot = 0; slot < frames_in(plan, block) * plan.bodies; ++slot) {
                const int64_t frame = slot / plan.bodies,
                              feature = first_feature(plan, block) + slot * columns;
                read_columns<V>(w, feature, columns, panel.get(), stride);
                std::memcpy(offset.get(), bias + feature, columns * sizeof(float));
                for (const Group& g : groups) {
                    if (g.body != slot % plan.bodies || frame < g.first || frame > g.last) continue;
                    for (int64_t i = 0; i < g.count; i += V::rows) {
                        const int64_t n = min64(V::rows, g.count - i);
                        const Entry* e = g.entries + i;
                        with_count<V::rows>(n, [&]<int M>() {
                            expand_rows<V, M>(e, hidden, w.units, panel.get(), stride, offset.get(),
                                              rows.get());
                        });
                        for (int64_t r = 0; r < n; ++r)
                            std::memcpy(y + (e[r].row + (frame - g.first) * e[r].bodies) * columns,
                                        rows.get() + r * stride, columns * sizeof(float));
                    }
                }
            }
        }
    });
}

inline void sum(const Plan& plan, const float* x, float* out) {
    const int64_t columns = plan.columns;
    parallel_blocks(plan, [&](int64_t block_begin, int64_t block_end) {
        Buffer<float> part(columns);
        Groups groups(plan);
        for (int64_t block = block_begin; block < block_end; ++block) {
            groups.select(block);
            float* to = out + first_feature(plan, block);
            std::memset(to, 0, features_in(plan, block) * sizeof(float));
            for (const Group& g : groups)
                for (int64_t f = 0; f < g.frames(); ++f) {
                    float* column = to + ((g.first + f) * plan.bodies + g.body) * columns;
                    for (int64_t i = 0; i < g.count; i += kSummands) {
                        std::memset(part.get(), 0, columns * sizeof(float));
                        for (int64_t r = i; r < min64(i + kSummands, g.count); ++r) {
                            const float* row = x + (g.entries[r].row + f * g.entries[r].bodies) * columns;
                            for (int64_t c = 0; c < columns; ++c) part.get()[c] += row[c];
                        }
                        for (int64_t c = 0; c < columns; ++c) column[c] += part.get()[c];
                    }
                }
        }
    });
}

inline constexpr skelbench::ragged::Projection kProjection{project<f32>, f32::cols * f32::width};

}  // namespace skelbench::SKELBENCH_ISA::ragged_cpu

#if SKELBENCH_AT(amx)
#include "ragged/amx.h"
#endif

namespace skelbench::ragged {

#if SKELBENCH_AT(amx)
constinit const Kernels Kernels::amx{
    .outer = skelbench::amx::ragged_amx::outer,
    .sgd = skelbench::amx::ragged_amx::sgd,
};
#elif SKELBENCH_AT(avx512_bf16)
constinit const Kernels Kernels::avx512_bf16{};
#else
using skelbench::SKELBENCH_ISA::f32;
namespace cpu = skelbench::SKELBENCH_ISA::ragged_cpu;

constinit const Kernels Kernels::SKELBENCH_ISA{
    .project = &cpu::kProjection,
    .outer = cpu::outer<f32>,
    .sgd = cpu::sgd<f32>,
    .expand = cpu::expand<f32>,
    .sum = cpu::sum,
};
#endif

}  // namespace skelbench::ragged
