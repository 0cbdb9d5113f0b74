// Twelve short decimals of a line at once, with AVX-512 (VBMI2): joint_line.h's work without a loop over the
// numbers.
//
// The places of the blanks are compressed to bytes, and each number is moved, by one permutation of the
// line's bytes, to the end of 16 bytes of its own, four numbers to a register. What is asked of a number
// (digits only, one point) is asked of the 16 bits that its bytes have in a mask.
#pragma once

#include "skeleton_file/joint_line.h"

#ifdef SKELETON_FILE_AVX2
#define SKELETON_FILE_AVX512_TARGET \
    "avx2,bmi,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2"

namespace skeleton_file {

inline bool has_avx512() {
    static const bool has = has_avx2() && __builtin_cpu_supports("avx512f") &&
                            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                            __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
    return has;
}

struct WideTables {
    // A register holds four numbers, 16 bytes each, in an order that the packing below brings back to the
    // line's.
    static constexpr int kNumber[3][4] = {{0, 2, 4, 6}, {1, 3, 5, 7}, {8, 10, 9, 11}};
    alignas(64) std::uint8_t number[3][64];   // of each byte of each register: its number
    alignas(64) std::uint8_t place[3][64];    // of each byte of each register: its number's place in them
    alignas(64) std::uint8_t byte[64];        // 0 to 63
    alignas(64) std::uint8_t lane[64];        // 0 to 15, four times
    alignas(64) std::uint32_t by_number[16];  // of each number: its place in the registers
    alignas(64) double power[16];

