// The streams of every level without torch: as the scalar level has them, which the tests in Python hold
// against their definition. Memory is of exactly the size that the op asks for, so that a sanitizer sees what
// goes beyond it.
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "isa/dispatch.h"
#include "isa/one_thread.h"
#include "streams/kernels.h"

using namespace skelbench;
using streams::Batch;

namespace {

int failures = 0;

float number(int64_t i) {
    return static_cast<float>(i * 2654435761u % 1999) / 999.5f - 1;
}

// A chain of joints, the last ones of which are sides of each other.
streams::Skeleton chain(int joints) {
    streams::Skeleton s{};
    s.joints = joints, s.root = joints / 2;
    s.origins = 2, s.origin[1] = static_cast<uint8_t>(joints - 1);
    s.marks = 3, s.marked[1] = static_cast<uint8_t>(joints / 3);
    s.pairs = joints > 1, s.left[0] = static_cast<uint8_t>(joints - 1);
    for (int j = 0; j < joints; ++j) {
        s.order[j] = s.mirrored[j] = static_cast<uint8_t>(j);
        s.parent[j] = static_cast<uint8_t>(j > 0 ? j - 1 : 0);
    }
    if (joints > 2) s.mirrored[joints - 1] = static_cast<uint8_t>(joints - 2);
    if (joints > 2) s.mirrored[joints - 2] = static_cast<uint8_t>(joints - 1);
    return s;
}

struct Problem {
    std::vector<float> joints, times, maps, limbs, noise;
    std::vector<int64_t> offsets, frames, bodies, axis;
    std::unique_ptr<bool[]> mirror, hidden;
    Batch batch{};

    Problem(int64_t count, int64_t sampled, int64_t places, int columns, bool viewed) {
        batch.count = count, batch.sampled = sampled, batch.places = places;
        batch.up = 2, batch.scale = 1.5f, batch.skeleton = chain(columns);
        const int64_t j = columns, points = count * places * sampled * j;
        for (int64_t b = 0; b < count; ++b) {
            offsets.push_back(batch.rows);
            frames.push_back(1 + b * 7 % 11);
            bodies.push_back(1 + b % 3);
            batch.rows += frames[b] * bodies[b];
            axis.push_back(b % 4 - 1);
            for (int64_t t = 0; t < sampled; ++t)
                times.push_back(sampled > 1 ? static_cast<float>(t) / static_cast<float>(sampled - 1) : 0);
        }
        for (int64_t i = 0; i < batch.rows * j * 3; ++i)
            // Somebody is away in every fifth row.
            joints.push_back(i / (3 * j) % 5 == 4 ? 0 : number(i) + static_cast<float>(i / 3 % j));
        for (int64_t i = 0; i < count * 9; ++i) maps.push_back(number(i + 5));
        for (int64_t i = 0; i < count * j; ++i) limbs.push_back(1 + number(i) / 4);
        for (int64_t i = 0; i < points * 3; ++i) noise.push_back(number(i + 3) / 9);
        mirror.reset(new bool[count]);
        hidden.reset(new bool[count * places * j]);
        for (int64_t i = 0; i < count; ++i) mirror[i] = i % 2;
        for (int64_t i = 0; i < count * places * j; ++i) hidden[i] = i % 3 == 1;
        batch.joints = joints.data(), batch.times = times.data();
        batch.offsets = offsets.data(), batch.frames = frames.data(), batch.bodies = bodies.data();
        for (uint8_t stream = 0; stream < streams::kStreams; ++stream) batch.stream[batch.streams++] = stream;
        batch.channels = 3 * (streams::kStreams - 1) + streams::kInvariants + batch.skeleton.marks;
        if (!viewed) return;
        batch.maps = maps.data(), batch.limbs = limbs.data(), batch.noise = noise.data();
        batch.mirror = mirror.get(), batch.hidden = hidden.get(), batch.axis = axis.data();
    }

    std::vector<float> at(int level) {
        use_level(level);
        const int64_t slots = batch.count * batch.places * batch.sampled;
        std::vector<float> out(slots * batch.skeleton.joints * batch.channels, NAN);
        const std::unique_ptr<bool[]> present(new bool[slots]());
        batch.out = out.data(), batch.present = present.get();
        dispatch<&streams::Kernels::streams>()(batch);
        return out;
    }
};

}  // namespace

int main() {
    for (int64_t sampled : {1, 3, 16, 24, 33})
        for (int64_t places : {1, 2})
            for (int joints : {1, 2, 5, 20})
                for (bool viewed : {false, true}) {
                    Problem problem(9, sampled, places, joints, viewed);
                    const std::vector<float> expected = problem.at(0);
                    for (int level = 0; level <= best_level(); ++level) {
                        const std::vector<float> found = problem.at(level);
                        float worst = 0, largest = 0;
                        for (size_t i = 0; i < found.size(); ++i) {
                            const float error = std::fabs(found[i] - expected[i]);
                            // Not a number is never at most the worst.
                            if (!(error <= worst)) worst = error;
                            largest = std::fmax(largest, std::fabs(expected[i]));
                        }
                        if (worst <= 1e-4f * largest) continue;
                        ++failures;
                        std::printf("%s: %ld frames, %ld places, %d joints, view %d: off by %g of %g\n",
                                    level_name(level), long(sampled), long(places), joints, viewed, worst,
                                    largest);
                    }
                }
    return failures > 0;
}
