// Which tokens dropout leaves: a hash of the seed, the bag and the token's place, the same on all devices.
#pragma once
#include <cstdint>

#include "isa/inline.h"

namespace skelbench::bag {

constexpr uint32_t kGolden = 0x9e3779b9u;

// The finalizer of MurmurHash3 (Appleby, public domain).
SKELBENCH_INLINE uint32_t mix(uint32_t x) {
    x = (x ^ (x >> 16)) * 0x85ebca6bu;
    x = (x ^ (x >> 13)) * 0xc2b2ae35u;
    return x ^ (x >> 16);
}

// The start of a bag's random numbers.
SKELBENCH_INLINE uint32_t stream(int64_t seed, int64_t bag) {
    const uint64_t bits = static_cast<uint64_t>(seed);
    return mix(mix(static_cast<uint32_t>(bits) + kGolden) ^ static_cast<uint32_t>(bits >> 32)) +
           mix(static_cast<uint32_t>(bag) + kGolden);
}

// The least random number of a token that stays.
SKELBENCH_INLINE uint32_t least(double dropout) {
    return static_cast<uint32_t>(dropout * 4294967296.0);
}

SKELBENCH_INLINE bool stays(uint32_t start, int64_t place, uint32_t least) {
    return mix(start + static_cast<uint32_t>(place) * kGolden) >= least;
}

// The factor of the tokens that stay.
SKELBENCH_INLINE float scale(double dropout) {
    return static_cast<float>(1.0 / (1.0 - dropout));
}

}  // namespace skelbench::bag
