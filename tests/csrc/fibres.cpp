// The fibres, and the checks of every access that a kernel makes. The kernels are compiled with
// -fsanitize=kernel-address,alignment, which calls a function before each access. The functions stand here,
// in a file that is compiled without it.
#include "fibres.h"

#include <link.h>
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace fibres {

dim3 thread, block, threads, grid;

namespace {

enum class State { kNew, kReady, kAtBlock, kAtWarp, kDone };

struct Fibre {
    // Where a block begins, and where the fibre goes on. A jump makes no system call.
    jmp_buf start, at;
    bool made = false;
    std::unique_ptr<char[]> stack{new char[kStack]};
    State state;
    // At a barrier of a warp: the lanes that it waits for.
    unsigned lanes;

    static constexpr size_t kStack = size_t{1} << 16;
};

struct Region {
    uintptr_t begin, end;
    bool holds(uintptr_t at, size_t bytes) const { return at >= begin && bytes <= end - at && at < end; }
};

constexpr unsigned kLanes = 32, kMostThreads = 1024;

jmp_buf scheduler;
std::vector<std::unique_ptr<Fibre>> fibres_of_block;
unsigned current;
bool running = false;
Call body;
int order = 0;
int first_error = kSuccess;
std::string message;
// The kernel that runs, and one line for each launch.
const char* kernel_name = "";
std::string launches;
bool only_recorded = false;
std::map<const void*, size_t> allowed;

// What a kernel may touch besides its stack: lent memory, its arguments, its shared memory, and what this
// library keeps itself, such as threadIdx.
std::vector<Region> lent, variables;
std::vector<char> shared_memory;
// By the place of the declaration.
struct Variable {
    std::unique_ptr<char[]> memory;
    void* begin;
};
std::map<const void*, Variable> variables_at;
Region arguments, dynamic, library;
unsigned char slots[kMostThreads * kSlot];
float exchanges[kMostThreads / kLanes][kExchange / sizeof(float)];

Region region(const void* data, size_t bytes) {
    const auto begin = reinterpret_cast<uintptr_t>(data);
    return {begin, begin + bytes};
}

void record(int error, const char* what) {
    if (first_error) return;
    first_error = error;
    message = what;
    if (running)
        message += std::string(", in ") + kernel_name + ", block (" + std::to_string(block.x) + ", " +
                   std::to_string(block.y) + ", " + std::to_string(block.z) + "), thread " +
                   std::to_string(thread.x);
}

// Where the library of the kernels lies.
Region find_library() {
    Region found{};
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* to) {
            Region whole{~uintptr_t{0}, 0};
            for (int i = 0; i < info->dlpi_phnum; ++i) {
                const auto& segment = info->dlpi_phdr[i];
                if (segment.p_type != PT_LOAD) continue;
                const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
                whole = {std::min(whole.begin, begin), std::max(whole.end, begin + segment.p_memsz)};
            }
            if (!whole.holds(reinterpret_cast<uintptr_t>(&slots), 1)) return 0;
            *static_cast<Region*>(to) = whole;
            return 1;
        },
        &found);
    return found;
}

// The life of a fibre: block after block.
void live() {
    Fibre& fibre = *fibres_of_block[current];
    _setjmp(fibre.start);
    body.run(body.kernel);
    fibres_of_block[current]->state = State::kDone;
    _longjmp(scheduler, 1);
}

void pause(State state, unsigned lanes) {
    Fibre& fibre = *fibres_of_block[current];
    fibre.state = state;
    fibre.lanes = lanes;
    if (!_setjmp(fibre.at)) _longjmp(scheduler, 1);
}

// Runs a fibre up to its next barrier. A function of its own, so that no variable of the caller is lost.
[[gnu::noinline]] void resume(Fibre& fibre) {
    if (_setjmp(scheduler)) return;
    if (fibre.state != State::kNew) {
        fibre.state = State::kReady;
        _longjmp(fibre.at, 1);
    }
    fibre.state = State::kReady;
    if (std::exchange(fibre.made, true)) _longjmp(fibre.start, 1);
    static ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = fibre.stack.get();
    context.uc_stack.ss_size = Fibre::kStack;
    context.uc_link = nullptr;
    makecontext(&context, live, 0);
    setcontext(&context);
}

// The i-th of `count` in the chosen order.
unsigned turn_of(unsigned i, unsigned count, unsigned turn) {
    if (order == 0) return i;
    if (order == 1) return count - 1 - i;
    const uint64_t step = count % 7 ? 7 : 1;
    return static_cast<unsigned>((i * step + turn * uint64_t{13}) % count);
}

