// Vectors of sixteen floats (AVX-512 F, BW, DQ, VL), for the levels avx512, avx512_bf16 and amx.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "isa/exp2.h"

namespace skelbench::SKELBENCH_ISA {

struct mask {
    __mmask16 m;
};
inline mask operator&(mask a, mask b) {
    return {static_cast<__mmask16>(a.m & b.m)};
}
inline mask operator~(mask a) {
    return {static_cast<__mmask16>(~a.m)};
}
inline bool any(mask a) {
    return a.m != 0;
}

struct i32 {
    __m512i v;
    static constexpr int width = 16;
    static i32 load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
    static i32 set(int32_t x) { return {_mm512_set1_epi32(x)}; }
};
inline mask operator==(i32 a, i32 b) {
    return {_mm512_cmpeq_epi32_mask(a.v, b.v)};
}

struct f32 {
    __m512 v;
    using scalar_type = float;
    using index = i32;
    static constexpr int width = 16;
    // A register tile: 24 accumulators, 4 operands and 1 broadcast use 29 of 32 registers.
    static constexpr int rows = 6, cols = 4;
    static f32 load(const float* p) { return {_mm512_loadu_ps(p)}; }
    static f32 set(float x) { return {_mm512_set1_ps(x)}; }
    void store(float* p) const { _mm512_storeu_ps(p, v); }
};
inline f32 operator+(f32 a, f32 b) {
    return {_mm512_add_ps(a.v, b.v)};
}
inline f32 operator-(f32 a, f32 b) {
    return {_mm512_sub_ps(a.v, b.v)};
}
inline f32 operator*(f32 a, f32 b) {
    return {_mm512_mul_ps(a.v, b.v)};
}
inline f32 fma(f32 a, f32 b, f32 c) {
    return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline f32 max(f32 a, f32 b) {
    return {_mm512_max_ps(a.v, b.v)};
}
inline f32 select(mask m, f32 yes, f32 no) {
    return {_mm512_mask_blend_ps(m.m, no.v, yes.v)};
}
inline f32 sqrt(f32 a) {
    return {_mm512_sqrt_ps(a.v)};
}
inline float reduce_add(f32 a) {
    return _mm512_reduce_add_ps(a.v);
}
inline float reduce_max(f32 a) {
    return _mm512_reduce_max_ps(a.v);
}
// 2^a, for every a.
inline f32 exp2(f32 a) {
    const __m512 n = _mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 r = _mm512_sub_ps(a.v, n);
    __m512 p = _mm512_set1_ps(kExp2[5]);
    for (int k = 4; k >= 0; --k) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kExp2[k]));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return {_mm512_scalef_ps(p, n)};
}
// Transposes a square of 16 x 16 floats. A vector is a row.
inline void transpose(f32 (&r)[16]) {
    __m512 pairs[16], quads[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        pairs[i] = _mm512_unpacklo_ps(r[i].v, r[i + 1].v);
        pairs[i + 1] = _mm512_unpackhi_ps(r[i].v, r[i + 1].v);
    }
    // 128-bit lane l of quads[4 q + c] has rows 4 q .. 4 q + 3 of column 4 l + c.
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
            const __m512d a = _mm512_castps_pd(pairs[i + h]), b = _mm512_castps_pd(pairs[i + h + 2]);
            quads[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            quads[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
        const __m512 even_top = _mm512_shuffle_f32x4(quads[c], quads[4 + c], 0x88);
        const __m512 even_bottom = _mm512_shuffle_f32x4(quads[8 + c], quads[12 + c], 0x88);
        const __m512 odd_top = _mm512_shuffle_f32x4(quads[c], quads[4 + c], 0xdd);
        const __m512 odd_bottom = _mm512_shuffle_f32x4(quads[8 + c], quads[12 + c], 0xdd);
        r[c].v = _mm512_shuffle_f32x4(even_top, even_bottom, 0x88);
        r[4 + c].v = _mm512_shuffle_f32x4(odd_top, odd_bottom, 0x88);
        r[8 + c].v = _mm512_shuffle_f32x4(even_top, even_bottom, 0xdd);
        r[12 + c].v = _mm512_shuffle_f32x4(odd_top, odd_bottom, 0xdd);
    }
}

}  // namespace skelbench::SKELBENCH_ISA
