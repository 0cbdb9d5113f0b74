// Chains of multiply-adds in registers, compiled once per ISA level.
#include "peak/kernels.h"

#include "isa/vectors.h"
#if SKELBENCH_AT(amx)
#include "isa/amx.h"
#endif

namespace skelbench::SKELBENCH_ISA::peak_cpu {

// Independent chains. Two units with a latency of five need ten; with both factors they fit 16 registers.
inline constexpr int kChains = 12;

// sums[i] = step(sums[i]) for every chain. The steps here converge or add a constant, so that no number
// becomes denormal or infinite.
template <class V, class Step>
inline float run_chains(int64_t rounds, float seed, const Step& step) {
    V sums[kChains];
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sums[i] = V::set(seed * static_cast<float>(i));
    for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < kChains; ++i) sums[i] = step(sums[i]);
    }
    V all = sums[0];
    for (int i = 1; i < kChains; ++i) all = all + sums[i];
    return reduce_add(all);
}

inline double f32_chains(int64_t rounds, float seed, float* sink) {
    const f32 factor = f32::set(seed), summand = f32::set(1 - seed);
    *sink = run_chains<f32>(rounds, seed, [&](f32 sum) { return fma(sum, factor, summand); });
    return 2.0 * f32::width * kChains * static_cast<double>(rounds);
}

#if SKELBENCH_AT(avx512_bf16)
// Products of pairs: twice the multiply-adds of an instruction on floats.
inline double bf16_chains(int64_t rounds, float seed, float* sink) {
    const auto pairs = reinterpret_cast<__m512bh>(_mm512_set1_ps(seed));
    *sink =
        run_chains<f32>(rounds, seed, [&](f32 sum) { return f32{_mm512_dpbf16_ps(sum.v, pairs, pairs)}; });
    return 4.0 * f32::width * kChains * static_cast<double>(rounds);
}
#elif SKELBENCH_AT(amx)
// The sums of 2 x 2 tiles, as in the kernels.
inline double bf16_tiles(int64_t rounds, float seed, float* sink) {
    alignas(64) float tile[kSide * kSide];
    for (float& x : tile) x = seed;
    stores_before_tile_loads();
    const TileScope scope;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, tile, 64);
    _tile_loadd(5, tile, 64);
    _tile_loadd(6, tile, 64);
    _tile_loadd(7, tile, 64);
    for (int64_t round = 0; round < rounds; ++round) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, tile, 64);
    *sink = tile[0];
    return 4 * 2.0 * kSide * kSide * kStep * static_cast<double>(rounds);
}
#endif

}  // namespace skelbench::SKELBENCH_ISA::peak_cpu

namespace skelbench::peak {

namespace cpu = skelbench::SKELBENCH_ISA::peak_cpu;

#if SKELBENCH_AT(amx)
constinit const Kernels Kernels::amx{.bf16 = cpu::bf16_tiles};
#elif SKELBENCH_AT(avx512_bf16)
constinit const Kernels Kernels::avx512_bf16{.bf16 = cpu::bf16_chains};
#else
constinit const Kernels Kernels::SKELBENCH_ISA{.f32 = cpu::f32_chains};
#endif

}  // namespace skelbench::peak