// Releases the fibres of a warp whose lanes have all come. Whether there were any.
bool release_warp(unsigned first, unsigned count) {
    const unsigned lanes = std::min(kLanes, count - first);
    unsigned waiting = 0, done = 0;
    for (unsigned lane = 0; lane < lanes; ++lane) {
        const State state = fibres_of_block[first + lane]->state;
        waiting |= unsigned{state == State::kAtWarp} << lane;
        done |= unsigned{state == State::kDone} << lane;
    }
    const unsigned there = lanes == kLanes ? ~0u : (1u << lanes) - 1;
    bool released = false;
    while (waiting) {
        const unsigned lane = static_cast<unsigned>(std::countr_zero(waiting));
        const unsigned wanted = fibres_of_block[first + lane]->lanes & there;
        if (wanted & done) {
            thread = dim3(first + lane);
            return record(kLaunchFailure, "a warp waits for a lane that has left"), false;
        }
        bool all = (wanted & waiting) == wanted;
        for (unsigned other = 0; all && other < lanes; ++other)
            all = !(wanted >> other & 1) || (fibres_of_block[first + other]->lanes & there) == wanted;
        if (all) {
            for (unsigned other = 0; other < lanes; ++other)
                if (wanted >> other & 1) fibres_of_block[first + other]->state = State::kReady;
            released = true;
        }
        waiting &= ~(all ? wanted : 1u << lane);
    }
    return released;
}

void run_block(unsigned count) {
    while (fibres_of_block.size() < count) fibres_of_block.push_back(std::make_unique<Fibre>());
    for (unsigned t = 0; t < count; ++t) fibres_of_block[t]->state = State::kNew;
    // NaN, so that what is read before it is written shows.
    std::fill(shared_memory.begin(), shared_memory.end(), '\xff');
    for (const Region& r : variables) std::memset(reinterpret_cast<void*>(r.begin), 0xff, r.end - r.begin);
    for (unsigned turn = 0; !first_error; ++turn) {
        for (unsigned i = 0; i < count && !first_error; ++i) {
            current = turn_of(i, count, turn);
            const State state = fibres_of_block[current]->state;
            if (state != State::kNew && state != State::kReady) continue;
            thread = dim3(current);
            running = true;
            resume(*fibres_of_block[current]);
            running = false;
        }
        if (first_error) return;
        bool released = false;
        for (unsigned first = 0; first < count; first += kLanes) released |= release_warp(first, count);
        if (released || first_error) continue;
        unsigned waiting = 0, done = 0;
        for (unsigned t = 0; t < count; ++t) {
            waiting += fibres_of_block[t]->state == State::kAtBlock;
            done += fibres_of_block[t]->state == State::kDone;
        }
        if (done == count) return;
        if (waiting != count)
            return record(kLaunchFailure,
                          "some threads of a block wait at a barrier that others never reach");
        for (unsigned t = 0; t < count; ++t) fibres_of_block[t]->state = State::kReady;
    }
}

}  // namespace

void lend(const void* data, size_t bytes) {
    lent.push_back(region(data, bytes));
}
void take_back() {
    lent.clear();
}

int allow_shared(const void* kernel, size_t bytes) {
    if (bytes > kMostShared) return record(kInvalidValue, "more shared memory than a block can have"), 1;
    allowed[kernel] = bytes;
    return kSuccess;
}

bool dry() {
    return only_recorded;
}

void launch(const char* name, const void* function, dim3 blocks, dim3 size, size_t bytes, Call call) {
    if (first_error) return;
    const uint64_t count = uint64_t{size.x} * size.y * size.z;
    const uint64_t total = uint64_t{blocks.x} * blocks.y * blocks.z;
    if (total == 0 || count == 0 || count > kMostThreads || blocks.x > 0x7fffffffu || blocks.y > 65535 ||
        blocks.z > 65535)
        return record(kInvalidConfiguration, "a launch with no block, or with more than there can be");
    if (size.y != 1 || size.z != 1)
        return record(kInvalidConfiguration, "blocks of more dimensions than one do not run here");
    if (bytes > kSharedUnasked && (!allowed.contains(function) || bytes > allowed[function]))
        return record(kInvalidConfiguration, "more shared memory than cudaFuncSetAttribute allowed");
    kernel_name = name;
    for (const uint64_t number :
         {uint64_t{blocks.x}, uint64_t{blocks.y}, uint64_t{blocks.z}, count, uint64_t{bytes}})
        launches += std::to_string(number) + ' ';
    launches += std::string(name) + '\n';
    if (only_recorded) return;
    static const Region here = find_library();
    library = here;
    body = call;
    arguments = region(call.kernel, call.bytes);
    // As far from the memory of others as a page, and aligned as CUDA's.
    constexpr size_t kAlign = 1024;
    std::vector<char> memory(bytes + kAlign);
    const auto begin = (reinterpret_cast<uintptr_t>(memory.data()) + kAlign - 1) / kAlign * kAlign;
    shared_memory.swap(memory);
    dynamic = {begin, begin + bytes};
    grid = blocks;
    threads = size;
    for (uint64_t i = 0; i < total && !first_error; ++i) {
        const uint64_t b = turn_of(static_cast<unsigned>(i), static_cast<unsigned>(total), 1);
        block.x = static_cast<unsigned>(b % blocks.x);
        block.y = static_cast<unsigned>(b / blocks.x % blocks.y);
        block.z = static_cast<unsigned>(b / blocks.x / blocks.y);
        run_block(static_cast<unsigned>(count));
    }
    dynamic = arguments = {};
}

