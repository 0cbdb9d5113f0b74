// Cache-aligned memory and integer helpers for the kernels.
#pragma once
#include <cstdint>
#include <cstring>
#include <new>

namespace skelbench::SKELBENCH_ISA {

inline int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}
inline int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

// Cache-aligned memory, freed at the end of its scope. Throws std::bad_alloc where there is none: the
// operators of <new> are functions of the C++ library, so no level has a copy of its own.
template <class T>
class Buffer {
public:
    explicit Buffer(int64_t n, bool zero = false)
        : data_(static_cast<T*>(::operator new(n * sizeof(T) + 64, std::align_val_t{64}))) {
        if (zero) std::memset(data_, 0, n * sizeof(T));
    }
    ~Buffer() { ::operator delete(data_, std::align_val_t{64}); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    T* get() const { return data_; }

private:
    T* data_;
};

}  // namespace skelbench::SKELBENCH_ISA
