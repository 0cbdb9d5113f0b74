// Operands of the contrastive kernels in bfloat16, for AVX512_BF16 and AMX. Both multiply pairs of neighbours
// along the sum and add in float. A pair has 32 bits and is copied like a float.
#pragma once
#include <immintrin.h>

#include <cstring>

#include "contrastive/packed.h"
#include "isa/vectors.h"
#if SKELBENCH_AT(amx)
#include "isa/amx.h"
#endif

namespace skelbench::SKELBENCH_ISA::contrastive_cpu {

// Sixteen sums, or sixteen pairs. `fma` adds both products of each pair.
struct Pairs {
    __m512 v;
    using scalar_type = float;
    static constexpr int width = 16;
    static constexpr int rows = f32::rows, cols = f32::cols;
    static Pairs load(const float* p) { return {_mm512_loadu_ps(p)}; }
    static Pairs set(float x) { return {_mm512_set1_ps(x)}; }
    void store(float* p) const { _mm512_storeu_ps(p, v); }
};
inline Pairs operator+(Pairs a, Pairs b) {
    return {_mm512_add_ps(a.v, b.v)};
}
inline Pairs fma(Pairs a, Pairs b, Pairs c) {
    return {_mm512_dpbf16_ps(c.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v))};
}

// `multiply` of matrix.h on AVX512_BF16: m rows, n vectors, sum over k pairs.
struct DotProduct {
    template <bool Add>
    static void multiply(int64_t m, int64_t n, int64_t k, const Operands<Pairs>& o) {
        contrastive_cpu::multiply<Pairs, Add>(m, n, k, o);
    }
};

#if SKELBENCH_AT(amx)
// The same on AMX for blocks of 16 rows, k a multiple of 16. The remaining rows use the dot product.
struct MatrixTiles {
    template <bool Add>
    static void multiply(int64_t m, int64_t n, int64_t k, const Operands<Pairs>& o) {
        const int64_t whole = m / kRows * kRows;
        multiply_blocks<Add>(whole, n, k, o);
        if (whole < m)
            DotProduct::multiply<Add>(m - whole, n, k,
                                      {o.a + whole * o.ra, o.ra, 1, o.b, o.ldb, o.c + whole * o.ldc, o.ldc});
    }

private:
    static constexpr int64_t kRows = 16, kPairs = 16;

    // The first `whole` rows. The tiles are configured and released around every product, because other code
    // of this thread uses the unit in between.
    template <bool Add>
    static void multiply_blocks(int64_t whole, int64_t n, int64_t k, const Operands<Pairs>& o) {
        stores_before_tile_loads();
        const TileScope scope;
        for (int64_t i = 0; i < whole; i += 2 * kRows) {
            for (int64_t j = 0; j < n; j += 2) {
                const bool below = i + kRows < whole, right = j + 1 < n;
                float* const c = o.c + i * o.ldc + j * Pairs::width;
                float* const c_below = c + kRows * o.ldc;
                const int64_t ldc = o.ldc * 4, ra = o.ra * 4, ldb = o.ldb * 4;
                if (Add) {
                    _tile_loadd(0, c, ldc);
                    if (right) _tile_loadd(1, c + Pairs::width, ldc);
                    if (below) _tile_loadd(2, c_below, ldc);
                    if (below && right) _tile_loadd(3, c_below + Pairs::width, ldc);
                } else {
                    _tile_zero(0);
                    _tile_zero(1);
                    _tile_zero(2);
                    _tile_zero(3);
                }
                const float* a = o.a + i * o.ra;
                const float* b = o.b + j * Pairs::width;
                for (int64_t t = 0; t < k; t += kPairs, a += kPairs, b += kPairs * o.ldb) {
                    _tile_loadd(4, a, ra);
                    _tile_loadd(6, b, ldb);
                    _tile_dpbf16ps(0, 4, 6);
                    if (below) {
                        _tile_loadd(5, a + kRows * o.ra, ra);
                        _tile_dpbf16ps(2, 5, 6);
                    }
                    if (right) {
                        _tile_loadd(7, b + Pairs::width, ldb);
                        _tile_dpbf16ps(1, 4, 7);
                        if (below) _tile_dpbf16ps(3, 5, 7);
                    }
                }
                _tile_stored(0, c, ldc);
                if (right) _tile_stored(1, c + Pairs::width, ldc);
                if (below) _tile_stored(2, c_below, ldc);
                if (below && right) _tile_stored(3, c_below + Pairs::width, ldc);
            }
        }
    }
};
#endif

// The operand with products in bfloat16. It is given in floats that are bfloat16 numbers. The interface is
// Packed's.
template <class Product>
class PackedPairs : public Tiled<f32> {
public:
    // Numbers in the memory of an operand.
    static int64_t size(const Tiled<f32>& of) {
        return of.tiles * (2 * kTile * depth(of) + kHalf * of.stride);
    }
    PackedPairs(const Tiled<f32>& of, float* memory, bool alone)
        : Tiled<f32>(of),
          depth_(depth(of)),
          across_(memory),
          panels_(across_ + tiles * kTile * depth_),
          down_(panels_ + tiles * kTile * depth_) {
        pack_tiles(tiles, alone, [&](int64_t t) { pack(t); });
    }

