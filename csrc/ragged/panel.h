// Panels of a weight: contiguous (features, lanes), however the weight is stored.
#pragma once
#include <cstring>

#include "isa/transpose_copy.h"
#include "ragged/kernels.h"

namespace skelbench::SKELBENCH_ISA::ragged_cpu {

using skelbench::ragged::Weight;

// panel (features, lanes) = W[feature .. feature + features, unit .. unit + lanes], zero beyond the last
// unit.
template <class V>
inline void read_panel(const Weight<const float>& w, int64_t feature, int64_t features, int64_t unit,
                       float* panel) {
    constexpr int64_t lanes = V::cols * V::width;
    const int64_t units = min64(lanes, w.units - unit);
    if (units < lanes) std::memset(panel, 0, features * lanes * sizeof(float));
    const float* from = w.data + feature * w.feature_stride + unit * w.unit_stride;
    if (w.feature_stride == 1) {
        transpose_copy<V>(from, w.unit_stride, units, features, panel, lanes);
    } else {
        for (int64_t f = 0; f < features; ++f)
            std::memcpy(panel + f * lanes, from + f * w.feature_stride, units * sizeof(float));
    }
}

// panel (units, stride) = W[feature .. feature + features] transposed.
template <class V>
inline void read_columns(const Weight<const float>& w, int64_t feature, int64_t features, float* panel,
                         int64_t stride) {
    const float* from = w.data + feature * w.feature_stride;
    if (w.unit_stride == 1) {
        transpose_copy<V>(from, w.feature_stride, features, w.units, panel, stride);
    } else {
        for (int64_t u = 0; u < w.units; ++u)
            std::memcpy(panel + u * stride, from + u * w.unit_stride, features * sizeof(float));
    }
}

// The inverse of read_panel. Units beyond the last one are dropped.
template <class V>
inline void write_panel(const Weight<float>& w, int64_t feature, int64_t features, int64_t unit,
                        const float* panel) {
    constexpr int64_t lanes = V::cols * V::width;
    const int64_t units = min64(lanes, w.units - unit);
    float* to = w.data + feature * w.feature_stride + unit * w.unit_stride;
    if (w.feature_stride == 1) {
        transpose_copy<V>(panel, lanes, features, units, to, w.unit_stride);
    } else {
        for (int64_t f = 0; f < features; ++f)
            std::memcpy(to + f * w.feature_stride, panel + f * lanes, units * sizeof(float));
    }
}

}  // namespace skelbench::SKELBENCH_ISA::ragged_cpu
