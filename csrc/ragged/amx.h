// The weight gradients of the padding-free layers on matrix tiles. README.md explains the algorithm.
#pragma once
#include <cstring>

#include "isa/amx.h"
#include "isa/buffer.h"
#include "ragged/blocks.h"
#include "ragged/finish.h"
#include "ragged/kernels.h"

namespace skelbench::SKELBENCH_ISA::ragged_amx {

using namespace ragged_cpu;

// Steps of 32 clips whose tiles stay in the first-level cache.
inline constexpr int64_t kClipSteps = 4;

// A copy of a few hundred numbers.
inline void copy(const float* from, int64_t count, float* to) {
    int64_t i = 0;
    for (; i + kSide <= count; i += kSide) f32::load(from + i).store(to + i);
    const __mmask16 rest = (1u << (count - i)) - 1;
    _mm512_mask_storeu_ps(to + i, rest, _mm512_maskz_loadu_ps(rest, from + i));
}

// The rows of one body of one clip in a block.
struct Piece {
    Entry entry;
    int64_t first, frames;

    // Writes four frames, zero where the clip has none, and nothing beyond them.
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

// Tiles of the gradient of the clips' outputs, (unit tile, step, part): the left operand of a product that
// sums over clips.
inline void pack_units(const Pieces& pieces, int64_t first, int64_t count, const float* g, int64_t units,
                       int64_t tiles, uint16_t* to) {
    for (int64_t step = 0; step * kStep < count; ++step)
        for (int64_t tile = 0; tile < tiles; ++tile) {
            const int64_t width = min64(kSide, units - tile * kSide);
            const __mmask16 within = width <= 0 ? 0 : (1u << width) - 1;
            const auto load = [&](int64_t i) -> f32 {
                if (i >= count) return f32::set(0);
                return {
                    _mm512_maskz_loadu_ps(within, g + pieces[first + i].entry.clip * units + tile * kSide)};
            };
            split_transposed([&](int j) { return load(step * kStep + 2 * j); },
                             [&](int j) { return load(step * kStep + 2 * j + 1); },
                             to + (tile * kClipSteps + step) * kParts * kTileWords);
        }
}

// Tiles of the clips' rows, (column tile, step, part): the right operand of the same product. `row` holds two
// rows of `stride` numbers, zero beyond the four frames.
inline void pack_rows(const Plan& plan, const Pieces& pieces, int64_t first, int64_t count, const float* x,
                      float* row, int64_t stride, uint16_t* to) {
    for (int64_t i = 0; i < ceil_div(count, kStep) * kStep; i += 2) {
        for (int64_t r = 0; r < 2; ++r) {
            if (i + r < count) {
                pieces[first + i + r].copy(x, plan.columns, row + r * stride);
            } else {
                std::memset(row + r * stride, 0, stride * sizeof(float));
            }
        }
        for (int64_t tile = 0; tile * kSide < stride; ++tile)
            split(f32::load(row + tile * kSide), f32::load(row + stride + tile * kSide),
                  to + (tile * kClipSteps + i / kStep) * kParts * kTileWords + i % kStep * kSide, kTileWords);
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

// Threads share the blocks. The gradient of a block is summed in panels (body, unit, column) and then passed
// to `Finish`.
template <class Finish>
void sum_outer(const Plan& plan, const float* x, const float* g, int64_t units,
               const typename Finish::Argument& argument) {
    const int64_t columns = plan.columns, tiles = ceil_div(units, 2 * kSide) * 2;
    const int64_t width = ceil_div(kBlock * columns, kSide) * kSide, panel = tiles * kSide * width;
    constexpr int64_t kRowOfTiles = kClipSteps * kParts * kTileWords;
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
                    const int64_t clips = min64(kClipSteps * kStep, count - i),
                                  steps = ceil_div(clips, kStep);
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

inline void sgd(const Plan& plan, const float* x, const float* g, int64_t, int64_t units,
                const SgdStep& step) {
    sum_outer<Sgd<f32>>(plan, x, g, units, {step, units});
}

}  // namespace skelbench::SKELBENCH_ISA::ragged_amx
