// The contrastive losses on the CPU at one ISA level: the entries of its table. README.md explains the
// algorithm.
#pragma once
#include "contrastive/backward.h"
#include "contrastive/forward.h"

namespace skelbench::SKELBENCH_ISA {

// |z_i|^2 of every row: the bound on the similarities, and not finite where the row is not.
template <class V>
void squared_norms(const typename V::scalar_type* rows, int64_t n, int64_t d, typename V::scalar_type* out) {
    parallel_for(n, 2048, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const typename V::scalar_type* row = rows + i * d;
            V sum = V::set(0);
            int64_t c = 0;
            for (; c + V::width <= d; c += V::width) sum = fma(V::load(row + c), V::load(row + c), sum);
            out[i] = reduce_add(sum);
            for (; c < d; ++c) out[i] += row[c] * row[c];
        }
    });
}

// P says how operands are stored and multiplied: Packed<V>, or pairs of bfloat16.
template <class P, class V = typename P::vector, class T = typename V::scalar_type>
inline constexpr contrastive::Entry<T> contrastive_entry{squared_norms<V>, forward<P, T>, backward<P, T>};

inline constexpr contrastive::Kernels contrastive_kernels{contrastive_entry<Packed<f32>>, nullptr,
                                                          &contrastive::f64_kernels};

}  // namespace skelbench::SKELBENCH_ISA
