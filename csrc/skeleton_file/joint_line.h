// Parses a line of twelve short decimals with AVX2. Nearly all bytes of a .skeleton file are such lines.
//
// The blanks of the line are found 32 bytes at a time (as in Langdale and Lemire, "Parsing gigabytes of JSON
// per second", 2019). A number is then loaded as the 16 bytes that end where it ends. Its digits are joined
// over the point and combined by multiply-adds. Anything unusual (an exponent, a NaN, two blanks) is left to
// the parser's slow path.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define SKELETON_FILE_AVX2 1
#define SKELETON_FILE_TARGET "avx2,bmi,lzcnt,popcnt"
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace skeleton_file {

// Bytes that are read from the begin of a line.
constexpr std::size_t kLineReach = 128;
// Bytes that are read before the end of a number.
constexpr std::size_t kNumberReach = 16;
// The most bytes of a number, without its sign.
constexpr unsigned kMostBytes = 15;

inline bool has_avx2() {
    static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                            __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("lzcnt");
    return has;
}

struct LineTables {
    // Indexed by the bytes after the point (16: no point): a shuffle that joins the digits.
    alignas(16) std::uint8_t join[17][16];
    // Indexed by the bytes of a number: a mask that clears what comes before it.
    alignas(16) std::uint8_t keep[17][16];
    // Indexed by the sign and the number of decimals.
    double power[2][17];
    // Indexed by the bytes of a number: one bit for each.
    std::uint32_t bytes[17];

    constexpr LineTables() : join(), keep(), power(), bytes() {
        for (int n = 0; n <= 16; ++n) {
            for (int i = 0; i < 16; ++i) {
                const int from = i > 15 - n || n == 16 ? i : i - 1;
                join[n][i] = from < 0 ? 0x80 : static_cast<std::uint8_t>(from);
                keep[n][i] = i >= 16 - n ? 0xFF : 0;
            }
            // Exact up to 1e22.
            power[0][n] = n == 0 || n == 16 ? 1.0 : power[0][n - 1] * 10;
            power[1][n] = -power[0][n];
            bytes[n] = (0xFFFFu << (16 - n)) & 0xFFFFu;
        }
    }
};
inline constexpr LineTables kLine;

// Reads `[-]digits[.digits]` twelve times, with one blank between, from `line`. kLineReach bytes of the line
// and kNumberReach bytes before it must be readable. Writes the nearest doubles rounded to float. Returns the
// number of bytes up to the newline or carriage return, or 0 if the line is not of this form.
//
// A mantissa below 10^15 divided by an exact power of ten is rounded once (Clinger 1990).
__attribute__((always_inline, target(SKELETON_FILE_TARGET))) inline std::size_t twelve_short_decimals(
    const char* line, float* out) {
    constexpr int kNumbers = 12;
    // A bit for each byte: at most ' ', and below ' ' (as signed bytes).
    std::uint32_t blank[4], control[4];
    for (int i = 0; i < 4; ++i) {
        const __m256i text = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(line + 32 * i));
        const __m256i space = _mm256_set1_epi8(' ');
        const __m256i below = _mm256_cmpgt_epi8(space, text);
        control[i] = static_cast<std::uint32_t>(_mm256_movemask_epi8(below));
        blank[i] =
            control[i] | static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(text, space)));
    }
    const auto joined = [](const std::uint32_t* half) { return half[0] | std::uint64_t{half[1]} << 32; };
    std::uint64_t low = joined(blank), high = joined(blank + 2);
    const int in_low = std::popcount(low);
    // Ends beyond the last one found are 64 or 128. They are overwritten or not used.
    int ends[2 * kNumbers];
    if (in_low > kNumbers) return 0;
    for (int i = 0; i < kNumbers; ++i, low &= low - 1) ends[i] = std::countr_zero(low);
    for (int i = 0; i < kNumbers; ++i, high &= high - 1) ends[in_low + i] = 64 + std::countr_zero(high);
    // The first control character must end the twelfth number. So spaces end the others.
    const std::uint64_t low_control = joined(control), high_control = joined(control + 2);
    const int length = low_control ? std::countr_zero(low_control) : 64 + std::countr_zero(high_control);
    if (ends[kNumbers - 1] != length || length == static_cast<int>(kLineReach)) return 0;

    alignas(32) std::uint8_t digits[kNumbers][16];
    alignas(32) double powers[kNumbers];
    std::uint32_t unusual = 0;
    int begin = 0;
    for (int i = 0; i < kNumbers; ++i) {
        const int end = ends[i];
        const int negative = line[begin] == '-';
        const unsigned size = static_cast<unsigned>(end - begin - negative);
        if (size - 1 >= kMostBytes) return 0;
        const __m128i text =
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(line + end - static_cast<int>(kNumberReach)));
        const __m128i value = _mm_sub_epi8(text, _mm_set1_epi8('0'));
        const __m128i small = _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);
        const std::uint32_t bytes = kLine.bytes[size];
        const std::uint32_t found = static_cast<std::uint32_t>(_mm_movemask_epi8(small)) & bytes;
        const __m128i is_point = _mm_cmpeq_epi8(text, _mm_set1_epi8('.'));
        const std::uint32_t point = static_cast<std::uint32_t>(_mm_movemask_epi8(is_point)) & bytes;
        // All bytes are digits, except for at most one point. There is at least one digit.
        unusual |= (found ^ point ^ bytes) | (point & (point - 1)) | ((found - 1) >> 16);
        // Bit 15 is the last byte. The number of zeros above the point is the number of decimals, 16 without
        // a point.
        const unsigned decimals = static_cast<unsigned>(std::countl_zero(point << 16 | 0x8000));
        const __m128i keep = _mm_load_si128(reinterpret_cast<const __m128i*>(kLine.keep[size]));
        const __m128i join = _mm_load_si128(reinterpret_cast<const __m128i*>(kLine.join[decimals]));
        _mm_store_si128(reinterpret_cast<__m128i*>(digits[i]),
                        _mm_shuffle_epi8(_mm_and_si128(value, keep), join));
        powers[i] = kLine.power[negative][decimals];
        begin = end + 1;
    }
    if (unusual) return 0;
    const __m256i order = _mm256_setr_epi32(0, 4, 2, 6, 1, 5, 3, 7);
    for (int i = 0; i < kNumbers; i += 4) {
        // The digits of two numbers each, in groups of four.
        __m256i fours[2];
        for (int pair = 0; pair < 2; ++pair) {
            const auto* two = reinterpret_cast<const __m128i*>(digits[i + 2 * pair]);
            // Loaded in halves, as they were stored. A load that spans two recent stores waits for both.
            const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(two[0]), two[1], 1);
            // Weights 10 and 1, then 100 and 1.
            const __m256i twos = _mm256_maddubs_epi16(both, _mm256_set1_epi16(0x010A));
            fours[pair] = _mm256_madd_epi16(twos, _mm256_set1_epi32(0x10064));
        }
        const __m256i packed = _mm256_packus_epi32(fours[0], fours[1]);
        // Weights 10000 and 1.
        const __m256i eights = _mm256_madd_epi16(packed, _mm256_set1_epi32(0x12710));
        // The upper eight digits of all numbers, then the lower eight.
        const __m256i sorted = _mm256_permutevar8x32_epi32(eights, order);
        const __m256d upper = _mm256_cvtepi32_pd(_mm256_castsi256_si128(sorted));
        const __m256d lower = _mm256_cvtepi32_pd(_mm256_extracti128_si256(sorted, 1));
        // Exact.
        const __m256d mantissa = _mm256_add_pd(_mm256_mul_pd(upper, _mm256_set1_pd(1e8)), lower);
        _mm_storeu_ps(out + i, _mm256_cvtpd_ps(_mm256_div_pd(mantissa, _mm256_load_pd(powers + i))));
    }
    return static_cast<std::size_t>(length);
}

// Reads up to `most` lines with their newlines, and keeps the first `fields` numbers of each. Moves `at`
// behind them and returns how many it read. Any other character at the end of a line belongs to its last
// number, which is then invalid.
__attribute__((target(SKELETON_FILE_TARGET))) inline int short_lines_avx2(const char*& at, const char* end,
                                                                          float* rows, int fields, int most) {
    int lines = 0;
    // One byte more than the reach, for the newline after a carriage return.
    for (; lines < most && end - at > static_cast<std::ptrdiff_t>(kLineReach); ++lines) {
        float numbers[12];
        const std::size_t length = twelve_short_decimals(at, numbers);
        const char* stop = at + length;
        stop += *stop == '\r';
        if (length == 0 || *stop != '\n') break;
        std::copy_n(numbers, fields, rows + lines * fields);
        at = stop + 1;
    }
    return lines;
}

}  // namespace skeleton_file
#endif