    constexpr WideTables() : number(), place(), byte(), lane(), by_number(), power() {
        for (int i = 0; i < 64; ++i) {
            byte[i] = static_cast<std::uint8_t>(i);
            lane[i] = static_cast<std::uint8_t>(i % 16);
            for (int group = 0; group < 3; ++group) {
                number[group][i] = static_cast<std::uint8_t>(kNumber[group][i / 16]);
                place[group][i] = static_cast<std::uint8_t>(4 * group + i / 16);
                by_number[kNumber[group][i / 16]] = static_cast<std::uint32_t>(4 * group + i / 16);
            }
        }
        for (int n = 0; n < 16; ++n) power[n] = n == 0 ? 1.0 : power[n - 1] * 10;
    }
};
inline constexpr WideTables kWide;

// 16 bits for each number, in the registers' order.
__attribute__((target(SKELETON_FILE_AVX512_TARGET))) inline __m256i sixteenths(const std::uint64_t* masks) {
    return _mm256_set_epi64x(0, static_cast<long long>(masks[2]), static_cast<long long>(masks[1]),
                             static_cast<long long>(masks[0]));
}

// As twelve_short_decimals, but writes only the first `fields` numbers, and reads nothing before `line`.
__attribute__((always_inline, target(SKELETON_FILE_AVX512_TARGET))) inline std::size_t
twelve_short_decimals_avx512(const char* line, float* out, int fields) {
    constexpr std::uint32_t kAll = 0xFFF;
    const __m512i low = _mm512_loadu_si512(line), high = _mm512_loadu_si512(line + 64);
    const __m512i space = _mm512_set1_epi8(' ');
    const std::uint64_t low_control = _mm512_cmplt_epi8_mask(low, space);
    const std::uint64_t high_control = _mm512_cmplt_epi8_mask(high, space);
    const std::uint64_t low_blank = _mm512_cmple_epi8_mask(low, space);
    const std::uint64_t high_blank = _mm512_cmple_epi8_mask(high, space);
    const int length = low_control ? std::countr_zero(low_control) : 64 + std::countr_zero(high_control);

    // Where the numbers end: the first blanks of both halves, the second's moved up behind the first's.
    const __m512i byte = _mm512_load_si512(kWide.byte);
    const __m128i lane16 = _mm512_castsi512_si128(byte);
    const __m128i in_low = _mm512_castsi512_si128(_mm512_maskz_compress_epi8(low_blank, byte));
    const __m128i in_high = _mm512_castsi512_si128(
        _mm512_maskz_compress_epi8(high_blank, _mm512_add_epi8(byte, _mm512_set1_epi8(64))));
    const __m128i behind = _mm_sub_epi8(lane16, _mm_set1_epi8(static_cast<char>(std::popcount(low_blank))));
    const __m128i ends = _mm_or_si128(in_low, _mm_shuffle_epi8(in_high, behind));
    // The first control character ends the twelfth number, so that spaces end the others.
    if (_mm_extract_epi8(ends, 11) != length || length == static_cast<int>(kLineReach)) return 0;
    const __m128i begins = _mm_add_epi8(_mm_slli_si128(ends, 1), _mm_min_epu8(lane16, _mm_set1_epi8(1)));
    std::uint32_t unusual = _mm_cmpgt_epu8_mask(_mm_sub_epi8(ends, begins), _mm_set1_epi8(16)) & kAll;

    const __m512i lane = _mm512_load_si512(kWide.lane);
    __m512i values[3];
    std::uint64_t digits[3], points[3], signs[3], wrong = 0;
    for (int group = 0; group < 3; ++group) {
        const __m512i number = _mm512_load_si512(kWide.number[group]);
        const __m512i end = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(ends), number);
        const __m512i begin = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(begins), number);
        const __m512i at = _mm512_add_epi8(end, _mm512_sub_epi8(lane, _mm512_set1_epi8(16)));
        const __m512i text = _mm512_permutex2var_epi8(low, at, high);
        const __m512i value = _mm512_sub_epi8(text, _mm512_set1_epi8('0'));
        const std::uint64_t its = _mm512_cmpge_epi8_mask(at, begin);
        const std::uint64_t first = _mm512_cmpeq_epi8_mask(at, begin);
        digits[group] = _mm512_mask_cmple_epu8_mask(its, value, _mm512_set1_epi8(9));
        points[group] = _mm512_mask_cmpeq_epi8_mask(its, text, _mm512_set1_epi8('.'));
        signs[group] = _mm512_mask_cmpeq_epi8_mask(first, text, _mm512_set1_epi8('-'));
        // Sixteen bytes only with the sign, so that there are fifteen digits at most.
        wrong |= (its ^ (digits[group] | points[group] | signs[group])) |
                 ((its ^ signs[group]) & 0x0001000100010001);
        values[group] = _mm512_maskz_mov_epi8(digits[group], value);
    }
    const __m256i point = sixteenths(points), digit = sixteenths(digits);
    unusual |= (_mm256_test_epi16_mask(point, _mm256_sub_epi16(point, _mm256_set1_epi16(1))) |
                _mm256_testn_epi16_mask(digit, digit)) &
               kAll;
    if ((unusual | wrong) != 0) return 0;

    // The zeros above the point are its decimals, 16 where there is none.
    const __m512i decimals =
        _mm512_sub_epi32(_mm512_lzcnt_epi32(_mm512_cvtepu16_epi32(point)), _mm512_set1_epi32(16));
    const __m512i decimal_bytes = _mm512_broadcast_i32x4(_mm512_cvtepi32_epi8(decimals));
    for (int group = 0; group < 3; ++group) {
        const __m512i after = _mm512_shuffle_epi8(decimal_bytes, _mm512_load_si512(kWide.place[group]));
        const __mmask64 before = _mm512_cmple_epi8_mask(_mm512_add_epi8(lane, after), _mm512_set1_epi8(15));
        const __m512i from = _mm512_mask_sub_epi8(lane, before, lane, _mm512_set1_epi8(1));
        const __m512i joined = _mm512_shuffle_epi8(values[group], from);
        const __m512i twos = _mm512_maddubs_epi16(joined, _mm512_set1_epi16(0x010A));  // 10, 1
        values[group] = _mm512_madd_epi16(twos, _mm512_set1_epi32(0x10064));           // 100, 1
    }
    const __m512i eight = _mm512_madd_epi16(_mm512_packus_epi32(values[0], values[1]),
                                            _mm512_set1_epi32(0x12710));  // 10000, 1
    const __m256i four = _mm256_madd_epi16(
        _mm256_packus_epi32(_mm512_castsi512_si256(values[2]), _mm512_extracti64x4_epi64(values[2], 1)),
        _mm256_set1_epi32(0x12710));
    // Of each number, its upper eight digits in 32 bits, and its lower eight in the next.
    const __m512i eight_whole =
        _mm512_add_epi64(_mm512_mul_epu32(eight, _mm512_set1_epi64(100000000)), _mm512_srli_epi64(eight, 32));
    const __m256i four_whole =
        _mm256_add_epi64(_mm256_mul_epu32(four, _mm256_set1_epi64x(100000000)), _mm256_srli_epi64(four, 32));
    const __m512i by_number = _mm512_load_si512(kWide.by_number);
    // Its last four bits choose the power, so that 16 decimals mean 10^0.
    const __m512i powers = _mm512_permutexvar_epi32(by_number, decimals);
    const __m512d few = _mm512_load_pd(kWide.power), many = _mm512_load_pd(kWide.power + 8);
    const __m512d eight_power =
        _mm512_permutex2var_pd(few, _mm512_cvtepu32_epi64(_mm512_castsi512_si256(powers)), many);
    const __m512d four_power =
        _mm512_permutex2var_pd(few, _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(powers, 1)), many);
    const __m256 first_eight = _mm512_cvtpd_ps(_mm512_div_pd(_mm512_cvtepu64_pd(eight_whole), eight_power));
    const __m128 last_four =
        _mm256_cvtpd_ps(_mm256_div_pd(_mm256_cvtepu64_pd(four_whole), _mm512_castpd512_pd256(four_power)));
    const __m512i sign = _mm512_permutexvar_epi32(by_number, _mm512_cvtepu16_epi32(sixteenths(signs)));
    const __m512i found = _mm512_castps_si512(
        _mm512_insertf32x8(_mm512_castps256_ps512(first_eight), _mm256_castps128_ps256(last_four), 1));
    const __m512i signed_ = _mm512_mask_xor_epi32(found, _mm512_test_epi32_mask(sign, sign), found,
                                                  _mm512_set1_epi32(static_cast<int>(0x80000000)));
    _mm512_mask_storeu_epi32(out, static_cast<__mmask16>((1u << fields) - 1), signed_);
    return static_cast<std::size_t>(length);
}

// As short_lines_avx2.
__attribute__((target(SKELETON_FILE_AVX512_TARGET))) inline int short_lines_avx512(const char*& at,
                                                                                   const char* end,
                                                                                   float* rows, int fields,
                                                                                   int most) {
    int lines = 0;
    // One byte more than the reach, for the newline behind a carriage return.
    for (; lines < most && end - at > static_cast<std::ptrdiff_t>(kLineReach); ++lines) {
        const std::size_t length = twelve_short_decimals_avx512(at, rows + lines * fields, fields);
        const char* stop = at + length;
        stop += *stop == '\r';
        if (length == 0 || *stop != '\n') break;
        at = stop + 1;
    }
    return lines;
}

}  // namespace skeleton_file
#endif
