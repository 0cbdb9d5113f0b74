// Memory that kernels need for the time of a call, and its reuse from call to call.
//
// The system maps large blocks anew for each call, page by page, at the first touch. That costs as much as
// the work on them, and threads wait for each other there. So large blocks stay with the process after their
// use, up to kMostScratch.
#pragma once
#include <cstdint>

namespace skelbench {

// Blocks from this size on are reused.
inline constexpr int64_t kLargeScratch = int64_t{1} << 16;
// The most bytes of unused blocks. A call of the contrastive op that keeps 16 MB of tiles needs some 22 MB.
inline constexpr int64_t kMostScratch = int64_t{1} << 25;

struct Scratch {
    void* data;
    int64_t bytes;
};

// Cache-aligned memory of at least so many bytes, content unspecified. Throws std::bad_alloc where there is
// none. For any thread.
Scratch take_scratch(int64_t bytes);
void give_scratch(const Scratch& block);

}  // namespace skelbench
