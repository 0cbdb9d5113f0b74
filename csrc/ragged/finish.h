// Where a block's part of a weight gradient goes when it is complete: stored, or into the weight itself.
#pragma once
#include <cstring>

#include "isa/buffer.h"
#include "ragged/kernels.h"
#include "ragged/panel.h"

namespace skelbench::SKELBENCH_ISA::ragged_cpu {

using skelbench::ragged::Descent;
using skelbench::ragged::Plan;

// Stores the gradient.
template <class V>
class Store {
public:
    using Argument = Weight<float>;
    Store(const Plan&, const Argument& w) : w_(w) {}
    // From a panel (features, lanes) whose first unit is `unit`.
    void panel(int64_t feature, int64_t features, int64_t unit, const float* panel) {
        write_panel<V>(w_, feature, features, unit, panel);
    }
    // From rows (count, features) of units.
    void rows(int64_t feature, int64_t features, int64_t unit, int64_t count, const float* rows) {
        float* to = w_.data + feature * w_.feature_stride + unit * w_.unit_stride;
        if (w_.feature_stride == 1) {
            for (int64_t i = 0; i < count; ++i)
                std::memcpy(to + i * w_.unit_stride, rows + i * features, features * sizeof(float));
        } else {
            transpose_copy<V>(rows, features, count, features, to, w_.feature_stride);
        }
    }

private:
    const Argument& w_;
};

// Updates the weight of a linear layer, and keeps no gradient.
template <class V>
class Descend {
public:
    struct Argument {
        const Descent& descent;
        int64_t units;
    };
    Descend(const Plan& plan, const Argument& a)
        : d_(a.descent),
          units_(a.units),
          stride_(plan.features()),
          turned_(kLanes * kBlock * plan.bodies * plan.columns) {}

    void panel(int64_t feature, int64_t features, int64_t unit, const float* panel) {
        const int64_t count = min64(kLanes, units_ - unit);
        write_panel<V>({turned_.get(), count, 1, features}, 0, features, 0, panel);
        rows(feature, features, unit, count, turned_.get());
    }
    void rows(int64_t feature, int64_t features, int64_t unit, int64_t count, const float* rows) {
        for (int64_t i = 0; i < count; ++i) {
            const int64_t at = (unit + i) * stride_ + feature;
            const float* g = rows + i * features;
            float *w = d_.weight + at, *b = d_.buffer + at;
            int64_t c = 0;
            for (; c + V::width <= features; c += V::width) {
                const V now = V::load(w + c);
                const V speed =
                    step(V::set(d_.momentum), V::load(b + c), V::load(g + c), V::set(d_.decay), now);
                speed.store(b + c);
                (now - V::set(d_.rate) * speed).store(w + c);
            }
            for (; c < features; ++c) {
                b[c] = d_.momentum * b[c] + (g[c] + d_.decay * w[c]);
                w[c] -= d_.rate * b[c];
            }
        }
    }

private:
    static constexpr int64_t kLanes = V::cols * V::width;
    static V step(V momentum, V buffer, V gradient, V decay, V weight) {
        return momentum * buffer + (gradient + decay * weight);
    }
    const Descent& d_;
    int64_t units_, stride_;
    Buffer<float> turned_;
};

}  // namespace skelbench::SKELBENCH_ISA::ragged_cpu
