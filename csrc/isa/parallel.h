// Threads for the kernels. The library runs them on torch's pool (torch.set_num_threads). The torch-free C++
// tests define their own. The body is a plain function pointer, so no template of torch or std is compiled
// with the flags of an ISA level.
#pragma once
#include <cstdint>

namespace skelbench {

// Calls body(begin, end, context) on disjoint ranges that cover [0, count). Each is at least `grain` long, or
// the whole.
void parallel_ranges(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void*), void* context);

// The most threads that parallel_ranges uses.
int64_t parallel_threads();

}  // namespace skelbench
