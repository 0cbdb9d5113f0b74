// The contrastive kernels of every level without torch, for the sanitizers. tests/csrc/run.py builds and runs
// this test. Also the index arithmetic of all pairs of tiles, for the CPU and the CUDA grid.
#include <pthread.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "contrastive/crew.h"
#include "contrastive/kernels.h"
#include "contrastive/tile_pairs.h"
#include "isa/dispatch.h"
#include "isa/parallel.h"

namespace skelbench {

namespace {
struct Range {
    int64_t begin, end;
    void (*body)(int64_t, int64_t, void*);
    void* context;
};
}  // namespace

// Two real threads, so that pairs of blocks wait for each other.
void parallel_ranges(int64_t count, int64_t, void (*body)(int64_t, int64_t, void*), void* context) {
    if (count <= 0) return;
    Range half{0, count / 2, body, context};
    pthread_t thread;
    const auto run = [](void* p) -> void* {
        const Range* r = static_cast<Range*>(p);
        if (r->end > r->begin) r->body(r->begin, r->end, r->context);
        return nullptr;
    };
    if (pthread_create(&thread, nullptr, run, &half)) std::abort();
    body(count / 2, count, context);
    pthread_join(thread, nullptr);
}

int64_t parallel_threads() {
    return 2;
}

}  // namespace skelbench

