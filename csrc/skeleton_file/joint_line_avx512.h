// Parses a line of twelve short decimals with AVX-512 (VBMI2), like joint_line.h but without a loop over the
// numbers.
//
// The places of the blanks are compressed to bytes. One permutation of the line's bytes moves each number to
// the end of 16 bytes of its own, four numbers per register. The checks of a number (digits only, one point)
// are done on the 16 bits that its bytes have in a mask.
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

// A register has four numbers of 16 bytes. Their order is such that the packing below restores the order of
// the line. If only the first three numbers are wanted, they are in the last register.
template <bool kPositions>
struct WideTables {
    // The first number of the eight in two registers, and of the four in the last one.
    static constexpr int kEight = kPositions ? 4 : 0, kFour = kPositions ? 0 : 8;
    static constexpr int kNumber[3][4] = {{kEight, kEight + 2, kEight + 4, kEight + 6},
                                          {kEight + 1, kEight + 3, kEight + 5, kEight + 7},
                                          {kFour, kFour + 2, kFour + 1, kFour + 3}};
    // For each byte of each register: its number.
    alignas(64) std::uint8_t number[3][64];
    // For each byte of each register: the place of its number in the registers.
    alignas(64) std::uint8_t place[3][64];
    // 0 to 63.
    alignas(64) std::uint8_t byte[64];
    // 0 to 15, four times.
    alignas(64) std::uint8_t lane[64];
    // For each number: its place in the registers.
    alignas(64) std::uint32_t by_number[16];
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
template <bool kPositions>
inline constexpr WideTables<kPositions> kWide;

// Like twelve_short_decimals, with three differences. It reads nothing before `line`. It leaves numbers that
// end with their point to the slow path. With kPositions it writes only the first three numbers.
template <bool kPositions>
__attribute__((always_inline, target(SKELETON_FILE_AVX512_TARGET))) inline std::size_t
twelve_short_decimals_avx512(const char* line, float* out) {
    constexpr const WideTables<kPositions>& kTables = kWide<kPositions>;
    constexpr std::uint32_t kAll = 0xFFF;
    const __m512i low = _mm512_loadu_si512(line), high = _mm512_loadu_si512(line + 64);
    const __m512i space = _mm512_set1_epi8(' ');
    const std::uint64_t low_control = _mm512_cmplt_epi8_mask(low, space);
    const std::uint64_t high_control = _mm512_cmplt_epi8_mask(high, space);
    const std::uint64_t low_blank = _mm512_cmple_epi8_mask(low, space);
    const std::uint64_t high_blank = _mm512_cmple_epi8_mask(high, space);
    const int length = low_control ? std::countr_zero(low_control) : 64 + std::countr_zero(high_control);

    // The ends of the numbers: the blanks of the first half, then those of the second half.
    const __m512i byte = _mm512_load_si512(kTables.byte);
    const __m128i lane16 = _mm512_castsi512_si128(byte);
    const __m128i in_low = _mm512_castsi512_si128(_mm512_maskz_compress_epi8(low_blank, byte));
    const __m128i in_high = _mm512_castsi512_si128(
        _mm512_maskz_compress_epi8(high_blank, _mm512_add_epi8(byte, _mm512_set1_epi8(64))));
    const __m128i behind = _mm_sub_epi8(lane16, _mm_set1_epi8(static_cast<char>(std::popcount(low_blank))));
    const __m128i ends = _mm_or_si128(in_low, _mm_shuffle_epi8(in_high, behind));
    // The first control character must end the twelfth number. So spaces end the others.
    if (_mm_extract_epi8(ends, 11) != length || length == static_cast<int>(kLineReach)) return 0;
    // The begins of the numbers, after their signs.
    const __m128i one = _mm_set1_epi8(1);
    const __m128i starts = _mm_add_epi8(_mm_slli_si128(ends, 1), _mm_min_epu8(lane16, one));
    const __m128i firsts =
        _mm512_castsi512_si128(_mm512_permutex2var_epi8(low, _mm512_castsi128_si512(starts), high));
    const __mmask16 negative = _mm_cmpeq_epi8_mask(firsts, _mm_set1_epi8('-'));
    const __m128i begins = _mm_mask_add_epi8(starts, negative, starts, one);
    // The bytes of a number, minus one.
    const __m128i most = _mm_sub_epi8(_mm_sub_epi8(ends, begins), one);
    std::uint32_t unusual = _mm_cmpgt_epu8_mask(most, _mm_set1_epi8(kMostBytes - 1)) & kAll;

    const __m512i lane = _mm512_load_si512(kTables.lane);
    __m512i values[3];
    std::uint64_t points[3], wrong = 0;
    for (int group = 0; group < 3; ++group) {
        const __m512i number = _mm512_load_si512(kTables.number[group]);
        const __m512i end = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(ends), number);
        const __m512i begin = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(begins), number);
        const __m512i at = _mm512_add_epi8(end, _mm512_sub_epi8(lane, _mm512_set1_epi8(16)));
        const __m512i text = _mm512_permutex2var_epi8(low, at, high);
        values[group] = _mm512_maskz_sub_epi8(_mm512_cmpge_epi8_mask(at, begin), text, _mm512_set1_epi8('0'));
        points[group] = _mm512_cmpeq_epi8_mask(values[group], _mm512_set1_epi8('.' - '0'));
        wrong |= _mm512_cmpgt_epu8_mask(values[group], _mm512_set1_epi8(9)) ^ points[group];
    }
    // 16 bits for each number: at most one point, and digits after it.
    const __m256i point =
        _mm256_set_epi64x(0, static_cast<long long>(points[2]), static_cast<long long>(points[1]),
                          static_cast<long long>(points[0]));
    const __m256i others = _mm256_and_si256(point, _mm256_sub_epi16(point, _mm256_set1_epi16(1)));
    const __m256i last = _mm256_and_si256(point, _mm256_set1_epi16(static_cast<short>(0x8000)));
    unusual |= !_mm256_testz_si256(_mm256_or_si256(others, last), _mm256_set1_epi8(-1));
    if ((unusual | wrong) != 0) return 0;

    // The number of zeros above the point is the number of decimals, 16 without a point. The last four bits
    // select the power of ten, so 16 decimals select 10^0.
    const __m512i decimals =
        _mm512_sub_epi32(_mm512_lzcnt_epi32(_mm512_cvtepu16_epi32(point)), _mm512_set1_epi32(16));
    const __m512i decimal_bytes = _mm512_broadcast_i32x4(_mm512_cvtepi32_epi8(decimals));
    for (int group = kPositions ? 2 : 0; group < 3; ++group) {
        const __m512i after = _mm512_shuffle_epi8(decimal_bytes, _mm512_load_si512(kTables.place[group]));
        const __mmask64 before = _mm512_cmple_epi8_mask(_mm512_add_epi8(lane, after), _mm512_set1_epi8(15));
        const __m512i from = _mm512_mask_sub_epi8(lane, before, lane, _mm512_set1_epi8(1));
        const __m512i joined = _mm512_shuffle_epi8(values[group], from);
        // Weights 10 and 1, then 100 and 1.
        const __m512i twos = _mm512_maddubs_epi16(joined, _mm512_set1_epi16(0x010A));
        values[group] = _mm512_madd_epi16(twos, _mm512_set1_epi32(0x10064));
    }
    // The upper eight digits of a number in 32 bits, the lower eight in the next 32 bits (weights 10000 and
    // 1), then all of them.
    const __m512i powers = _mm512_permutexvar_epi32(_mm512_load_si512(kTables.by_number), decimals);
    const __m512d few = _mm512_load_pd(kTables.power), many = _mm512_load_pd(kTables.power + 8);
    const __m256i four = _mm256_madd_epi16(
        _mm256_packus_epi32(_mm512_castsi512_si256(values[2]), _mm512_extracti64x4_epi64(values[2], 1)),
        _mm256_set1_epi32(0x12710));
    const __m256i four_whole =
        _mm256_add_epi64(_mm256_mul_epu32(four, _mm256_set1_epi64x(100000000)), _mm256_srli_epi64(four, 32));
    const __m256i four_powers =
        kPositions ? _mm512_castsi512_si256(powers) : _mm512_extracti64x4_epi64(powers, 1);
    const __m512d four_power = _mm512_permutex2var_pd(few, _mm512_cvtepu32_epi64(four_powers), many);
    const __m128 four_found =
        _mm256_cvtpd_ps(_mm256_div_pd(_mm256_cvtepu64_pd(four_whole), _mm512_castpd512_pd256(four_power)));
    const __m512i sign = _mm512_set1_epi32(static_cast<int>(0x80000000));
    if constexpr (kPositions) {
        const __m128i found = _mm_castps_si128(four_found);
        _mm_mask_storeu_epi32(
            out, 0x7,
            _mm_mask_xor_epi32(found, static_cast<__mmask8>(negative), found, _mm512_castsi512_si128(sign)));
    } else {
        const __m512i eight =
            _mm512_madd_epi16(_mm512_packus_epi32(values[0], values[1]), _mm512_set1_epi32(0x12710));
        const __m512i eight_whole = _mm512_add_epi64(_mm512_mul_epu32(eight, _mm512_set1_epi64(100000000)),
                                                     _mm512_srli_epi64(eight, 32));
        const __m512d eight_power =
            _mm512_permutex2var_pd(few, _mm512_cvtepu32_epi64(_mm512_castsi512_si256(powers)), many);
        const __m256 eight_found =
            _mm512_cvtpd_ps(_mm512_div_pd(_mm512_cvtepu64_pd(eight_whole), eight_power));
        const __m512i found = _mm512_castps_si512(
            _mm512_insertf32x8(_mm512_castps256_ps512(eight_found), _mm256_castps128_ps256(four_found), 1));
        _mm512_mask_storeu_epi32(out, kAll, _mm512_mask_xor_epi32(found, negative, found, sign));
    }
    return static_cast<std::size_t>(length);
}

// Like short_lines_avx2, for the first kFields numbers.
template <int kFields>
__attribute__((target(SKELETON_FILE_AVX512_TARGET))) inline int short_lines_avx512(const char*& at,
                                                                                   const char* end,
                                                                                   float* rows, int most) {
    static_assert(kFields == 3 || kFields == 12);
    int lines = 0;
    // One byte more than the reach, for the newline after a carriage return.
    for (; lines < most && end - at > static_cast<std::ptrdiff_t>(kLineReach); ++lines) {
        const std::size_t length = twelve_short_decimals_avx512<kFields == 3>(at, rows + lines * kFields);
        const char* stop = at + length;
        stop += *stop == '\r';
        if (length == 0 || *stop != '\n') break;
        at = stop + 1;
    }
    return lines;
}

}  // namespace skeleton_file
#endif
