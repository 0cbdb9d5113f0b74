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

// Calls pack(tile) for all tiles, in threads or in this one alone.
template <class F>
void pack_tiles(int64_t tiles, bool alone, const F& pack) {
    const auto range = [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) pack(t);
    };
    alone ? range(0, tiles) : parallel_for(tiles, 4, range);
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
    // So many numbers, rounded up to whole cache lines.
    static int64_t whole(int64_t count) {
        constexpr int64_t line = 64 / sizeof(T);
        return ceil_div(count, line) * line;
    }
    // Whether the rows can be read where they are.
    bool direct() const { return rows.identity && stride == d; }
};

// The operand with products in its own type.
template <class V>
class Packed : public Tiled<V> {
    using T = typename V::scalar_type;

public:
    using Tiled<V>::rows, Tiled<V>::d, Tiled<V>::stride, Tiled<V>::tiles, Tiled<V>::count, Tiled<V>::direct;

    // Numbers in the memory of an operand: a copy of the rows in class order, unless they are read where they
    // are, and the panels.
    static int64_t size(const Tiled<V>& of) { return of.whole(copied(of) + of.tiles * kTile * of.d); }
    Packed(const Tiled<V>& of, T* memory, bool alone)
        : Tiled<V>(of), copy_(memory), panels_(memory + copied(of)) {
        pack_tiles(tiles, alone, [&](int64_t t) { pack(t); });
    }
    // The rows of a tile, count x stride.
    const T* row(int64_t tile) const { return (direct() ? rows.data : copy_) + tile * kTile * stride; }
    // The same rows transposed, d x kTile.
    const T* panel(int64_t tile) const { return panels_ + tile * kTile * d; }

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
    static int64_t copied(const Tiled<V>& of) { return of.direct() ? 0 : of.rows.n * of.stride; }
    void pack(int64_t tile) {
        const int64_t n = count(tile);
        if (!direct()) {
            for (int64_t r = 0; r < n; ++r) {
                T* to = copy_ + (tile * kTile + r) * stride;
                std::memcpy(to, rows.data + rows.order[tile * kTile + r] * d, d * sizeof(T));
                for (int64_t c = d; c < stride; ++c) to[c] = 0;
            }
        }
        const T* from = row(tile);
        T* to = panels_ + tile * kTile * d;
        transpose_copy<V>(from, stride, n, d, to, kTile);
        for (int64_t c = 0; c < d && n < kTile; ++c)
            std::memset(to + c * kTile + n, 0, (kTile - n) * sizeof(T));
    }
    T *copy_, *panels_;
};

}  // namespace skelbench::SKELBENCH_ISA::contrastive_cpu
