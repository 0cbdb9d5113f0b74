// Thread blocks on one host thread: every thread of a block is a fibre, which switches at barriers.
//
// The blocks of a launch run one after the other. Blocks, and the fibres of a block, take their turns in
// ascending, descending or mixed order: where a barrier or an atomic is missing, results depend on the order.
// A fault ends the launch with the code that CUDA has for it, and `fault()` says what happened where.
#pragma once
#include <cstddef>
#include <cstdint>

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace fibres {

// Of the fibre that runs.
extern dim3 thread, block, threads, grid;

// CUDA's codes.
enum Error : int {
    kSuccess = 0,
    kInvalidValue = 1,
    kInvalidConfiguration = 9,
    kIllegalAddress = 700,
    kMisaligned = 716,
    kLaunchFailure = 719,
};

// The memory of a launch that a kernel may touch, besides its own variables: what was lent, shared memory of
// the size that was asked for, and its arguments.
void lend(const void* data, size_t bytes);
void take_back();

// The limits of compute capability 8.0.
constexpr size_t kMostShared = 163 * 1024, kSharedUnasked = 48 * 1024;
int allow_shared(const void* kernel, size_t bytes);

// A kernel and its arguments.
struct Call {
    void (*run)(const void* kernel);
    const void* kernel;
    size_t bytes;
};
// name: of the kernel. function: the kernel where it has shared memory whose size the launch says.
void launch(const char* name, const void* function, dim3 blocks, dim3 threads, size_t shared, Call call);
template <class Kernel>
void launch(const char* name, const void* function, dim3 blocks, dim3 threads, size_t shared, void*,
            const Kernel& kernel) {
    launch(name, function, blocks, threads, shared,
           {[](const void* k) { (*static_cast<const Kernel*>(k))(); }, &kernel, sizeof kernel});
}

// Whether launches are only recorded, and no memory is touched.
bool dry();

// The first error since the last call.
int last_error();

// ---- for the fibres ----

// Shared memory of the size that the launch says.
void* shared();
// A variable in shared memory, by the place of its declaration.
void* variable(const void* declaration, size_t bytes);
template <class T, class Declaration>
T& variable(Declaration) {
    static char here;
    return *static_cast<T*>(variable(&here, sizeof(T)));
}
void wait_for_block();
// All lanes of `lanes` must call.
void wait_for_warp(unsigned lanes);
// Memory that the lanes of a warp exchange values in.
constexpr size_t kSlot = 16, kExchange = 4096;
unsigned char* slot(unsigned lane);
float* exchange();
[[noreturn]] void fail(int error, const char* what);
inline void require(bool good, int error, const char* what) {
    if (!good) fail(error, what);
}

}  // namespace fibres
