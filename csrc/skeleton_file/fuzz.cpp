// Fuzzes the parser on every ISA level with mutated files. Each is in a heap block of its exact size, so
// AddressSanitizer sees any byte that is read beyond it. `python tests/csrc/fuzz.py` builds and runs this
// file: with libFuzzer (SKELBENCH_LIBFUZZER) if clang has it, otherwise alone as ./fuzz SECONDS FAILED
// SEED... An input that fails is written to the file FAILED.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <sanitizer/common_interface_defs.h>

#include "skeleton_file/parser.h"

namespace {

using skeleton_file::Isa;
using skeleton_file::Recording;

// The recording, or the error's text.
std::string parse(std::string_view text, int fields, Isa isa, Recording& out) {
    try {
        out = skeleton_file::Parser(text, fields, isa).parse();
    } catch (const skeleton_file::ParseError& error) {
        return error.what();
    }
    std::size_t bodies = 0;
    for (const std::int32_t count : out.bodies) bodies += static_cast<std::size_t>(count);
    const auto row = static_cast<std::size_t>(fields);
    const bool fits = bodies == out.ids.size() &&
                      out.body_fields.size() == bodies * skeleton_file::kBodyFields &&
                      out.joints.size() == bodies * skeleton_file::kJoints * row;
    if (!fits) std::abort();
    return "";
}

template <class Floats>
bool same_bits(const Floats& a, const Floats& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), 4 * a.size()) == 0);
}

}  // namespace

// Every ISA level must give the same result, and so must reading the positions alone.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    Recording plain;
    const std::string error = parse(text, skeleton_file::kJointFields, Isa::scalar, plain);
    decltype(plain.joints) positions;
    for (std::size_t at = 0; at < plain.joints.size(); at += skeleton_file::kJointFields) {
        positions.insert(positions.end(), &plain.joints[at], &plain.joints[at] + skeleton_file::kPosition);
    }
    for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512}) {
        if (isa > skeleton_file::best_isa()) break;
        for (const int fields : {skeleton_file::kJointFields, skeleton_file::kPosition}) {
            Recording found;
            if (parse(text, fields, isa, found) != error) std::abort();
            const auto& joints = fields == skeleton_file::kPosition ? positions : plain.joints;
            const bool same = found.bodies == plain.bodies && found.ids == plain.ids &&
                              same_bits(found.body_fields, plain.body_fields) &&
                              same_bits(found.joints, joints);
            if (error.empty() && !same) std::abort();
        }
    }
    return 0;
}

#ifndef SKELBENCH_LIBFUZZER
int main(int argc, char** argv) {
    if (argc < 4) return 2;
    std::vector<std::string> seeds;
    for (int i = 3; i < argc; ++i) {
        std::ifstream file(argv[i], std::ios::binary);
        seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    static std::string text;
    static const char* const failed = argv[2];
    __sanitizer_set_death_callback([] { std::ofstream(failed, std::ios::binary) << text; });
    static constexpr std::string_view kPieces[] = {"\n", " ",     "\r\n",   "-",  ".",
                                                   "e",  "1e999", "nan",    "25", "24",
                                                   "0",  "-inf",  "1e-400", "\t", "18446744073709551616"};
    std::mt19937_64 random(1);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    const auto stop = std::chrono::steady_clock::now() + std::chrono::seconds(std::atoi(argv[1]));
    std::uint64_t runs = 0;
    for (; std::chrono::steady_clock::now() < stop; ++runs) {
        text = seeds[below(seeds.size())];
        for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
            const std::size_t at = below(text.size() + 1);
            switch (below(5)) {
                case 0:
                    text.resize(at);
                    break;
                case 1:
                    text.insert(at, kPieces[below(std::size(kPieces))]);
                    break;
                case 2:
                    text.erase(at, below(40));
                    break;
                case 3:
                    text.insert(at, 1, static_cast<char>(random()));
                    break;
                default:
                    text.replace(at, below(12), kPieces[below(std::size(kPieces))]);
            }
        }
        const auto exact = std::make_unique<std::uint8_t[]>(text.size());
        std::copy(text.begin(), text.end(), exact.get());
        LLVMFuzzerTestOneInput(exact.get(), text.size());
    }
    std::printf("%llu inputs\n", static_cast<unsigned long long>(runs));
}
#endif
