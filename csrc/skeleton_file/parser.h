// A parser of the NTU .skeleton text format, in one pass over the bytes. It needs neither Python nor torch.
//
//   frames
//   per frame:  bodies
//     per body: bodyID clipedEdges handLeftConfidence handLeftState handRightConfidence handRightState
//               isResticted leanX leanY trackingState
//               25
//       per joint: x y z depthX depthY colorX colorY oW oX oY oZ trackingState
//
// Numbers are read as doubles and rounded to float, as numpy does with the same text.
#pragma once

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "skeleton_file/joint_line.h"
#include "skeleton_file/joint_line_avx512.h"

namespace skeleton_file {

static_assert(std::endian::native == std::endian::little, "leading_digits reads eight bytes as one number");

constexpr int kJoints = 25;
constexpr int kJointFields = 12;
// The first fields of a joint, which must be finite.
constexpr int kPosition = 3;
// Fields of a body after the bodyID.
constexpr int kBodyFields = 9;

// An allocator for vectors whose new elements are not cleared. They have no value until one is written.
template <class T>
struct Uncleared : std::allocator<T> {
    template <class U>
    struct rebind {
        using other = Uncleared<U>;
    };
    template <class U>
    void construct(U* element) {
        ::new (static_cast<void*>(element)) U;
    }
    template <class U, class... Arguments>
    void construct(U* element, Arguments&&... arguments) {
        ::new (static_cast<void*>(element)) U(std::forward<Arguments>(arguments)...);
    }
};

struct Recording {
    // (F,), the bodies in each frame.
    std::vector<std::int32_t> bodies;
    // (B,), the bodyID of each body in each frame, in file order.
    std::vector<std::uint64_t> ids;
    // (B, 9)
    std::vector<float> body_fields;
    // (B, 25, fields kept)
    std::vector<float, Uncleared<float>> joints;
};

// The instruction sets, with the names that SKELBENCH_ISA uses.
enum class Isa { scalar, avx2, avx512 };

inline const char* name_of(Isa isa) {
    return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "scalar";
}

inline Isa best_isa() {
#ifdef SKELETON_FILE_AVX2
    return has_avx512() ? Isa::avx512 : has_avx2() ? Isa::avx2 : Isa::scalar;
#else
    return Isa::scalar;
#endif
}

class ParseError : public std::runtime_error {
public:
    ParseError(std::int64_t line, const std::string& what)
        : std::runtime_error("line " + std::to_string(line) + ": " + what) {}
};

class Parser {
public:
    // Reads and checks every field. Of the twelve fields of a joint it keeps the first `fields`, 12 or 3.
    explicit Parser(std::string_view text, int fields = kJointFields, Isa isa = best_isa())
        : at_(text.data()), end_(text.data() + text.size()), fields_(fields), isa_(isa) {}

    Recording parse() {
        Recording out;
        const std::uint64_t frames = count("the number of frames");
        // A body has at least 25 * 24 bytes of text, so a wrong count cannot ask for more memory than the
        // file has bytes.
        const std::size_t likely = static_cast<std::size_t>(end_ - at_) / 2000 + 1;
        out.joints.reserve(likely * kJoints * static_cast<std::size_t>(fields_));
        for (std::uint64_t frame = 0; frame < frames; ++frame) {
            if (at_ == end_) {
                fail("expected frame " + std::to_string(frame + 1) + " of " + std::to_string(frames) +
                     ", but the file ends");
            }
            const std::uint64_t bodies = count("the number of bodies");
            if (bodies > kMaxBodies) fail("expected the number of bodies, found " + std::to_string(bodies));
            out.bodies.push_back(static_cast<std::int32_t>(bodies));
            for (std::uint64_t body = 0; body < bodies; ++body) parse_body(out);
        }
        while (at_ != end_ && is_blank_or_newline(*at_)) {
            line_ += *at_ == '\n';
            ++at_;
        }
        if (at_ != end_) fail("expected the end of the file after " + std::to_string(frames) + " frames");
        return out;
    }

private:
    // Kinect tracks 6 bodies. A larger count is a misread line.
    static constexpr std::uint64_t kMaxBodies = 1000;

