// Vectors of eight floats (AVX2 and FMA).
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "isa/exp2.h"

namespace skelbench::SKELBENCH_ISA {

struct mask {
    __m256 m;
};
inline mask operator&(mask a, mask b) {
    return {_mm256_and_ps(a.m, b.m)};
}
inline mask operator~(mask a) {
    return {_mm256_xor_ps(a.m, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))};
}
inline bool any(mask a) {
    return _mm256_movemask_ps(a.m) != 0;
}

struct i32 {
    __m256i v;
    static constexpr int width = 8;
    static i32 load(const int32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
    static i32 set(int32_t x) { return {_mm256_set1_epi32(x)}; }
};
inline mask operator==(i32 a, i32 b) {
    return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.v, b.v))};
}

struct f32 {
    __m256 v;
    using scalar_type = float;
    using index = i32;
    static constexpr int width = 8;
    // A register tile: 12 accumulators, 2 operands and 1 broadcast use 15 of 16 registers.
    static constexpr int rows = 6, cols = 2;
    static f32 load(const float* p) { return {_mm256_loadu_ps(p)}; }
    static f32 set(float x) { return {_mm256_set1_ps(x)}; }
    void store(float* p) const { _mm256_storeu_ps(p, v); }
};
inline f32 operator+(f32 a, f32 b) {
    return {_mm256_add_ps(a.v, b.v)};
}
inline f32 operator-(f32 a, f32 b) {
    return {_mm256_sub_ps(a.v, b.v)};
}
inline f32 operator*(f32 a, f32 b) {
    return {_mm256_mul_ps(a.v, b.v)};
}
inline f32 fma(f32 a, f32 b, f32 c) {
    return {_mm256_fmadd_ps(a.v, b.v, c.v)};
}
inline f32 max(f32 a, f32 b) {
    return {_mm256_max_ps(a.v, b.v)};
}
inline f32 select(mask m, f32 yes, f32 no) {
    return {_mm256_blendv_ps(no.v, yes.v, m.m)};
}
inline f32 sqrt(f32 a) {
    return {_mm256_sqrt_ps(a.v)};
}
inline float reduce_add(f32 a) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}
inline float reduce_max(f32 a) {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps(x, x, 1)));
}
// 2^a for a <= 127. Below -126 the result is at most 2^-126 instead of a subnormal number.
inline f32 exp2(f32 a) {
    const __m256 x = _mm256_max_ps(a.v, _mm256_set1_ps(-126.0f));
    const __m256 n = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m256 r = _mm256_sub_ps(x, n);
    __m256 p = _mm256_set1_ps(kExp2[5]);
    for (int k = 4; k >= 0; --k) p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(kExp2[k]));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent))};
}
// Transposes a square of 8 x 8 floats. A vector is a row.
inline void transpose(f32 (&r)[8]) {
    __m256 pairs[8], quads[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_ps(r[i].v, r[i + 1].v);
        pairs[i + 1] = _mm256_unpackhi_ps(r[i].v, r[i + 1].v);
    }
    // 128-bit lane l of quads[4 q + c] has rows 4 q .. 4 q + 3 of column 4 l + c.
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
            quads[i + 2 * h] = _mm256_shuffle_ps(pairs[i + h], pairs[i + h + 2], 0x44);
            quads[i + 2 * h + 1] = _mm256_shuffle_ps(pairs[i + h], pairs[i + h + 2], 0xee);
        }
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
        r[c].v = _mm256_permute2f128_ps(quads[c], quads[4 + c], 0x20);
        r[4 + c].v = _mm256_permute2f128_ps(quads[c], quads[4 + c], 0x31);
    }
}

}  // namespace skelbench::SKELBENCH_ISA
