// Cache-aligned memory and integer helpers for the kernels.
#pragma once
#include <cstdint>
#include <cstring>
#include <new>

#include "isa/scratch.h"

namespace skelbench::SKELBENCH_ISA {

inline int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}
inline int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

// Cache-aligned memory for the time of its scope. Throws std::bad_alloc where there is none. Its memory comes
// from functions that are compiled once (scratch.h, <new>), so no level has a copy of its own.
template <class T>
class Buffer {
public:
    explicit Buffer(int64_t n, bool zero = false) : block_(take(n * int64_t{sizeof(T)} + 64)) {
        if (zero) std::memset(block_.data, 0, n * sizeof(T));
    }
    ~Buffer() { block_.bytes < kLargeScratch ? ::operator delete(block_.data, kLine) : give_scratch(block_); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    T* get() const { return static_cast<T*>(block_.data); }

private:
    static constexpr std::align_val_t kLine{64};
    static Scratch take(int64_t bytes) {
        if (bytes >= kLargeScratch) return take_scratch(bytes);
        return {::operator new(static_cast<size_t>(bytes), kLine), bytes};
    }
    Scratch block_;
};

}  // namespace skelbench::SKELBENCH_ISA