    static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
    static bool is_blank_or_newline(char c) { return is_blank(c) || c == '\n'; }
    static bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

    [[noreturn]] void fail(const std::string& what) const { throw ParseError(line_, what); }

    std::string token() const {
        const char* stop = at_;
        while (stop != end_ && !is_blank_or_newline(*stop) && stop - at_ < 24) ++stop;
        if (stop == at_) return at_ == end_ ? "the end of the file" : "the end of the line";
        std::string shown = "'";
        for (const char* c = at_; c != stop; ++c) shown += (*c >= ' ' && *c < 127) ? *c : '?';
        return shown + "'";
    }

    void skip_blanks() {
        while (at_ != end_ && is_blank(*at_)) ++at_;
    }

    void end_line(const char* after) {
        skip_blanks();
        if (at_ == end_) return;
        if (*at_ != '\n')
            fail(std::string("expected the end of the line after ") + after + ", found " + token());
        ++at_;
        ++line_;
    }

    std::uint64_t integer(const char* expected) {
        skip_blanks();
        std::uint64_t value = 0;
        const auto [stop, error] = std::from_chars(at_, end_, value);
        if (error != std::errc() || (stop != end_ && !is_blank_or_newline(*stop))) {
            fail(std::string("expected ") + expected + ", found " + token());
        }
        at_ = stop;
        return value;
    }

    std::uint64_t count(const char* expected) {
        const std::uint64_t value = integer(expected);
        end_line(expected);
        return value;
    }

    void parse_body(Recording& out) {
        if (at_ == end_) fail("expected a body, but the file ends");
        out.ids.push_back(integer("a bodyID"));
        for (int field = 0; field < kBodyFields; ++field) {
            out.body_fields.push_back(number(field + 1, kBodyFields + 1, "body", false));
        }
        end_line("10 fields of a body");
        const std::uint64_t joints = count("the number of joints");
        if (joints != kJoints) fail_before("expected 25 joints, found " + std::to_string(joints));
        const std::size_t begin = out.joints.size();
        out.joints.resize(begin + static_cast<std::size_t>(kJoints * fields_));
        float* row = out.joints.data() + begin;
        for (int joint = 0; joint < kJoints;) {
            const int lines = short_lines(row, kJoints - joint);
            joint += lines;
            row += lines * fields_;
            if (joint == kJoints) break;
            if (at_ == end_)
                fail("expected joint " + std::to_string(joint + 1) + " of 25, but the file ends");
            for (int field = 0; field < kJointFields; ++field) {
                const float value = number(field, kJointFields, "joint", field < kPosition);
                if (field < fields_) row[field] = value;
            }
            end_line("12 fields of a joint");
            ++joint;
            row += fields_;
        }
    }

    // Reads up to `most` lines of twelve plain numbers, each with vector instructions if the processor has
    // them. Returns how many lines it read.
    int short_lines(float* rows, int most) {
        int lines = 0;
#ifdef SKELETON_FILE_AVX2
        static_assert(kJointFields == 12);
        // The line of the body comes before its joints, so there are enough bytes before the first number.
        if (isa_ == Isa::avx512) {
            lines = fields_ == kPosition ? short_lines_avx512<kPosition>(at_, end_, rows, most)
                                         : short_lines_avx512<kJointFields>(at_, end_, rows, most);
        }
        if (isa_ == Isa::avx2) lines = short_lines_avx2(at_, end_, rows, fields_, most);
#endif
        line_ += lines;
        return lines;
    }

    // For an error on the line before the current one.
    [[noreturn]] void fail_before(const std::string& what) const { throw ParseError(line_ - 1, what); }

    float number(int field, int fields, const char* of, bool finite) {
        skip_blanks();
        const char* start = at_;
        double value = 0;
        if (!short_decimal(value)) value = any_number(start, field, fields, of);
        if (at_ != end_ && !is_blank_or_newline(*at_)) {
            at_ = start;
            fail("expected a number in field " + std::to_string(field + 1) + " of a " + of + ", found " +
                 token());
        }
        const float rounded = static_cast<float>(value);
        if (!std::isfinite(rounded) && (finite || std::isfinite(value))) {
            at_ = start;
            fail("the number in field " + std::to_string(field + 1) + " of a " + of +
                 " is not finite as a float: " + token());
        }
        return rounded;
    }

