// What is done with a block's part of a weight gradient when it is complete: it is stored, or it updates the
// weight.
#pragma once
#include <cstring>

#include "isa/buffer.h"
#include "ragged/kernels.h"
#include "ragged/panel.h"

namespace skelbench::SKELBENCH_ISA::ragged_cpu {

using skelbench::ragged::Plan;
using skelbench::ragged::SgdStep;

// Stores the gradient.
template <class V>
class Store {
public:
    using Argument = Weight<float>;
    Store(const Plan&, const Argument& w) : w_(w) {}
    // The gradient comes as a panel (features, lanes) whose first unit is `unit`.
    void panel(int64_t feature, int64_t features, int64_t unit, const float* panel) {
        write_panel<V>(w_, feature, features, unit, panel);
    }
    // The gradient comes as rows (count, features), one per unit.
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

// Updates the weight of a linear layer. The gradient is not stored.
template <class V>
class Sgd {
public:
    struct Argument {
        const SgdStep& step;
        int64_t units;
    };
    Sgd(const Plan& plan, const Argument& a)
        : s_(a.step),
          units_(a.units),
          stride_(plan.features()),
          transposed_(kLanes * kBlock * plan.bodies * plan.columns) {}

    void panel(int64_t feature, int64_t features, int64_t unit, const float* panel) {
        const int64_t count = min64(kLanes, units_ - unit);
        write_panel<V>({transposed_.get(), count, 1, features}, 0, features, 0, panel);
        rows(feature, features, unit, count, transposed_.get());
    }
    void rows(int64_t feature, int64_t features, int64_t unit, int64_t count, const float* rows) {
        for (int64_t i = 0; i < count; ++i) {
            const int64_t at = (unit + i) * stride_ + feature;
            const float* g = rows + i * features;
            float *w = s_.weight + at, *b = s_.buffer + at;
            int64_t c = 0;
            for (; c + V::width <= features; c += V::width) {
                const V now = V::load(w + c);
                const V velocity =
                    update(V::set(s_.momentum), V::load(b + c), V::load(g + c), V::set(s_.decay), now);
                velocity.store(b + c);
                (now - V::set(s_.rate) * velocity).store(w + c);
            }
            for (; c < features; ++c) {
                b[c] = s_.momentum * b[c] + (g[c] + s_.decay * w[c]);
                w[c] -= s_.rate * b[c];
            }
        }
    }

private:
    static constexpr int64_t kLanes = V::cols * V::width;
    static V update(V momentum, V buffer, V gradient, V decay, V weight) {
        return momentum * buffer + (gradient + decay * weight);
    }
    const SgdStep& s_;
    int64_t units_, stride_;
    Buffer<float> transposed_;
};

}  // namespace skelbench::SKELBENCH_ISA::ragged_cpu
