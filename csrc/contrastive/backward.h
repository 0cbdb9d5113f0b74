// The backward pass: the similarities of a tile become the gradient weights of its pairs, dL/ds. Two matrix
// products turn them into the gradients of the rows.
#pragma once
#include "contrastive/tile.h"

namespace skelbench::SKELBENCH_ISA::contrastive_cpu {

using skelbench::contrastive::Backward;

// A plain tile: w = dL/ds, summed over both anchors of the pair, from s or, if kept, from the exponentials.
template <class V, bool Mirrored, bool Exponentials>
void weigh_plain(const Tile<V>& t, const Terms<V>& terms, const Backward<typename V::scalar_type>& in,
                 typename V::scalar_type* w) {
    constexpr int W = V::width, N = V::cols;
    const V offset = terms.log_k2 - V::set(static_cast<typename V::scalar_type>(t.p.shift));
    for (int64_t c = 0; c < kTile; c += N * W) {
        V other[N];
        for (int v = 0; v < N; ++v) other[v] = Mirrored ? V::load(in.weight + t.j + c + v * W) : V::set(0);
        for (int64_t r = 0; r < t.m; ++r) {
            const V own = V::set(in.weight[t.i + r]);
#pragma GCC unroll 8
            for (int v = 0; v < N; ++v) {
                const int64_t at = r * kTile + c + v * W;
                const V s = V::load(t.s + at);
                const V e = Exponentials ? s : exp2(fma(s, terms.scale, offset));
                (e * (Mirrored ? own + other[v] : own)).store(w + at);
            }
        }
    }
}

template <class V, bool Exponentials>
void weigh_plain(const Tile<V>& t, const Terms<V>& terms, const Backward<typename V::scalar_type>& in,
                 typename V::scalar_type* w) {
    t.mirrored() ? weigh_plain<V, true, Exponentials>(t, terms, in, w)
                 : weigh_plain<V, false, Exponentials>(t, terms, in, w);
}

// Any other tile. The positives' share is subtracted here, before anything is rounded or summed. On
// well-separated classes it nearly cancels the softmax weight, and the difference is the gradient.
template <class V>
void weigh_masked(const Tile<V>& t, const Terms<V>& terms, const Tiled<V>& a, const Tiled<V>& b,
                  const Backward<typename V::scalar_type>& in, typename V::scalar_type* out) {
    using T = typename V::scalar_type;
    constexpr int W = V::width;
    const V zero = V::set(0), minus_temperature = V::set(static_cast<T>(-in.temperature));
    const bool both = t.p.square;
    for (int64_t c = 0; c < t.vectors() * W; c += W) {
        const int64_t column = both ? t.j + c : 0;
        const V other_shift = V::load(in.shift + column),
                other_weight = both ? V::load(in.weight + column) : zero,
                other_share = both ? V::load(in.share + column) : zero;
        for (int64_t r = 0; r < t.m; ++r) {
            const int64_t i = t.i + r;
            const Masks<V> mask(b.rows.cls + t.j, c, a.rows.cls[i], t.p.self[i] - static_cast<int32_t>(t.j));
            const V s = V::load(t.s + r * kTile + c);
            const V x = s * terms.scale + select(mask.same, zero, terms.log_k2);
            const V y = s * terms.minus_log2e + terms.log_k1;
            const auto term = [&](V shift, V weight) {
                V e = exp2(x - shift);
                if (terms.with_k1) e = fma(select(mask.same, exp2(y - shift), zero), minus_temperature, e);
                return e * weight;
            };
            const V shift = V::set(in.shift[i]), weight = V::set(in.weight[i]);
            V w = t.p.shared_shift ? term(shift, weight + other_weight)
                  : both           ? term(shift, weight) + term(other_shift, other_weight)
                                   : term(shift, weight);
            w = w - select(mask.same, V::set(in.share[i]) + other_share, zero);
            select(mask.valid, w, zero).store(out + r * kTile + c);
        }
    }
}

// Sums gradients in class order, in padded rows, which the end writes in the caller's order.
template <class V>
class Gradient {
    using T = typename V::scalar_type;

public:
    // out: null if the gradient is not wanted. sums: memory for padded rows, if the rows cannot be summed in
    // out.
    Gradient(const Tiled<V>& rows, T* out, T* sums)
        : rows_(rows), out_(out), sums_(rows.direct() ? out : sums) {}
    bool wanted() const { return out_ != nullptr; }
    T* row(int64_t i) const { return sums_ + i * rows_.stride; }
    // Before the first sum and after the last one of a range of tiles.
    void begin(int64_t first, int64_t end) const {
        if (wanted()) std::memset(row(first * kTile), 0, count(first, end) * rows_.stride * sizeof(T));
    }
    void end(int64_t first, int64_t end) const {
        if (!wanted() || rows_.direct()) return;
        for (int64_t i = first * kTile; i < first * kTile + count(first, end); ++i)
            std::memcpy(out_ + rows_.rows.order[i] * rows_.d, row(i), rows_.d * sizeof(T));
    }

private:
    int64_t count(int64_t first, int64_t end) const {
        return min64(rows_.rows.n, end * kTile) - first * kTile;
    }
    const Tiled<V>& rows_;
    T *out_, *sums_;
};

template <class P, class T>
void backward(const PackedProblem<P, T>& packed, const Backward<T>& in) {
    using V = typename P::vector;
    const Problem<T>& p = packed.p;
    const Tiled<V>&a = packed.a, &b = packed.b;
    const Kept<T>& kept = packed.kept;
    const Terms<V> terms(p);
    const Gradient<V> grad_a(a, in.grad_anchors, packed.sums(false)),
        grad_own_b(b, p.square ? nullptr : in.grad_contrasts, packed.sums(true));
    const Gradient<V>& grad_b = p.square ? grad_a : grad_own_b;
    const auto begin = [&](bool of_b, int64_t first, int64_t end) {
        (of_b ? grad_b : grad_a).begin(first, end);
    };
    const auto end = [&](bool of_b, int64_t first, int64_t end) { (of_b ? grad_b : grad_a).end(first, end); };
    if (!a.tiles || !b.tiles) {
        // No pair at all.
        begin(false, 0, a.tiles), end(false, 0, a.tiles);
        begin(true, 0, b.tiles), end(true, 0, b.tiles);
        return;
    }
    const auto pair = [&](int64_t thread, int64_t ti, int64_t tj) {
        alignas(64) T w[kTile * kTile];
        const auto& operands = packed.operands(thread);
        const Tile<V> t =
            kept.any() ? tile_at(p, a, b, ti, tj, kept.tile(ti, tj)) : similarities(p, operands, ti, tj, w);
        if (t.plain && p.k2 == 0) return;
        if (!t.plain) {
            weigh_masked(t, terms, a, b, in, w);
        } else {
            kept.any() ? weigh_plain<V, true>(t, terms, in, w) : weigh_plain<V, false>(t, terms, in, w);
        }
        operands.a.add_gradients(ti, operands.b, tj, w, grad_a.wanted() ? grad_a.row(t.i) : nullptr,
                                 grad_b.wanted() && !t.diagonal ? grad_b.row(t.j) : nullptr);
    };
    for_each_tile_pair(p, a, b, pair, begin, end);
}

}  // namespace skelbench::SKELBENCH_ISA::contrastive_cpu