    // Reads [-]digits[.digits]. A mantissa below 2^53 divided by an exact power of ten is rounded once, so
    // the result is the nearest double (Clinger 1990). Returns false for any other number, which is left to
    // from_chars.
    bool short_decimal(double& value) {
        static constexpr double kPowers[] = {1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7, 1e8,
                                             1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16};
        // Nothing below needs to check for the end of the text.
        if (end_ - at_ < 48) return false;
        const char* at = at_;
        const bool negative = *at == '-';
        at += negative;
        const char* const whole = at;
        std::uint64_t mantissa = 0;
        while (is_digit(*at) && at - whole < 15)
            mantissa = mantissa * 10 + static_cast<std::uint64_t>(*at++ - '0');
        std::ptrdiff_t digits = at - whole, decimals = 0;
        if (*at == '.') {
            ++at;
            decimals = leading_digits(at, mantissa);
            at += decimals;
            if (decimals == 8) {
                const std::ptrdiff_t more = leading_digits(at, mantissa);
                decimals += more;
                at += more;
            }
            digits += decimals;
        }
        if (digits == 0 || digits > 15 || !is_blank_or_newline(*at)) return false;
        value = static_cast<double>(mantissa) / kPowers[decimals];
        if (negative) value = -value;
        at_ = at;
        return true;
    }

    // Appends the digits at `text`, 8 at most, to `mantissa`, and returns how many there are. Eight bytes at
    // a time, as in Lemire, "Number parsing at a gigabyte per second", 2021. A byte c is a digit if and only
    // if (c ^ '0') < 10.
    static std::ptrdiff_t leading_digits(const char* text, std::uint64_t& mantissa) {
        static constexpr std::uint64_t kTens[] = {1,      10,      100,      1000,     10000,
                                                  100000, 1000000, 10000000, 100000000};
        std::uint64_t chunk;
        std::memcpy(&chunk, text, sizeof(chunk));
        chunk ^= 0x3030303030303030;
        const std::uint64_t other = (chunk | (chunk + 0x0606060606060606)) & 0xF0F0F0F0F0F0F0F0;
        const int count = other ? std::countr_zero(other) >> 3 : 8;
        if (count == 0) return 0;
        // The first digit is in the lowest byte. Zeros are put before it.
        chunk <<= 8 * (8 - count);
        chunk = (chunk * 2561) >> 8;
        chunk = ((chunk & 0x00FF00FF00FF00FF) * 6553601) >> 16;
        chunk = ((chunk & 0x0000FFFF0000FFFF) * 42949672960001) >> 32;
        mantissa = mantissa * kTens[count] + chunk;
        return count;
    }

    // Reads any number: with an exponent, a long mantissa, or the NaN and infinities that the coordinate
    // mapper gives for points that it cannot map.
    double any_number(const char* start, int field, int fields, const char* of) {
        double value = 0;
        const auto [stop, error] = std::from_chars(start, end_, value);
        if (error == std::errc::result_out_of_range) {
            const char* c = start;
            bool tiny = false;
            for (; c != stop; ++c) tiny = tiny || ((*c == 'e' || *c == 'E') && c + 1 != stop && c[1] == '-');
            value = tiny ? 0.0 : std::numeric_limits<double>::max();
        } else if (error != std::errc()) {
            if (at_ == end_ || *at_ == '\n') {
                fail("expected " + std::to_string(fields) + " fields of a " + of + ", found " +
                     std::to_string(field));
            }
            fail("expected a number in field " + std::to_string(field + 1) + " of a " + of + ", found " +
                 token());
        }
        at_ = stop;
        return value;
    }

    const char* at_;
    const char* end_;
    std::int64_t line_ = 1;
    const int fields_;
    const Isa isa_;
};

}  // namespace skeleton_file