namespace {

using namespace skelbench;
using namespace skelbench::contrastive;

int failures = 0;

void expect(bool ok, const char* what, int64_t a, int64_t b) {
    if (ok) return;
    if (++failures <= 20)
        std::printf("FAILED: %s (%lld, %lld)\n", what, static_cast<long long>(a), static_cast<long long>(b));
}

// Every pair exactly once, and no block twice in a round.
template <class Rounds>
void check_rounds(const Rounds& rounds, int64_t a_blocks, int64_t b_blocks, bool square) {
    std::set<std::pair<int64_t, int64_t>> met;
    for (int64_t round = 0; round < rounds.rounds(); ++round) {
        std::set<std::pair<bool, int64_t>> busy;
        for (int64_t slot = 0; slot < rounds.slots(round); ++slot) {
            const Pair pair = rounds.pair(round, slot);
            if (pair.a < a_blocks)
                expect(busy.insert({false, pair.a}).second, "a block is busy once", round, pair.a);
            if (pair.b < b_blocks && !(square && pair.a == pair.b))
                expect(busy.insert({!square, pair.b}).second, "b block is busy once", round, pair.b);
            if (pair.a >= a_blocks || pair.b >= b_blocks) continue;
            if (square) expect(pair.a <= pair.b, "upper triangle", pair.a, pair.b);
            expect(met.insert({pair.a, pair.b}).second, "a pair meets once", pair.a, pair.b);
        }
    }
    const int64_t all = square ? a_blocks * (a_blocks + 1) / 2 : a_blocks * b_blocks;
    expect(static_cast<int64_t>(met.size()) == all, "all pairs meet", a_blocks, b_blocks);
    expect(rounds.pairs() == all, "pairs are counted", a_blocks, b_blocks);
}

// Ordered pairs of tiles served by the CUDA grid: each exactly once.
void check_grid(const Grid& grid) {
    std::set<std::pair<int64_t, int64_t>> served;
    for (int64_t block = 0; block < grid.blocks(); ++block) {
        const Grid::Work work = grid.work(block);
        for (int64_t b = work.b; b < work.b_end; ++b) {
            expect(work.a < grid.a_tiles && b < grid.b_tiles, "tiles exist", work.a, b);
            expect(served.insert({work.a, b}).second, "a tile is served once", work.a, b);
            if (grid.mirrored(work.a, b))
                expect(served.insert({b, work.a}).second, "mirror is served once", b, work.a);
        }
    }
    expect(static_cast<int64_t>(served.size()) == grid.a_tiles * grid.b_tiles, "all tiles", grid.a_tiles,
           grid.b_tiles);
}

// The nearest number with eight significant bits, which is a bfloat16 number.
double rounded(double x) {
    int exponent;
    const double fraction = std::frexp(x, &exponent);
    return std::ldexp(std::round(std::ldexp(fraction, 8)), exponent - 8);
}

// The square form on unit rows, against plain loops in double. bf16: the floats are bfloat16 numbers, and the
// kernel also rounds the weights of the gradient to bfloat16.
template <class T>
void check_kernels(const Entry<T>& entry, const char* level, int64_t n, int64_t d, int classes, bool shared,
                   bool shuffled, bool keep, bool bf16 = false) {
    std::mt19937 random(static_cast<unsigned>(n * 31 + d));
    std::normal_distribution<double> normal;
    std::vector<T> z(n * d), grad(n * d, T(-7)), norms(n);
    for (int64_t i = 0; i < n; ++i) {
        double norm = 0;
        for (int64_t c = 0; c < d; ++c) norm += std::pow(z[i * d + c] = static_cast<T>(normal(random)), 2);
        for (int64_t c = 0; c < d; ++c) {
            const double unit = z[i * d + c] / std::sqrt(norm);
            z[i * d + c] = static_cast<T>(bf16 ? rounded(unit) : unit);
        }
    }
    std::vector<int32_t> order(n), cls(n + kPad, -1), self(n + kPad, -1);
    for (int64_t i = 0; i < n; ++i) {
        order[i] = static_cast<int32_t>(shuffled ? n - 1 - i : i);
        cls[i] = static_cast<int32_t>(i * classes / n);
        self[i] = static_cast<int32_t>(i);
    }
    const double temperature = 0.1, k1 = 3.0, k2 = 0.5, log2e = 1.4426950408889634;
    Problem<T> p{};
    p.anchors = p.contrasts = {z.data(), n, order.data(), cls.data(), !shuffled};
    p.square = true;
    p.d = d;
    p.self = self.data();
    p.scale = log2e / temperature;
    p.k1 = k1;
    p.k2 = k2;
    p.shared_shift = shared;
    p.shift = static_cast<T>(p.scale);
    p.threads = keep ? 2 : 1;
    double alone = 0;
    p.seconds_alone = &alone;
    std::vector<T> shift(n + kPad), weight(n + kPad), share(n + kPad);
    std::vector<double> sum(n + kPad), positive(n + kPad);
    entry.squared_norms(z.data(), n, d, norms.data());
    for (T x : norms) expect(std::abs(x - 1) < (bf16 ? 1e-2 : 1e-5), level, n, d);
    const Passes<T> passes(entry, p, keep);
    passes.forward({shift.data(), sum.data(), positive.data()});

    const auto dot = [&](int64_t i, int64_t j) {
        double s = 0;
        for (int64_t c = 0; c < d; ++c) s += double(z[order[i] * d + c]) * double(z[order[j] * d + c]);
        return s;
    };
    std::vector<double> denominator(n), expected(n * d);
    std::vector<int> count(n);
    for (int64_t i = 0; i < n; ++i) {
        double sum_positive = 0;
        for (int64_t j = 0; j < n; ++j) {
            if (j == i) continue;
            const double s = dot(i, j), e = std::exp(s / temperature);
            denominator[i] += cls[i] == cls[j] ? e + k1 * std::exp(-s) : k2 * e;
            sum_positive += cls[i] == cls[j] ? s : 0;
            count[i] += cls[i] == cls[j];
        }
        if (!count[i]) continue;
        const double ours = std::log(sum[i]) + shift[i] / log2e;
        expect(std::abs(ours - std::log(denominator[i])) < 1e-5, level, n, d);
        expect(std::abs(positive[i] - sum_positive) < 1e-5 * (1 + count[i]), level, n, d);
    }
    for (int64_t i = 0; i < n; ++i) {
        const double log2_sum = std::log2(denominator[i] > 0 ? denominator[i] : 1);
        if (!shared) shift[i] = static_cast<T>(count[i] ? log2_sum : 1e30);
        weight[i] = static_cast<T>(count[i] ? std::exp2(shift[i] - log2_sum) / temperature : 0);
        share[i] = static_cast<T>(count[i] ? 1 / (temperature * count[i]) : 0);
        for (int64_t j = 0; j < n; ++j) {
            if (j == i || !count[i]) continue;
            const double s = dot(i, j), e = std::exp(s / temperature);
            const double w = cls[i] == cls[j] ? (e / temperature - k1 * std::exp(-s)) / denominator[i] -
                                                    1 / (temperature * count[i])
                                              : k2 * e / temperature / denominator[i];
            for (int64_t c = 0; c < d; ++c) {
                expected[order[i] * d + c] += w * z[order[j] * d + c];
                expected[order[j] * d + c] += w * z[order[i] * d + c];
            }
        }
    }
    passes.backward({shift.data(), weight.data(), share.data(), temperature, grad.data(), nullptr});
    expect(alone > 0, "seconds alone", n, d);
    for (int64_t e = 0; e < n * d; ++e)
        expect(std::abs(grad[e] - expected[e]) < (bf16 ? 5e-2 : 1e-3), level, n, d);
}

// After two calls in a row that took longer than one thread would, some calls get one thread, after two
// further ones more.
void check_crew() {
    constexpr int64_t many = 1 << 20;
    const auto call = [](int64_t pairs, double alone) {
        Crew crew;
        *crew.seconds_alone() = alone;
        return crew.threads(pairs);
    };
    // Calls of one thread before threads are tried again.
    const auto calls_alone = [&](double seconds) {
        int64_t count = 0;
        while (call(many, seconds) == 1) ++count;
        return count;
    };
    constexpr double quiet = 1e9, busy = 1e-12;
    expect(call(many, quiet) == 2 && call(many, quiet) == 2, "quiet calls get threads", 0, 0);
    expect(call(1, busy) == 1 && call(many, quiet) == 2, "a small call gets one", 0, 0);
    expect(call(many, busy) == 2 && call(many, quiet) == 2 && call(many, busy) == 2, "one busy call", 0, 0);
    expect(call(many, busy) == 2, "a second busy call", 0, 0);
    const int64_t first = calls_alone(busy);
    expect(call(many, busy) == 2, "a second busy call after calls alone", 0, 0);
    const int64_t second = calls_alone(quiet);
    expect(first > 0 && second > first, "calls alone", first, second);
}

}  // namespace

