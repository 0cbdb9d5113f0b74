// How the kernels of the padding-free layers iterate over a plan: block by block, group by group.
#pragma once
#include <cstring>

#include "isa/buffer.h"
#include "isa/parallel_for.h"
#include "ragged/kernels.h"

namespace skelbench::SKELBENCH_ISA::ragged_cpu {

using skelbench::ragged::Entry;
using skelbench::ragged::kBlock;
using skelbench::ragged::Plan;

// Rows that are gathered at once.
inline constexpr int64_t kPart = 256;
// The cost of a block apart from its clips, in entries: some 80 where the weight is updated or its gradient
// stored, 30 in `expand`.
inline constexpr int64_t kBlockCost = 64;

inline int64_t frames_in(const Plan& plan, int64_t block) {
    return min64(kBlock, plan.length - block * kBlock);
}
inline int64_t first_feature(const Plan& plan, int64_t block) {
    return block * kBlock * plan.bodies * plan.columns;
}
inline int64_t features_in(const Plan& plan, int64_t block) {
    return frames_in(plan, block) * plan.bodies * plan.columns;
}

// The clips that have this body and exactly the frames first..last of a block.
struct Group {
    int64_t body, first, last;
    const Entry* entries;
    int64_t count;
    int64_t frames() const { return last - first + 1; }
};

// The groups of one block that are not empty.
class Groups {
public:
    explicit Groups(const Plan& plan) : plan_(plan), groups_(plan.bodies * kBlock * kBlock) {}
    // Selects a block. Returns how many groups it has.
    int64_t select(int64_t block) {
        count_ = 0;
        for (int64_t body = 0; body < plan_.bodies; ++body)
            for (int64_t first = 0; first < kBlock; ++first)
                for (int64_t last = first; last < kBlock; ++last) {
                    const int64_t* begin = plan_.begin + plan_.group(block, body, first, last);
                    if (begin[1] == begin[0]) continue;
                    groups_.get()[count_++] = {body, first, last, plan_.entries + begin[0],
                                               begin[1] - begin[0]};
                }
        return count_;
    }
    const Group* begin() const { return groups_.get(); }
    const Group* end() const { return groups_.get() + count_; }

private:
    const Plan& plan_;
    Buffer<Group> groups_;
    int64_t count_ = 0;
};

// Calls f(begin, end) on ranges of blocks, in threads. Blocks differ in how many clips have them, so the
// threads share the entries. The thread that has a block's first entry processes the block.
template <class F>
inline void parallel_blocks(const Plan& plan, const F& f) {
    const auto place = [&](int64_t block) {
        return plan.begin[plan.group(block, 0, 0, 0)] + block * kBlockCost;
    };
    parallel_for(place(plan.blocks), kBlockCost, [&](int64_t begin, int64_t end) {
        int64_t first = 0;
        while (first < plan.blocks && place(first) < begin) ++first;
        int64_t last = first;
        while (last < plan.blocks && place(last) < end) ++last;
        if (last > first) f(first, last);
    });
}

// A copy of the rows of one body in one frame. The rows lie apart in memory and are read many times.
class Gathered {
public:
    // Numbers between rows.
    const int64_t stride;
    explicit Gathered(int64_t columns)
        : stride(ceil_div(columns, 16) * 16), columns_(columns), rows_(kPart * stride), clip_(kPart) {}
    const float* row(int64_t i) const { return rows_.get() + i * stride; }
    const int32_t* clip(int64_t i) const { return clip_.get() + i; }

    // Calls f(count) with at most kPart rows at a time.
    template <class F>
    void for_parts(const Groups& groups, int64_t frame, int64_t body, const float* x, const F& f) {
        int64_t count = 0;
        for (const Group& g : groups) {
            if (g.body != body || frame < g.first || frame > g.last) continue;
            for (const Entry* e = g.entries; e < g.entries + g.count; ++e) {
                const float* from = x + (e->row + (frame - g.first) * e->bodies) * columns_;
                std::memcpy(rows_.get() + count * stride, from, columns_ * sizeof(float));
                clip_.get()[count++] = e->clip;
                if (count == kPart) {
                    f(count);
                    count = 0;
                }
            }
        }
        if (count) f(count);
    }

private:
    int64_t columns_;
    Buffer<float> rows_;
    Buffer<int32_t> clip_;
};

}  // namespace skelbench::SKELBENCH_ISA::ragged_cpu
