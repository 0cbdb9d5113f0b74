// The exponents of the loss, and what follows from them for each anchor. Shared by the CPU and CUDA.
//
// Exponents are powers of two. Every anchor subtracts a shift from its exponents before the exponential.
#pragma once
#include <cmath>
#include <cstdint>

#include "isa/inline.h"

namespace skelbench::contrastive {

inline constexpr double kLog2e = 1.4426950408889634, kLn2 = 0.6931471805599453;
// Below every exponent: the logarithm of a term that is not there.
inline constexpr float kNone = -1e30f;
// Above every exponent: the shift of an anchor without a positive, which has no loss.
inline constexpr float kNoLoss = 1e30f;

// Whether all anchors can subtract the same shift, and which one. For rows no longer than r no exponent
// exceeds r^2 / tau, which is that shift: it is known beforehand, and it makes the exponentials symmetric. It
// is safe unless exponentials can underflow (small temperatures) or overflow (a large k1). Otherwise every
// anchor subtracts the largest of its own exponents, which takes a pass over all pairs before.
struct SharedShift {
    bool safe;
    // log2(e) r^2 / tau
    double value;

    // `largest`: the largest norm of an anchor times the largest norm of a contrast.
    SKELBENCH_INLINE SharedShift(double largest, double temperature, double k1) {
        // e^(-2 / 0.03) is near the smallest float.
        constexpr double kSmallestTemperature = 0.03, kLargestExponent = 80;
        const double bound = largest / temperature;
        const double k1_bound = k1 > 0 ? largest + log(k1) - bound : 0;
        safe = bound <= 1.01 / kSmallestTemperature && k1_bound < kLargestExponent;
        value = bound * kLog2e;
    }
};

// An anchor's loss and lse = log D, from the sum of its exponentials and the sum of its positives'
// similarities.
struct AnchorLoss {
    double lse, loss;

    SKELBENCH_INLINE AnchorLoss(double shift, double sum, double positive, int64_t positives,
                                double temperature) {
        const double log_sum = shift * kLn2 + log(sum);
        lse = positives ? log_sum : 0;
        loss = positives ? log_sum - positive / (temperature * double(positives)) : 0;
    }
};

// What the gradient of an anchor's pairs is made of: weight = g / tau * 2^shift / D and share = g / (tau
// |P|), where g is the gradient of its loss.
struct AnchorGradient {
    double log2_sum, g;
    int64_t positives;

    SKELBENCH_INLINE AnchorGradient(double grad, double lse, int64_t count, double temperature)
        : log2_sum(lse * kLog2e), g(grad / temperature), positives(count) {}
    // The shift where there is no shared one.
    SKELBENCH_INLINE double own_shift() const { return positives ? log2_sum : double(kNoLoss); }
    // `shift` is the one in use, rounded to the type of the exponents.
    SKELBENCH_INLINE double weight(double shift) const { return positives ? g * exp2(shift - log2_sum) : 0; }
    SKELBENCH_INLINE double share() const { return positives ? g / double(positives) : 0; }
};

}  // namespace skelbench::contrastive
