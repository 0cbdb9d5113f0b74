// The operands of the contrastive kernels: rows, and panels of the same rows transposed.
#pragma once
#include <cstring>

#include "contrastive/kernels.h"
#include "contrastive/matrix.h"
#include "isa/parallel_for.h"
#include "isa/transpose_copy.h"

namespace skelbench::SKELBENCH_ISA::contrastive_cpu {

using skelbench::contrastive::Problem;
using skelbench::contrastive::Rows;

// Rows and columns of a tile of similarities. It has 16 KB and stays in the first-level cache.
inline constexpr int64_t kTile = 64;

// parallel_for, or in this thread alone.
template <class T, class F>
void in_threads(const Problem<T>& p, int64_t count, int64_t grain, const F& f) {
    if (p.threads > 1) {
        parallel_for(count, grain, f);
    } else if (count > 0) {
        f(0, count);
    }
}

// The rows of an operand, in tiles.
template <class V>
struct Tiled {
    using vector = V;
    using T = typename V::scalar_type;
    const Rows<T>& rows;
    // Columns, columns padded to whole vectors, and tiles of rows.
    const int64_t d, stride, tiles;

    Tiled(const Rows<T>& r, int64_t dim)
        : rows(r), d(dim), stride(ceil_div(dim, V::width) * V::width), tiles(ceil_div(r.n, kTile)) {}
    int64_t count(int64_t tile) const { return min64(kTile, rows.n - tile * kTile); }
    const int32_t* cls(int64_t tile) const { return rows.cls + tile * kTile; }
    int32_t last_class(int64_t tile) const { return rows.cls[tile * kTile + count(tile) - 1]; }
    // Whether the rows can be read where they are.
    bool direct() const { return rows.identity && stride == d; }
};

// The operand with products in its own type.
template <class V>
class Packed : public Tiled<V> {
    using T = typename V::scalar_type;

public:
    using Tiled<V>::rows, Tiled<V>::d, Tiled<V>::stride, Tiled<V>::tiles, Tiled<V>::count, Tiled<V>::direct;

    Packed(const Problem<T>& p, const Rows<T>& r)
        : Tiled<V>(r, p.d), copy_(direct() ? 0 : r.n * stride), panels_(tiles * kTile * p.d) {
        in_threads(p, tiles, 4, [&](int64_t begin, int64_t end) {
            for (int64_t t = begin; t < end; ++t) pack(t);
        });
    }
    // The rows of a tile, count x stride.
    const T* row(int64_t tile) const { return (direct() ? rows.data : copy_.get()) + tile * kTile * stride; }
    // The same rows transposed, d x kTile.
    const T* panel(int64_t tile) const { return panels_.get() + tile * kTile * d; }

    // s = the rows of tile ti times the rows of b's tile tj, `vectors` wide.
    void similarities(int64_t ti, const Packed& b, int64_t tj, int64_t vectors, T* s) const {
        multiply<V, false>(count(ti), vectors, d, {row(ti), stride, 1, b.panel(tj), kTile, s, kTile});
    }
    // Adds the gradients of a tile of pairs with the weights w: own += w times b's rows, other += w
    // transposed times these rows. Either may be null.
    void add_gradients(int64_t ti, const Packed& b, int64_t tj, const T* w, T* own, T* other) const {
        const int64_t vectors = stride / V::width, m = count(ti), n = b.count(tj);
        if (own) multiply<V, true>(m, vectors, n, {w, kTile, 1, b.row(tj), b.stride, own, stride});
        if (other) multiply<V, true>(n, vectors, m, {w, 1, kTile, row(ti), stride, other, b.stride});
    }

private:
    void pack(int64_t tile) {
        const int64_t n = count(tile);
        if (!direct()) {
            for (int64_t r = 0; r < n; ++r) {
                T* to = copy_.get() + (tile * kTile + r) * stride;
                std::memcpy(to, rows.data + rows.order[tile * kTile + r] * d, d * sizeof(T));
                for (int64_t c = d; c < stride; ++c) to[c] = 0;
            }
        }
        const T* from = row(tile);
        T* to = panels_.get() + tile * kTile * d;
        transpose_copy<V>(from, stride, n, d, to, kTile);
        for (int64_t c = 0; c < d && n < kTile; ++c)
            std::memset(to + c * kTile + n, 0, (kTile - n) * sizeof(T));
    }
    Buffer<T> copy_;
    Buffer<T> panels_;
};

}  // namespace skelbench::SKELBENCH_ISA::contrastive_cpu
