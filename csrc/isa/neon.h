// Vectors of four floats (NEON, which every 64-bit ARM has).
#pragma once
#include <arm_neon.h>

#include <cstdint>

#include "isa/exp2.h"

namespace skelbench::SKELBENCH_ISA {

struct mask {
    uint32x4_t m;
};
inline mask operator&(mask a, mask b) {
    return {vandq_u32(a.m, b.m)};
}
inline mask operator~(mask a) {
    return {vmvnq_u32(a.m)};
}
inline bool any(mask a) {
    return vmaxvq_u32(a.m) != 0;
}

struct i32 {
    int32x4_t v;
    static constexpr int width = 4;
    static i32 load(const int32_t* p) { return {vld1q_s32(p)}; }
    static i32 set(int32_t x) { return {vdupq_n_s32(x)}; }
};
inline mask operator==(i32 a, i32 b) {
    return {vceqq_s32(a.v, b.v)};
}

struct f32 {
    float32x4_t v;
    using scalar_type = float;
    using index = i32;
    static constexpr int width = 4;
    // A register tile: 24 accumulators, 4 operands and 1 broadcast use 29 of 32 registers.
    static constexpr int rows = 6, cols = 4;
    static f32 load(const float* p) { return {vld1q_f32(p)}; }
    static f32 set(float x) { return {vdupq_n_f32(x)}; }
    void store(float* p) const { vst1q_f32(p, v); }
};
inline f32 operator+(f32 a, f32 b) {
    return {vaddq_f32(a.v, b.v)};
}
inline f32 operator-(f32 a, f32 b) {
    return {vsubq_f32(a.v, b.v)};
}
inline f32 operator*(f32 a, f32 b) {
    return {vmulq_f32(a.v, b.v)};
}
inline f32 fma(f32 a, f32 b, f32 c) {
    return {vfmaq_f32(c.v, a.v, b.v)};
}
inline f32 max(f32 a, f32 b) {
    return {vmaxq_f32(a.v, b.v)};
}
inline f32 select(mask m, f32 yes, f32 no) {
    return {vbslq_f32(m.m, yes.v, no.v)};
}
inline f32 sqrt(f32 a) {
    return {vsqrtq_f32(a.v)};
}
inline float reduce_add(f32 a) {
    return vaddvq_f32(a.v);
}
inline float reduce_max(f32 a) {
    return vmaxvq_f32(a.v);
}
// 2^a for a <= 127. Below -126 the result is at most 2^-126 instead of a subnormal number.
inline f32 exp2(f32 a) {
    const float32x4_t x = vmaxq_f32(a.v, vdupq_n_f32(-126.0f));
    const float32x4_t n = vrndnq_f32(x);
    const float32x4_t r = vsubq_f32(x, n);
    float32x4_t p = vdupq_n_f32(kExp2[5]);
    for (int k = 4; k >= 0; --k) p = vfmaq_f32(vdupq_n_f32(kExp2[k]), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
    const int32x4_t exponent = vshlq_n_s32(vcvtq_s32_f32(n), 23);
    return {vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), exponent))};
}
// Transposes a square of 4 x 4 floats. A vector is a row.
inline void transpose(f32 (&r)[4]) {
    const float32x4x2_t low = vtrnq_f32(r[0].v, r[1].v), high = vtrnq_f32(r[2].v, r[3].v);
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
        r[i].v = vcombine_f32(vget_low_f32(low.val[i]), vget_low_f32(high.val[i]));
        r[i + 2].v = vcombine_f32(vget_high_f32(low.val[i]), vget_high_f32(high.val[i]));
    }
}

}  // namespace skelbench::SKELBENCH_ISA