int main() {
    check_crew();
    for (int64_t blocks = 0; blocks <= 17; ++blocks) {
        check_rounds(SquareRounds{blocks}, blocks, blocks, true);
        for (int64_t other : {0, 1, 2, 5, 17}) {
            check_rounds(RectangleRounds{blocks, other}, blocks, other, false);
            for (bool deterministic : {false, true}) check_grid({blocks, other, false, deterministic});
        }
        for (bool deterministic : {false, true}) check_grid({blocks, blocks, true, deterministic});
    }
    for (int level = 0; level <= best_level(); ++level) {
        use_level(level);
        const char* name = level_name(level);
        const Entry<float>* bf16 = dispatch<&Kernels::bf16>();
        for (int64_t n : {1, 2, 3, 63, 64, 65, 200})
            for (int64_t d : {1, 16, 37})
                for (bool shuffled : {false, true}) {
                    for (bool keep : {false, true}) {
                        for (bool shared : {true, false}) {
                            check_kernels(*dispatch<&Kernels::f32>(), name, n, d, 5, shared, shuffled, keep);
                            check_kernels(*dispatch<&Kernels::f64>(), "f64", n, d, static_cast<int>(n),
                                          shared, shuffled, keep);
                        }
                        if (bf16) check_kernels(*bf16, name, n, d, 5, true, shuffled, keep, true);
                    }
                }
        std::printf("%s: done\n", name);
    }
    if (failures) std::printf("%d failures\n", failures);
    return failures != 0;
}
