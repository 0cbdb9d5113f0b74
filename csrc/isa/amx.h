// AMX: products of float32 matrices on tiles of bfloat16 numbers.
//
// A float32 number is the exact sum of three bfloat16 numbers. Each takes the 8 leading bits of the
// remainder. A product of two such sums has nine terms. Six are computed; the other three are below 2^-24 of
// the whole.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "isa/avx512.h"

namespace skelbench::SKELBENCH_ISA {

// Bfloat16 numbers that make up a float32 number.
inline constexpr int kParts = 3;
// Rows and columns of a tile of sums.
inline constexpr int kSide = 16;
// Summands of one tile product.
inline constexpr int kStep = 32;
// Bfloat16 numbers in a tile: 16 rows of 16 pairs.
inline constexpr int kTileWords = 512;

// Configures this thread's eight tiles, 16 rows of 64 bytes each, for the lifetime of the object.
class TileScope {
public:
    TileScope() {
        struct Config {
            uint8_t palette, start_row, reserved[14];
            uint16_t row_bytes[16];
            uint8_t rows[16];
        };
        // Static, because GCC assumes that the instruction reads 8 bytes and would not store the rest of a
        // local.
        alignas(64) static const Config config{
            1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
        _tile_loadconfig(&config);
    }
    ~TileScope() { _tile_release(); }
    TileScope(const TileScope&) = delete;
    TileScope& operator=(const TileScope&) = delete;
};

// To be called between stores and the tile loads that read what was stored: the loads do not tell the
// compiler what they read.
inline void stores_before_tile_loads() {
    asm volatile("" ::: "memory");
}

// Writes the parts of 32 numbers, `part` words apart. Pair j is (low[j], high[j]). A part is rounded to
// nearest, ties away from zero. The last part needs no rounding. A number that is infinite, or too large for
// bfloat16, gives NaN.
inline void split(f32 low, f32 high, uint16_t* to, int64_t part) {
    const __m512i half = _mm512_set1_epi32(0x8000), upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    // The truth table of a ? b : c, for vpternlog.
    constexpr int kSelect = 0xca;
    __m512i l = _mm512_castps_si512(low.v), h = _mm512_castps_si512(high.v);
#pragma GCC unroll 3
    for (int p = 0; p < kParts; ++p) {
        if (p < kParts - 1) {
            const __m512i rounded_l = _mm512_add_epi32(l, half), rounded_h = _mm512_add_epi32(h, half);
            const __m512 left_l = _mm512_sub_ps(_mm512_castsi512_ps(l),
                                                _mm512_castsi512_ps(_mm512_and_si512(rounded_l, upper)));
            const __m512 left_h = _mm512_sub_ps(_mm512_castsi512_ps(h),
                                                _mm512_castsi512_ps(_mm512_and_si512(rounded_h, upper)));
            _mm512_storeu_si512(
                to + p * part,
                _mm512_ternarylogic_epi32(upper, rounded_h, _mm512_srli_epi32(rounded_l, 16), kSelect));
            l = _mm512_castps_si512(left_l), h = _mm512_castps_si512(left_h);
        } else {
            _mm512_storeu_si512(to + p * part,
                                _mm512_ternarylogic_epi32(upper, h, _mm512_srli_epi32(l, 16), kSelect));
        }
    }
}

// Writes the parts of 16 rows of 32 numbers as kParts tiles. low(i) and high(i) are the halves of row i. Row
// j of a tile has pair j of every row.
template <class Low, class High>
inline void split_transposed(const Low& low, const High& high, uint16_t* to) {
    alignas(64) uint16_t pairs[kParts * kTileWords];
    for (int i = 0; i < kSide; ++i) split(low(i), high(i), pairs + i * kStep, kTileWords);
    for (int part = 0; part < kParts; ++part) {
        f32 square[kSide];
#pragma GCC unroll 16
        for (int i = 0; i < kSide; ++i)
            square[i].v = _mm512_castsi512_ps(_mm512_load_si512(pairs + part * kTileWords + i * kStep));
        transpose(square);
#pragma GCC unroll 16
        for (int i = 0; i < kSide; ++i)
            _mm512_storeu_si512(to + part * kTileWords + i * kStep, _mm512_castps_si512(square[i].v));
    }
}

// c (R, N) tiles of float32 = the sum over `steps` of A's R tiles times B's N tiles. A step of A or B is
// kParts consecutive tiles. `a_next` and `b_next` are the words between rows of tiles. The small products are
// summed first, so they are not rounded at the size of the large one.
template <int R, int N>
inline void multiply(const uint16_t* a, int64_t a_next, const uint16_t* b, int64_t b_next, int64_t steps,
                     float* c) {
    const auto load_a = [&](int64_t step, int part) {
        const uint16_t* from = a + (step * kParts + part) * kTileWords;
        _tile_loadd(4, from, 64);
        if constexpr (R > 1) _tile_loadd(5, from + a_next, 64);
    };
    const auto load_b = [&](int64_t step, int part) {
        const uint16_t* from = b + (step * kParts + part) * kTileWords;
        _tile_loadd(6, from, 64);
        if constexpr (N > 1) _tile_loadd(7, from + b_next, 64);
    };
    const auto add = [] {
        _tile_dpbf16ps(0, 4, 6);
        if constexpr (N > 1) _tile_dpbf16ps(1, 4, 7);
        if constexpr (R > 1) _tile_dpbf16ps(2, 5, 6);
        if constexpr (R > 1 && N > 1) _tile_dpbf16ps(3, 5, 7);
    };
    stores_before_tile_loads();
    _tile_zero(0);
    if constexpr (N > 1) _tile_zero(1);
    if constexpr (R > 1) _tile_zero(2);
    if constexpr (R > 1 && N > 1) _tile_zero(3);
    // Each product shares a factor with the one before it.
    for (int64_t step = 0; step < steps; ++step) {
        load_a(step, 2), load_b(step, 0), add();
        load_a(step, 1), add();
        load_b(step, 1), add();
        load_a(step, 0), add();
        load_b(step, 2), add();
    }
    for (int64_t step = 0; step < steps; ++step) load_a(step, 0), load_b(step, 0), add();
    constexpr int kSums = kSide * kSide;
    _tile_stored(0, c, 64);
    if constexpr (N > 1) _tile_stored(1, c + kSums, 64);
    if constexpr (R > 1) _tile_stored(2, c + N * kSums, 64);
    if constexpr (R > 1 && N > 1) _tile_stored(3, c + 3 * kSums, 64);
}

}  // namespace skelbench::SKELBENCH_ISA
