// How the kernels of the padding-free layers walk through a plan: block by block, group by group.
#pragma once
#include "isa/buffer.h"
#include "ragged/kernels.h"

namespace skelbench::SKELBENCH_ISA::ragged_cpu {

using skelbench::ragged::Entry;
using skelbench::ragged::kBlock;
using skelbench::ragged::Plan;

inline constexpr int64_t kBlockCost = 16;  // what a block costs apart from its clips, in entries

inline int64_t frames_in(const Plan& plan, int64_t block) {
    return min64(kBlock, plan.length - block * kBlock);
}
inline int64_t first_feature(const Plan& plan, int64_t block) {
    return block * kBlock * plan.bodies * plan.columns;
}
inline int64_t features_in(const Plan& plan, int64_t block) {
    return frames_in(plan, block) * plan.bodies * plan.columns;
}

// The clips that have frames first..last of a block, and this body.
struct Group {
    int64_t body, first, last;
    const Entry* entries;
    int64_t count;
    int64_t frames() const { return last - first + 1; }
};

// The groups of one block that have a clip.
class Groups {
public:
    explicit Groups(const Plan& plan) : plan_(plan), groups_(plan.bodies * kBlock * kBlock) {}
    // Turns to a block; returns how many groups it has.
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

// Calls f(begin, end) on ranges of blocks, in threads. Blocks differ in how many clips have them: threads
// share the entries, and a block goes with its first one.
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

// Brings the rows of the next block into the second-level cache, a few clips per tile of this one: they lie
// apart, so the hardware does not foresee them.
class Ahead {
public:
    Ahead(const Plan& plan, int64_t block, const float* x) : plan_(plan), x_(x) {
        const bool last = block + 1 >= plan.blocks;
        next_ = plan.entries + plan.begin[plan.group(block + !last, 0, 0, 0)];
        end_ = last ? next_ : plan.entries + plan.begin[plan.group(block + 2, 0, 0, 0)];
    }
    void fetch(int64_t count) {
        for (; count > 0 && next_ < end_; --count, ++next_) {
            const char* p = reinterpret_cast<const char*>(x_ + next_->row * plan_.columns);
            const int64_t bytes = kBlock * plan_.columns * int64_t{sizeof(float)};
            for (int64_t b = 0; b < bytes; b += 64) __builtin_prefetch(p + b, 0, 2);
        }
    }

private:
    const Plan& plan_;
    const float* x_;
    const Entry *next_, *end_;
};

}  // namespace skelbench::SKELBENCH_ISA::ragged_cpu
