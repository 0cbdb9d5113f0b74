// A transposed copy of a matrix, in squares of one vector's width.
#pragma once
#include "isa/buffer.h"

namespace skelbench::SKELBENCH_ISA {

// to (columns, rows) = from (rows, columns) transposed. Rows of each are `*_stride` apart. At an edge the
// last square overlaps the one before it and writes the same numbers again.
template <class V, class T = typename V::scalar_type>
inline void transpose_copy(const T* from, int64_t from_stride, int64_t rows, int64_t columns, T* to,
                           int64_t to_stride) {
    constexpr int64_t W = V::width;
    if (rows < W || columns < W) {
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t c = 0; c < columns; ++c) to[c * to_stride + r] = from[r * from_stride + c];
        return;
    }
    for (int64_t r = 0; r < rows; r += W) {
        r = min64(r, rows - W);
        for (int64_t c = 0; c < columns; c += W) {
            c = min64(c, columns - W);
            V square[W];
#pragma GCC unroll 16
            for (int i = 0; i < W; ++i) square[i] = V::load(from + (r + i) * from_stride + c);
            transpose(square);
#pragma GCC unroll 16
            for (int i = 0; i < W; ++i) square[i].store(to + (c + i) * to_stride + r);
        }
    }
}

}  // namespace skelbench::SKELBENCH_ISA
