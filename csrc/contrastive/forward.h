// The forward pass: per anchor, the sum of its exponentials and the sum of its positives' similarities.
#pragma once
#include "contrastive/tile.h"

namespace skelbench::SKELBENCH_ISA::contrastive_cpu {

using skelbench::contrastive::Forward;

// The sums of one tile: a vector per anchor (row), a number per contrast (col).
template <class V>
struct Sums {
    using T = typename V::scalar_type;
    alignas(64) T row[kTile * V::width], row_positive[kTile * V::width], col[kTile], col_positive[kTile];
};

// A plain tile: s becomes exp2(s * scale + log2(k2) - shift), and is added along the rows and, if mirrored,
// the columns.
template <class V, bool Mirrored>
void add_plain(const Tile<V>& t, const Terms<V>& terms, Sums<V>& sums) {
    constexpr int W = V::width, N = V::cols;
    static_assert(kTile % (N * W) == 0);
    const V offset = terms.log_k2 - V::set(static_cast<typename V::scalar_type>(t.p.shift));
    for (int64_t c = 0; c < kTile; c += N * W) {
        V col[N];
        for (int v = 0; v < N; ++v) col[v] = V::set(0);
        for (int64_t r = 0; r < t.m; ++r) {
            V row = V::load(sums.row + r * W);
#pragma GCC unroll 8
            for (int v = 0; v < N; ++v) {
                typename V::scalar_type* const s = t.s + r * kTile + c + v * W;
                const V e = exp2(fma(V::load(s), terms.scale, offset));
                e.store(s);
                row = row + e;
                if (Mirrored) col[v] = col[v] + e;
            }
            row.store(sums.row + r * W);
        }
        for (int v = 0; Mirrored && v < N; ++v) col[v].store(sums.col + c + v * W);
    }
}

// Any other tile: classes meet, an anchor meets itself, the tile is not full, or every anchor has its own
// shift.
template <class V>
void add_masked(const Tile<V>& t, const Terms<V>& terms, const Tiled<V>& a, const Tiled<V>& b,
                const Forward<typename V::scalar_type>& out, Sums<V>& sums) {
    constexpr int W = V::width;
    const V zero = V::set(0);
    for (int64_t c = 0; c < t.vectors() * W; c += W) {
        V col = zero, col_positive = zero;
        const V col_shift = V::load(out.shift + t.p.square * t.j + c * t.p.square);
        for (int64_t r = 0; r < t.m; ++r) {
            const Masks<V> mask(b.rows.cls + t.j, c, a.rows.cls[t.i + r],
                                t.p.self[t.i + r] - static_cast<int32_t>(t.j));
            const V s = V::load(t.s + r * kTile + c);
            const V x = s * terms.scale + select(mask.same, zero, terms.log_k2);
            const V y = s * terms.minus_log2e + terms.log_k1;
            const auto term = [&](V shift) {
                V e = exp2(x - shift);
                if (terms.with_k1) e = e + select(mask.same, exp2(y - shift), zero);
                return select(mask.valid, e, zero);
            };
            const V shift = V::set(out.shift[t.i + r]), positive = select(mask.same, s, zero);
            const V e = term(shift);
            (V::load(sums.row + r * W) + e).store(sums.row + r * W);
            (V::load(sums.row_positive + r * W) + positive).store(sums.row_positive + r * W);
            if (t.mirrored()) {
                col = col + (t.p.shared_shift ? e : term(col_shift));
                col_positive = col_positive + positive;
            }
        }
        col.store(sums.col + c);
        col_positive.store(sums.col_positive + c);
    }
}

// Per anchor the largest exponent of its terms, which is its shift where a shared shift is not safe
// (shift.h).
template <class V, class P, class T>
void largest_exponents(const PackedProblem<P, T>& packed, const Terms<V>& terms, T* shift) {
    constexpr int W = V::width;
    const Problem<T>& p = packed.p;
    const Tiled<V>&a = packed.a, &b = packed.b;
    const V none = V::set(T(kNone));
    for_each_tile_pair(p, a, b, [&](int64_t thread, int64_t ti, int64_t tj) {
        alignas(64) T s[kTile * kTile], col[kTile];
        const Tile<V> t = similarities(p, packed.operands(thread), ti, tj, s);
        V cols[kTile / W];
        for (int64_t v = 0; v < kTile / W; ++v) cols[v] = none;
        for (int64_t r = 0; r < t.m; ++r) {
            V row = none;
            for (int64_t v = 0; v < t.vectors(); ++v) {
                const Masks<V> mask(b.rows.cls + t.j, v * W, a.rows.cls[t.i + r],
                                    p.self[t.i + r] - static_cast<int32_t>(t.j));
                const V sim = V::load(s + r * kTile + v * W);
                V x = sim * terms.scale + select(mask.same, V::set(0), terms.log_k2);
                if (terms.with_k1)
                    x = max(x, select(mask.same, sim * terms.minus_log2e + terms.log_k1, none));
                x = select(mask.valid, x, none);
                row = max(row, x);
                cols[v] = max(cols[v], x);
            }
            const T largest = reduce_max(row);
            if (largest > shift[t.i + r]) shift[t.i + r] = largest;
        }
        for (int64_t v = 0; v < t.vectors(); ++v) cols[v].store(col + v * W);
        for (int64_t c = 0; t.mirrored() && c < t.n; ++c)
            if (col[c] > shift[t.j + c]) shift[t.j + c] = col[c];
    });
}

template <class P, class T>
void forward(const PackedProblem<P, T>& packed, const Forward<T>& out) {
    using V = typename P::vector;
    constexpr int W = V::width;
    const Problem<T>& p = packed.p;
    const Tiled<V>&a = packed.a, &b = packed.b;
    const Kept<T>& kept = packed.kept;
    const Terms<V> terms(p);

    for (int64_t i = 0; i < p.anchors.n; ++i) out.sum[i] = out.positive[i] = 0;
    for (int64_t i = 0; i < p.anchors.n + skelbench::contrastive::kPad; ++i)
        out.shift[i] = p.shared_shift ? static_cast<T>(p.shift) : T(kNone);
    if (!p.shared_shift) largest_exponents(packed, terms, out.shift);

    for_each_tile_pair(p, a, b, [&](int64_t thread, int64_t ti, int64_t tj) {
        alignas(64) T passing[kTile * kTile];
        Sums<V> sums;
        const Tile<V> t =
            similarities(p, packed.operands(thread), ti, tj, kept.any() ? kept.tile(ti, tj) : passing);
        if (t.plain && p.k2 == 0) return;
        std::memset(sums.row, 0, sizeof(sums.row));
        std::memset(sums.row_positive, 0, sizeof(sums.row_positive));
        if (t.plain) {
            t.mirrored() ? add_plain<V, true>(t, terms, sums) : add_plain<V, false>(t, terms, sums);
        } else {
            add_masked(t, terms, a, b, out, sums);
        }
        for (int64_t r = 0; r < t.m; ++r) {
            out.sum[t.i + r] += reduce_add(V::load(sums.row + r * W));
            if (!t.plain) out.positive[t.i + r] += reduce_add(V::load(sums.row_positive + r * W));
        }
        for (int64_t c = 0; t.mirrored() && c < t.n; ++c) {
            out.sum[t.j + c] += sums.col[c];
            if (!t.plain) out.positive[t.j + c] += sums.col_positive[c];
        }
    });
}

}  // namespace skelbench::SKELBENCH_ISA::contrastive_cpu
