// The plan of a batch (kernels.h), built from its clips.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "ragged/clips.h"
#include "ragged/kernels.h"

namespace skelbench::ragged {

class OwnedPlan {
public:
    explicit OwnedPlan(const Clips& clips) {
        plan_ = {clips.columns, clips.length, clips.max_bodies, (clips.length + kBlock - 1) / kBlock,
                 nullptr,       nullptr};
        begin_.assign(plan_.group(plan_.blocks, 0, 0, 0) + 2, 0);
        visit(clips, [&](int64_t group, const Entry&) { ++begin_[group + 2]; });
        for (size_t g = 2; g < begin_.size(); ++g) begin_[g] += begin_[g - 1];
        entries_.resize(begin_.back());
        // begin_[g + 1] is the next free place of group g. When all entries are placed, it is the end of g.
        visit(clips, [&](int64_t group, const Entry& entry) { entries_[begin_[group + 1]++] = entry; });
        plan_.entries = entries_.data();
        plan_.begin = begin_.data();
    }
    const Plan& get() const { return plan_; }

private:
    template <class F>
    void visit(const Clips& clips, const F& f) const {
        for (int64_t c = 0; c < clips.count; ++c) {
            const int64_t bodies = clips.bodies[c], end = clips.start[c] + clips.frames[c];
            int64_t row = clips.offsets[c];
            for (int64_t t = clips.start[c]; t < end;) {
                const int64_t block = t / kBlock, next = std::min(end, (block + 1) * kBlock);
                for (int64_t m = 0; m < bodies; ++m) {
                    f(plan_.group(block, m, t % kBlock, (next - 1) % kBlock),
                      Entry{static_cast<int32_t>(c), static_cast<int32_t>(bodies), row + m});
                }
                row += (next - t) * bodies;
                t = next;
            }
        }
    }
    Plan plan_;
    std::vector<int64_t> begin_;
    std::vector<Entry> entries_;
};

}  // namespace skelbench::ragged