int last_error() {
    return std::exchange(first_error, kSuccess);
}

void* shared() {
    return reinterpret_cast<void*>(dynamic.begin);
}
void* variable(const void* declaration, size_t bytes) {
    auto [at, fresh] = variables_at.try_emplace(declaration);
    if (fresh) {
        // Farther from the next than an index is off by.
        constexpr size_t kApart = 4096;
        at->second.memory.reset(new char[bytes + 2 * kApart]);
        const auto begin =
            (reinterpret_cast<uintptr_t>(at->second.memory.get()) + kApart - 1) / kApart * kApart;
        at->second.begin = reinterpret_cast<void*>(begin);
        std::memset(at->second.begin, 0xff, bytes);
        variables.push_back({begin, begin + bytes});
    }
    return at->second.begin;
}
void wait_for_block() {
    pause(State::kAtBlock, 0);
}
void wait_for_warp(unsigned lanes) {
    require(lanes >> thread.x % kLanes & 1, kLaunchFailure, "a lane waits for others, but not for itself");
    pause(State::kAtWarp, lanes);
}
unsigned char* slot(unsigned lane) {
    return slots + (thread.x / kLanes * kLanes + lane) * kSlot;
}
float* exchange() {
    return exchanges[thread.x / kLanes];
}
[[noreturn]] void fail(int error, const char* what) {
    record(error, what);
    _longjmp(scheduler, 1);
}

namespace {

void check(uintptr_t at, size_t bytes, const char* what) {
    if (!running) return;
    static size_t last = 0;
    const auto stack = region(fibres_of_block[current]->stack.get(), Fibre::kStack);
    if (stack.holds(at, bytes) || dynamic.holds(at, bytes)) return;
    if (last < lent.size() && lent[last].holds(at, bytes)) return;
    for (last = 0; last < lent.size(); ++last)
        if (lent[last].holds(at, bytes)) return;
    for (const Region& r : variables)
        if (r.holds(at, bytes)) return;
    if (arguments.holds(at, bytes) || library.holds(at, bytes)) return;
    fail(kIllegalAddress, what);
}

}  // namespace
}  // namespace fibres

extern "C" {

#define ACCESS(bytes)                                                         \
    void __asan_load##bytes##_noabort(uintptr_t at) {                         \
        fibres::check(at, bytes, "a read outside the memory that was lent");  \
    }                                                                         \
    void __asan_store##bytes##_noabort(uintptr_t at) {                        \
        fibres::check(at, bytes, "a write outside the memory that was lent"); \
    }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
void __asan_loadN_noabort(uintptr_t at, size_t bytes) {
    fibres::check(at, bytes, "a read outside the memory that was lent");
}
void __asan_storeN_noabort(uintptr_t at, size_t bytes) {
    fibres::check(at, bytes, "a write outside the memory that was lent");
}
void __asan_handle_no_return() {}
// A pointer that is not aligned as its type.
void __ubsan_handle_type_mismatch_v1(const void*, const void*) {
    if (fibres::running) fibres::fail(fibres::kMisaligned, "an access that is not aligned as its type");
}

// ---- for Python ----

void host_order(int order) {
    fibres::order = order;
}
void host_lend(const void* data, int64_t bytes) {
    fibres::lend(data, static_cast<size_t>(bytes));
}
void host_take_back() {
    fibres::take_back();
    fibres::first_error = fibres::kSuccess;
}
void host_dry(int only_record) {
    fibres::only_recorded = only_record;
    fibres::launches.clear();
}
const char* host_launches() {
    return fibres::launches.c_str();
}
const char* host_fault() {
    return fibres::message.c_str();
}
}
