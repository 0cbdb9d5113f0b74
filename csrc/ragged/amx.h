// The products of the padding-free layers on matrix tiles. README.md explains the algorithm.
#pragma once
#include <cstring>

#include "isa/amx.h"
#include "isa/buffer.h"
#include "isa/parallel_for.h"
#include "ragged/blocks.h"
#include "ragged/finish.h"
#include "ragged/kernels.h"

namespace skelbench::SKELBENCH_ISA::ragged_amx {

using namespace ragged_cpu;

inline constexpr int64_t kLanes = 64;     // units that threads share, as at the avx512 level
inline constexpr int64_t kRun = 4;        // steps of `project` whose clips' tiles stay in the first-level cache
inline constexpr int64_t kClipSteps = 4;  // steps of `outer`, of 32 clips, whose tiles do

inline constexpr int64_t kAhead = 6;      // clips from the one whose rows are asked for to the one that is read

// For a few hundred numbers.
inline void copy(const float* from, int64_t count, float* to) {
    int64_t i = 0;
    for (; i + kSide <= count; i += kSide) f32::load(from + i).store(to + i);
    const __mmask16 rest = (1u << (count - i)) - 1;
    _mm512_mask_storeu_ps(to + i, rest, _mm512_maskz_loadu_ps(rest, from + i));
}

// The rows of one body of one clip in a block, as 4 frames of numbers with zeros where it has none.
struct Piece {
    Entry entry;
    int64_t first, frames;

    // Asks for the rows, or with a second body for what lies around them too.
    void prefetch(const float* x, int64_t columns) const {
        const char* from = reinterpret_cast<const char*>(x + entry.row * columns);
        const int64_t bytes = ((frames - 1) * entry.bodies + 1) * columns * sizeof(float);
        for (int64_t b = 0; b < bytes; b += 64) _mm_prefetch(from + b, _MM_HINT_T0);
    }

    // Numbers beyond the four frames are left as they are.
    void copy(const float* x, int64_t columns, float* to) const {
        if (frames < kBlock) std::memset(to, 0, kBlock * columns * sizeof(float));
        const float* from = x + entry.row * columns;
        to += first * columns;
        if (entry.bodies == 1) {
            ragged_amx::copy(from, frames * columns, to);
            return;
        }
        for (int64_t f = 0; f < frames; ++f)
            ragged_amx::copy(from + f * entry.bodies * columns, columns, to + f * columns);
    }
};

// The clips that have a body in a block.
class Pieces {
public:
    explicit Pieces(const Plan& plan) : groups_(plan), pieces_(most(plan)) {}
    void select_block(int64_t block) { groups_.select(block); }
    int64_t select_body(int64_t body) {
        int64_t count = 0;
        for (const Group& g : groups_) {
            if (g.body != body) continue;
            for (int64_t i = 0; i < g.count; ++i)
                pieces_.get()[count++] = {g.entries[i], g.first, g.frames()};
        }
        return count;
    }
    const Piece& operator[](int64_t i) const { return pieces_.get()[i]; }

private:
    static int64_t most(const Plan& plan) {
        int64_t most = 0;
        for (int64_t block = 0; block < plan.blocks; ++block)
            for (int64_t body = 0; body < plan.bodies; ++body) {
                const int64_t* begin = plan.begin + plan.group(block, body, 0, 0);
                const int64_t count = begin[kBlock * kBlock] - begin[0];
                if (count > most) most = count;
            }
        return most;
    }
    Groups groups_;
    Buffer<Piece> pieces_;
};

// Tiles of 64 units' weights, (unit tile, step, part): B of a product whose summands are the numbers of a block.
class PackedWeights {
public:
    PackedWeights(const Plan& plan, const Weight<const float>& w, int64_t steps)
        : plan_(plan), w_(w), steps_(steps), row_(kSide * steps * kStep, true) {}