    void similarities(int64_t ti, const PackedPairs& b, int64_t tj, int64_t vectors, float* s) const {
        Product::template multiply<false>(
            count(ti), vectors, depth_,
            {across_ + ti * kTile * depth_, depth_, 1, b.panels_ + tj * kTile * depth_, kTile, s, kTile});
    }
    // A weight is rounded to bfloat16 here, when it has all its terms.
    void add_gradients(int64_t ti, const PackedPairs& b, int64_t tj, const float* w, float* own,
                       float* other) const {
        alignas(64) float pairs[kTile * kHalf];
        const int64_t m = count(ti), n = b.count(tj), vectors = stride / f32::width;
        if (own) {
            round_rows(w, m, ceil_div(n, f32::width), pairs);
            Product::template multiply<true>(
                m, vectors, kHalf, {pairs, kHalf, 1, b.down_ + tj * kHalf * stride, stride, own, stride});
        }
        if (other) {
            round_columns(w, m, ceil_div(n, f32::width), pairs);
            Product::template multiply<true>(
                n, vectors, kHalf, {pairs, kHalf, 1, down_ + ti * kHalf * stride, stride, other, stride});
        }
    }

private:
    static constexpr int64_t kHalf = kTile / 2;

    // w, m rows of some vectors -> pairs of columns, kTile x kHalf, zero beyond.
    static void round_rows(const float* w, int64_t m, int64_t vectors, float* pairs) {
        for (int64_t r = 0; r < m; ++r) {
            for (int64_t v = 0; v < kTile / f32::width; v += 2) {
                const float* const at = w + r * kTile + v * f32::width;
                const __m512 low = v < vectors ? _mm512_loadu_ps(at) : _mm512_setzero_ps(),
                             high = v + 1 < vectors ? _mm512_loadu_ps(at + f32::width) : _mm512_setzero_ps();
                _mm512_storeu_ps(pairs + r * kHalf + v * f32::width / 2,
                                 reinterpret_cast<__m512>(_mm512_cvtne2ps_pbh(high, low)));
            }
        }
    }
    // w -> pairs of rows, transposed: kTile (columns) x kHalf.
    static void round_columns(const float* w, int64_t m, int64_t vectors, float* pairs) {
        alignas(64) uint16_t order[32];
        for (uint16_t c = 0; c < 16; ++c) order[2 * c] = c, order[2 * c + 1] = c + 16;
        const __m512i interleave = _mm512_load_si512(order);
        for (int64_t v = 0; v < vectors; ++v) {
            for (int64_t half = 0; half < 2; ++half) {
                f32 square[16];
#pragma GCC unroll 16
                for (int64_t q = 0; q < 16; ++q) {
                    const int64_t r = half * 32 + 2 * q;
                    const float* const at = w + r * kTile + v * f32::width;
                    const __m512 even = r < m ? _mm512_loadu_ps(at) : _mm512_setzero_ps(),
                                 odd = r + 1 < m ? _mm512_loadu_ps(at + kTile) : _mm512_setzero_ps();
                    const auto both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(odd, even));
                    square[q].v = _mm512_castsi512_ps(_mm512_permutexvar_epi16(interleave, both));
                }
                transpose(square);
#pragma GCC unroll 16
                for (int64_t c = 0; c < 16; ++c)
                    square[c].store(pairs + (v * f32::width + c) * kHalf + half * 16);
            }
        }
    }

    void pack(int64_t tile) {
        const int64_t n = count(tile), wide = 2 * depth_;
        // The bits of floats. The upper half is the bfloat16 number.
        const Buffer<uint32_t> copy(kTile * wide, true);
        for (int64_t r = 0; r < n; ++r)
            std::memcpy(copy.get() + r * wide, rows.data + rows.order[tile * kTile + r] * d,
                        d * sizeof(float));
        const auto put = [](float* to, uint32_t low, uint32_t high) {
            const uint32_t pair = low >> 16 | (high & 0xffff0000u);
            std::memcpy(to, &pair, sizeof(pair));
        };
        float* const across = across_ + tile * kTile * depth_;
        float* const panel = panels_ + tile * kTile * depth_;
        float* const down = down_ + tile * kHalf * stride;
        for (int64_t r = 0; r < kTile; ++r) {
            const uint32_t* const row = copy.get() + r * wide;
            for (int64_t q = 0; q < depth_; ++q) put(across + r * depth_ + q, row[2 * q], row[2 * q + 1]);
        }
        transpose_copy<f32>(across, depth_, kTile, depth_, panel, kTile);
        for (int64_t r = 0; r < kHalf; ++r) {
            const uint32_t* const row = copy.get() + 2 * r * wide;
            for (int64_t c = 0; c < stride; ++c) put(down + r * stride + c, row[c], row[c + wide]);
        }
    }

    // Pairs along a row, padded to whole AMX tiles.
    static int64_t depth(const Tiled<f32>& of) { return ceil_div(of.d, 32) * 16; }
    int64_t depth_;
    // Per tile: pairs along the rows, kTile x depth_; the transpose; pairs along the columns, kHalf x stride.
    float *across_, *panels_, *down_;
};

}  // namespace skelbench::SKELBENCH_ISA::contrastive_cpu
