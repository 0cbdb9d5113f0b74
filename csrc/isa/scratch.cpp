// The unused blocks of a process (scratch.h).
#include "isa/scratch.h"

#include <mutex>
#include <new>
#include <vector>

#include "isa/pages.h"

namespace skelbench {
namespace {

// Tools that look for a use of freed memory must see each block freed.
#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t kMost = 0;
#else
constexpr int64_t kMost = kMostScratch;
#endif
// Sizes are rounded up to this.
constexpr int64_t kGranule = int64_t{1} << 16;
constexpr int64_t kLargePage = int64_t{1} << 21;

std::align_val_t alignment(int64_t bytes) {
    return std::align_val_t{static_cast<size_t>(bytes < kLargePage ? 64 : kLargePage)};
}

void release(const Scratch& block) {
    ::operator delete(block.data, alignment(block.bytes));
}

class Unused {
public:
    // The smallest block that fits, unless more than half of it would lie idle; without data if there is
    // none.
    Scratch take(int64_t bytes) {
        const std::lock_guard lock(mutex_);
        size_t best = blocks_.size();
        for (size_t i = 0; i < blocks_.size(); ++i)
            if (blocks_[i].bytes >= bytes && blocks_[i].bytes <= 2 * bytes &&
                (best == blocks_.size() || blocks_[i].bytes < blocks_[best].bytes))
                best = i;
        if (best == blocks_.size()) return {nullptr, 0};
        const Scratch block = blocks_[best];
        blocks_.erase(blocks_.begin() + static_cast<int64_t>(best));
        total_ -= block.bytes;
        return block;
    }
    // The blocks that lay unused the longest make room.
    void give(const Scratch& block) {
        const std::lock_guard lock(mutex_);
        blocks_.push_back(block);
        total_ += block.bytes;
        while (total_ > kMost) {
            total_ -= blocks_.front().bytes;
            release(blocks_.front());
            blocks_.erase(blocks_.begin());
        }
    }

private:
    std::mutex mutex_;
    std::vector<Scratch> blocks_;
    int64_t total_ = 0;
};

// Never destroyed: threads may compute while the process ends.
Unused& unused() {
    static Unused* const blocks = new Unused;
    return *blocks;
}

}  // namespace

Scratch take_scratch(int64_t bytes) {
    if (const Scratch found = unused().take(bytes); found.data) return found;
    Scratch block{nullptr, (bytes + kGranule - 1) / kGranule * kGranule};
    block.data = ::operator new(static_cast<size_t>(block.bytes), alignment(block.bytes));
    if (block.bytes >= kLargePage) advise_large_pages(block.data, block.bytes);
    return block;
}

void give_scratch(const Scratch& block) {
    unused().give(block);
}

}  // namespace skelbench
