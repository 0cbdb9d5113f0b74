// Threads for the kernels. The library's definition is torch's pool (torch.set_num_threads); the torch-free
// C++ tests bring their own. A plain function pointer, so that no template of torch or std is compiled with
// ISA flags.
#pragma once
#include <cstdint>

namespace skelbench {

// Calls body(begin, end, context) on disjoint ranges that cover [0, count), each at least `grain` long.
void parallel_ranges(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void*), void* context);

// Threads that parallel_ranges uses at most.
int64_t parallel_threads();

}  // namespace skelbench
