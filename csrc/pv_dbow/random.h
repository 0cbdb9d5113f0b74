// The random numbers of PV-DBOW: a function of the seed, the epoch, a stream and a place, so that they depend
// on no thread and no order.
#pragma once
#include <cstdint>

#include "isa/inline.h"

namespace skelbench::pv_dbow {

// The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
SKELBENCH_INLINE uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

// Its increment.
constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;

// The start of a stream. Documents have the even streams, blocks the odd ones.
SKELBENCH_INLINE uint64_t stream(int64_t seed, int64_t epoch, int64_t number) {
    const uint64_t key =
        mix(mix(static_cast<uint64_t>(seed) + kGolden) + static_cast<uint64_t>(epoch) + kGolden);
    return mix(key + static_cast<uint64_t>(number) + kGolden);
}

// The number at a place of a stream, in [0, 1).
SKELBENCH_INLINE double uniform(uint64_t start, int64_t place) {
    return static_cast<double>(mix(start + (static_cast<uint64_t>(place) + 1) * kGolden) >> 11) * 0x1p-53;
}

// The first word whose sum in `cumulative` is above a number in [0, 1): a draw by the words' shares.
SKELBENCH_INLINE int32_t word_above(const double* cumulative, int64_t vocabulary, double number) {
    int64_t low = 0, high = vocabulary - 1;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (cumulative[middle] > number)
            high = middle;
        else
            low = middle + 1;
    }
    return static_cast<int32_t>(low);
}

}  // namespace skelbench::pv_dbow
