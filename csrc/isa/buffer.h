// Cache-aligned memory and integer helpers for the kernels.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace skelbench::SKELBENCH_ISA {

inline int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}
inline int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

// Cache-aligned memory, freed at the end of its scope.
template <class T>
class Buffer {
public:
    explicit Buffer(int64_t n, bool zero = false)
        : data_(static_cast<T*>(std::aligned_alloc(64, ceil_div(n * sizeof(T) + 64, 64) * 64))) {
        if (data_ && zero) std::memset(data_, 0, n * sizeof(T));
    }
    ~Buffer() { std::free(data_); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    T* get() const { return data_; }

private:
    T* data_;
};

}  // namespace skelbench::SKELBENCH_ISA
