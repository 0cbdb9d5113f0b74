// Fuzzes the parser: mutated files, each in a heap block of its exact size, so that AddressSanitizer sees any
// byte read beyond it. Build and run for N seconds with the seed files given:
//
//   g++ -O1 -g -std=c++20 -fsanitize=address,undefined -fno-sanitize-recover=all -Icsrc
//   csrc/skeleton_file/fuzz.cpp -o fuzz
//   ./fuzz 30 a.skeleton b.skeleton
//
// With clang, the same file serves libFuzzer: -DSKELBENCH_LIBFUZZER -fsanitize=fuzzer,address,undefined.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "skeleton_file/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const skeleton_file::Recording out =
            skeleton_file::Parser({reinterpret_cast<const char*>(data), size}).parse();
        std::size_t bodies = 0;
        for (const std::int32_t count : out.bodies) bodies += static_cast<std::size_t>(count);
        const bool fits = bodies == out.ids.size() &&
                          out.body_fields.size() == bodies * skeleton_file::kBodyFields &&
                          out.joints.size() == bodies * skeleton_file::kJoints * skeleton_file::kJointFields;
        if (!fits) std::abort();
    } catch (const skeleton_file::ParseError&) {
    }
    return 0;
}

#ifndef SKELBENCH_LIBFUZZER
int main(int argc, char** argv) {
    std::vector<std::string> seeds = {"1\n0\n"};
    for (int i = 2; i < argc; ++i) {
        std::ifstream file(argv[i], std::ios::binary);
        seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    static constexpr std::string_view kPieces[] = {"\n", " ",     "\r\n",   "-",  ".",
                                                   "e",  "1e999", "nan",    "25", "24",
                                                   "0",  "-inf",  "1e-400", "\t", "18446744073709551616"};
    std::mt19937_64 random(1);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    const auto stop =
        std::chrono::steady_clock::now() + std::chrono::seconds(argc > 1 ? std::atoi(argv[1]) : 10);
    std::uint64_t runs = 0;
    for (; std::chrono::steady_clock::now() < stop; ++runs) {
        std::string text = seeds[below(seeds.size())];
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
