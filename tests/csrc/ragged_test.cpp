// The kernels of the padding-free layers of every level without torch, against sums over the padded rows.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "isa/dispatch.h"
#include "isa/one_thread.h"
#include "ragged/kernels.h"

using namespace skelbench;
using namespace skelbench::ragged;

namespace {

int failures = 0;
std::mt19937 generator(1);

std::vector<float> numbers(int64_t count) {
    std::normal_distribution<float> normal;
    std::vector<float> x(count);
    for (float& value : x) value = normal(generator);
    return x;
}

struct Clip {
    int64_t start, frames, bodies, row;
};

// A batch, its plan, and where each number of a packed row lies in the padded row.
struct Batch {
    std::vector<Clip> clips;
    int64_t rows = 0;
    std::vector<Entry> entries;
    std::vector<int64_t> begin{0};
    Plan plan{};

    Batch(int64_t count, int64_t length, int64_t most, int64_t columns) {
        for (int64_t i = 0; i < count; ++i) {
            const int64_t frames = i % 5 == 0 ? length : 1 + static_cast<int64_t>(generator() % length);
            const int64_t start = static_cast<int64_t>(generator() % (length - frames + 1));
            clips.push_back({start, frames, 1 + static_cast<int64_t>(generator() % most), rows});
            rows += frames * clips.back().bodies;
        }
        const int64_t blocks = (length + kBlock - 1) / kBlock;
        for (int64_t block = 0; block < blocks; ++block)
            for (int64_t body = 0; body < most; ++body)
                for (int64_t first = 0; first < kBlock; ++first)
                    for (int64_t last = 0; last < kBlock; ++last) {
                        for (int64_t i = 0; i < count; ++i) {
                            const Clip& c = clips[i];
                            const int64_t from = std::max(c.start, block * kBlock);
                            const int64_t end = std::min(c.start + c.frames, (block + 1) * kBlock);
                            if (body >= c.bodies || from >= end || from - block * kBlock != first ||
                                end - 1 - block * kBlock != last)
                                continue;
                            entries.push_back({static_cast<int32_t>(i), static_cast<int32_t>(c.bodies),
                                               c.row + (from - c.start) * c.bodies + body});
                        }
                        begin.push_back(static_cast<int64_t>(entries.size()));
                    }
        plan = {columns, length, most, blocks, entries.data(), begin.data()};
    }

    // f(clip, packed row, first feature)
    template <class F>
    void each(const F& f) const {
        for (size_t i = 0; i < clips.size(); ++i)
            for (int64_t t = 0; t < clips[i].frames; ++t)
                for (int64_t m = 0; m < clips[i].bodies; ++m)
                    f(static_cast<int64_t>(i), clips[i].row + t * clips[i].bodies + m,
                      ((clips[i].start + t) * plan.bodies + m) * plan.columns);
    }
};

void compare(const char* level, const char* what, const std::vector<float>& found,
             const std::vector<double>& truth) {
    double most = 1e-30, error = 0;
    for (size_t i = 0; i < truth.size(); ++i) {
        most = std::max(most, std::fabs(truth[i]));
        const double apart = std::fabs(found[i] - truth[i]);
        error = apart <= error ? error : apart;
    }
    if (error <= 2e-6 * most * 4) return;
    if (++failures < 20) std::printf("%s: %s is off by %g of %g\n", level, what, error, most);
}

void check(const char* level, const Batch& batch, int64_t units) {
    const Plan& plan = batch.plan;
    const int64_t columns = plan.columns, features = plan.features(),
                  count = static_cast<int64_t>(batch.clips.size());
    const std::vector<float> x = numbers(batch.rows * columns), g = numbers(count * units),
                             bias = numbers(features), weight = numbers(features * units),
                             buffer = numbers(features * units);
    for (bool linear : {true, false}) {
        const int64_t by_feature = linear ? 1 : units, by_unit = linear ? features : 1;
        const auto at = [&](int64_t feature, int64_t unit) { return feature * by_feature + unit * by_unit; };
        const Weight<const float> w{weight.data(), units, by_feature, by_unit};
        const Projection& project = *dispatch<&Kernels::project>();
        const int64_t padded = project.padded(units);
        std::vector<float> out(count * padded, 0), outer(features * units, 7), y(batch.rows * columns, 7),
            sum(features, 7);
        std::vector<double> out_truth(count * padded, 0), outer_truth(features * units, 0),
            y_truth(batch.rows * columns, 0), sum_truth(features, 0);
        project.run(plan, x.data(), w, out.data());
        dispatch<&Kernels::outer>()(plan, x.data(), g.data(), count,
                                    {outer.data(), units, by_feature, by_unit});
        dispatch<&Kernels::expand>()(plan, g.data(), w, bias.data(), y.data());
        dispatch<&Kernels::sum>()(plan, x.data(), sum.data());
        batch.each([&](int64_t clip, int64_t row, int64_t feature) {
            for (int64_t c = 0; c < columns; ++c) {
                const double value = x[row * columns + c];
                double& to = y_truth[row * columns + c];
                to = bias[feature + c];
                sum_truth[feature + c] += value;
                for (int64_t u = 0; u < units; ++u) {
                    out_truth[clip * padded + u] += value * weight[at(feature + c, u)];
                    outer_truth[at(feature + c, u)] += value * g[clip * units + u];
                    to += double{weight[at(feature + c, u)]} * g[clip * units + u];
                }
            }
        });
        // What lies beyond the units is nobody's.
        for (int64_t i = 0; i < count; ++i)
            for (int64_t u = units; u < padded; ++u) out[i * padded + u] = 0;
        compare(level, "project", out, out_truth);
        compare(level, "outer", outer, outer_truth);
        compare(level, "expand", y, y_truth);
        compare(level, "sum", sum, sum_truth);
        if (!linear) continue;
        std::vector<float> moved = weight, momentum = buffer;
        dispatch<&Kernels::sgd>()(plan, x.data(), g.data(), count, units,
                                  {moved.data(), momentum.data(), 0.1f, 0.9f, 0.01f});
        std::vector<double> moved_truth(moved.size()), momentum_truth(moved.size());
        for (size_t i = 0; i < moved.size(); ++i) {
            momentum_truth[i] = 0.9 * buffer[i] + outer_truth[i] + 0.01 * weight[i];
            moved_truth[i] = weight[i] - 0.1 * momentum_truth[i];
        }
        compare(level, "sgd's momentum", momentum, momentum_truth);
        compare(level, "sgd's weight", moved, moved_truth);
    }
}

}  // namespace

int main() {
    for (int level = 0; level <= best_level(); ++level) {
        use_level(level);
        generator.seed(1);
        for (const Batch& batch : {Batch(1, 1, 1, 3), Batch(7, 9, 2, 15), Batch(40, 13, 2, 36)})
            for (int64_t units : {1, 5, 33}) check(level_name(level), batch, units);
        std::printf("%s: done\n", level_name(level));
    }
    if (failures) std::printf("%d failures\n", failures);
    return failures != 0;
}