    void pack(int64_t block, int64_t body, int64_t unit, uint16_t* to) {
        for (int64_t u = unit; u < unit + kLanes; u += kSide, to += steps_ * kParts * kTile) {
            const int64_t units = min64(kSide, w_.units - u);
            if (units <= 0) {
                std::memset(to, 0, steps_ * kParts * kTile * sizeof(uint16_t));
            } else if (w_.feature_stride == 1) {
                copy_rows(block, body, u, units);
                const float* row = row_.get();
                for (int64_t step = 0; step < steps_; ++step, row += kStep)
                    split_transposed([&](int i) { return f32::load(row + i * steps_ * kStep); },
                                     [&](int i) { return f32::load(row + i * steps_ * kStep + kSide); },
                                     to + step * kParts * kTile);
            } else {
                const __mmask16 within = (1u << units) - 1;
                const int64_t columns = plan_.columns, numbers = frames_in(plan_, block) * columns;
                const auto load = [&](int64_t k) -> f32 {
                    if (k >= numbers) return f32::set(0);
                    const int64_t feature =
                        first_feature(plan_, block) + (k / columns * plan_.bodies + body) * columns + k % columns;
                    return {_mm512_maskz_loadu_ps(within, w_.data + feature * w_.feature_stride + u)};
                };
                for (int64_t k = 0; k < steps_ * kStep; k += kStep)
                    for (int64_t j = 0; j < kSide; ++j)
                        split(load(k + j), load(k + j + kSide), to + k / kStep * kParts * kTile + j * kStep,
                              kTile);
            }
        }
    }

private:
    // The weights of 16 units that a body has in a block, in a row for each; zeros beyond the last unit and frame.
    void copy_rows(int64_t block, int64_t body, int64_t unit, int64_t units) {
        const int64_t columns = plan_.columns, frames = frames_in(plan_, block), stride = steps_ * kStep;
        if (units < kSide || frames < kBlock) std::memset(row_.get(), 0, kSide * stride * sizeof(float));
        for (int64_t i = 0; i < units; ++i) {
            const float* from =
                w_.data + (unit + i) * w_.unit_stride + first_feature(plan_, block) + body * columns;
            if (body == 0 && unit + i + kSide < w_.units) {
                const char* next = reinterpret_cast<const char*>(from + kSide * w_.unit_stride);
                for (int64_t b = 0; b < features_in(plan_, block) * 4; b += 64) _mm_prefetch(next + b, _MM_HINT_T1);
            }
            for (int64_t f = 0; f < frames; ++f)
                copy(from + f * plan_.bodies * columns, columns, row_.get() + i * stride + f * columns);
        }
    }
    const Plan& plan_;
    const Weight<const float>& w_;
    int64_t steps_;
    Buffer<float> row_;
};

// out rows += the R x 2 tiles of sums of up to 16 R clips.
inline void add_sums(const float* sums, const Pieces& pieces, int64_t first, int64_t count, float* out,
                     int64_t stride) {
    for (int64_t i = 0; i < count; ++i) {
        const float* from = sums + (i / kSide * 2 * kSide + i % kSide) * kSide;
        float* to = out + pieces[first + i].entry.clip * stride;
        for (int64_t n = 0; n < 2; ++n)
            (f32::load(to + n * kSide) + f32::load(from + n * kSide * kSide)).store(to + n * kSide);
    }
}

// Threads share the units, so that a sum has the same order with any number of them.
inline void project(const Plan& plan, const float* x, const Weight<const float>& w, float* out) {
    const int64_t chunks = ceil_div(w.units, kLanes), stride = chunks * kLanes;
    const int64_t steps = ceil_div(kBlock * plan.columns, kStep), run = steps * kParts * kTile;
    constexpr int64_t kTiles = kLanes / kSide;
    parallel_for(chunks, 1, [&](int64_t chunk_begin, int64_t chunk_end) {
        const TileScope scope;
        const int64_t held = chunk_end - chunk_begin;
        Buffer<float> row(steps * kStep, true), sums(4 * kSide * kSide);
        Buffer<uint16_t> weights(held * kTiles * run), rows(2 * run);
        PackedWeights packed(plan, w, steps);
        Pieces pieces(plan);
        for (int64_t block = 0; block < plan.blocks; ++block) {
            pieces.select_block(block);
            for (int64_t body = 0; body < plan.bodies; ++body) {
                const int64_t count = pieces.select_body(body);
                if (count == 0) break;  // a clip with a second body has a first one
                for (int64_t i = 0; i < min64(count, 2 * kSide); ++i) pieces[i].prefetch(x, plan.columns);
                for (int64_t c = 0; c < held; ++c)
                    packed.pack(block, body, (chunk_begin + c) * kLanes, weights.get() + c * kTiles * run);
                for (int64_t i = 0; i < count; i += 2 * kSide) {
                    const int64_t clips = min64(2 * kSide, count - i);
                    for (int64_t r = 0; r < clips; ++r) {
                        pieces[i + r].copy(x, plan.columns, row.get());
                        uint16_t* to = rows.get() + r / kSide * run + r % kSide * 32;
                        for (int64_t step = 0; step < steps; ++step)
                            split(f32::load(row.get() + step * kStep), f32::load(row.get() + step * kStep + kSide),
                                  to + step * kParts * kTile, kTile);
                    }
                    int64_t asked = i + clips;  // rows of the next clips, which arrive meanwhile
                    for (int64_t step = 0; step < steps; step += kRun)
                        for (int64_t tile = 0; tile < held * kTiles; tile += 2) {
                            for (int64_t r = 0; r < 2 && asked < min64(count, i + 4 * kSide); ++r)
                                pieces[asked++].prefetch(x, plan.columns);
                            const int64_t at = step * kParts * kTile, n = min64(kRun, steps - step);
                            const uint16_t *a = rows.get() + at, *b = weights.get() + tile * run + at;
                            if (clips > kSide) {
                                multiply<2, 2>(a, run, b, run, n, sums.get());
                            } else {
                                multiply<1, 2>(a, run, b, run, n, sums.get());
                            }
                            add_sums(sums.get(), pieces, i, clips, out + chunk_begin * kLanes + tile * kSide,
                                     stride);
                        }
                }
            }
        }
    });
}

// Tiles of the gradient of the clips' outputs, (unit tile, step, part): A of a product whose summands are clips.
inline void pack_units(const Pieces& pieces, int64_t first, int64_t count, const float* g, int64_t units,
                       int64_t tiles, uint16_t* to) {
    for (int64_t step = 0; step * kStep < count; ++step)
        for (int64_t tile = 0; tile < tiles; ++tile) {
            const int64_t width = min64(kSide, units - tile * kSide);
            const __mmask16 within = width <= 0 ? 0 : (1u << width) - 1;
            const auto load = [&](int64_t i) -> f32 {
                if (i >= count) return f32::set(0);
                return {_mm512_maskz_loadu_ps(within, g + pieces[first + i].entry.clip * units + tile * kSide)};
            };
            split_transposed([&](int j) { return load(step * kStep + 2 * j); },
                             [&](int j) { return load(step * kStep + 2 * j + 1); },
                             to + (tile * kClipSteps + step) * kParts * kTile);
        }
}

// Tiles of the clips' rows, (column tile, step, part): B of the same product. `row` holds two rows of `stride`
// numbers whose ends are zero.
inline void pack_rows(const Plan& plan, const Pieces& pieces, int64_t first, int64_t count, const float* x,
                      float* row, int64_t stride, uint16_t* to) {
    for (int64_t i = 0; i < ceil_div(count, kStep) * kStep; i += 2) {
        for (int64_t r = 0; r < 2; ++r) {
            if (i + r + kAhead < count) pieces[first + i + r + kAhead].prefetch(x, plan.columns);
            if (i + r < count) {
                pieces[first + i + r].copy(x, plan.columns, row + r * stride);
            } else {
                std::memset(row + r * stride, 0, stride * sizeof(float));
            }
        }
        for (int64_t tile = 0; tile * kSide < stride; ++tile)
            split(f32::load(row + tile * kSide), f32::load(row + stride + tile * kSide),
                  to + (tile * kClipSteps + i / kStep) * kParts * kTile + i % kStep * kSide, kTile);
    }
}

// panel rows (16 R units, `stride` apart) = or += R x N tiles of sums.
template <int R, int N>
inline void put_sums(const float* sums, bool fresh, float* panel, int64_t stride) {
    for (int r = 0; r < R * kSide; ++r)
#pragma GCC unroll 2
        for (int n = 0; n < N; ++n) {
            f32 sum = f32::load(sums + ((r / kSide * N + n) * kSide + r % kSide) * kSide);
            float* to = panel + r * stride + n * kSide;
            if (!fresh) sum = sum + f32::load(to);
            sum.store(to);
        }
}

// Threads share the blocks. The gradient of a block is summed in panels (body, unit, column) and then given on.
template <class Finish>
void sum_outer(const Plan& plan, const float* x, const float* g, int64_t units,
               const typename Finish::Argument& argument) {
    const int64_t columns = plan.columns, tiles = ceil_div(units, 2 * kSide) * 2;
    const int64_t width = ceil_div(kBlock * columns, kSide) * kSide, panel = tiles * kSide * width;
    constexpr int64_t kRowOfTiles = kClipSteps * kParts * kTile;
    parallel_blocks(plan, [&](int64_t block_begin, int64_t block_end) {
        const TileScope scope;
        Buffer<float> panels(plan.bodies * panel), row(2 * width, true), sums(4 * kSide * kSide),
            done(kSide * features_in(plan, 0));
        Buffer<uint16_t> outputs(tiles * kRowOfTiles), rows(width / kSide * kRowOfTiles);
        Pieces pieces(plan);
        Finish finish(plan, argument);
        for (int64_t block = block_begin; block < block_end; ++block) {
            pieces.select_block(block);
            for (int64_t body = 0; body < plan.bodies; ++body) {
                const int64_t count = pieces.select_body(body);
                float* to = panels.get() + body * panel;
                if (count == 0) std::memset(to, 0, panel * sizeof(float));
                for (int64_t i = 0; i < count; i += kClipSteps * kStep) {
                    const int64_t clips = min64(kClipSteps * kStep, count - i), steps = ceil_div(clips, kStep);
                    pack_units(pieces, i, clips, g, units, tiles, outputs.get());
                    pack_rows(plan, pieces, i, clips, x, row.get(), width, rows.get());
                    for (int64_t u = 0; u < tiles; u += 2) {
                        const uint16_t* a = outputs.get() + u * kRowOfTiles;
                        float* at = to + u * kSide * width;
                        int64_t c = 0;
                        for (; c + 2 * kSide <= width; c += 2 * kSide) {
                            multiply<2, 2>(a, kRowOfTiles, rows.get() + c / kSide * kRowOfTiles, kRowOfTiles,
                                           steps, sums.get());
                            put_sums<2, 2>(sums.get(), i == 0, at + c, width);
                        }
                        if (c < width) {
                            multiply<2, 1>(a, kRowOfTiles, rows.get() + c / kSide * kRowOfTiles, 0, steps,
                                           sums.get());
                            put_sums<2, 1>(sums.get(), i == 0, at + c, width);
                        }
                    }
                }
            }
            const int64_t features = features_in(plan, block);
            for (int64_t u = 0; u < units; u += kSide) {
                const int64_t n = min64(kSide, units - u);
                for (int64_t r = 0; r < n; ++r)
                    for (int64_t slot = 0; slot * columns < features; ++slot)
                        copy(panels.get() + slot % plan.bodies * panel + (u + r) * width +
                                 slot / plan.bodies * columns,
                             columns, done.get() + r * features + slot * columns);
                finish.rows(first_feature(plan, block), features, u, n, done.get());
            }
        }
    });
}

inline void outer(const Plan& plan, const float* x, const float* g, int64_t, const Weight<float>& w) {
    sum_outer<Store<f32>>(plan, x, g, w.units, w);
}

inline void descend(const Plan& plan, const float* x, const float* g, int64_t, int64_t units,
                    const Descent& descent) {
    sum_outer<Descend<f32>>(plan, x, g, units, {descent, units});
}

}  // namespace skelbench::SKELBENCH_ISA::ragged_amx
