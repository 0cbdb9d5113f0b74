// The contrastive losses on the CPU, compiled once per ISA level. README.md explains the algorithm.
#include "isa/vectors.h"

#include "contrastive/backward.h"
#include "contrastive/forward.h"

namespace skelbench::SKELBENCH_ISA::contrastive_cpu {

// |z_i|^2 of every row. They bound the similarities, and show rows that are not finite.
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

// P: how operands are stored and multiplied.
template <class P>
struct Kernels {
    using V = typename P::vector;
    using T = typename V::scalar_type;
    using Prepared = skelbench::contrastive::Prepared;
    using Both = PackedProblem<P, T>;

    static Prepared* prepare(const Problem<T>& p, bool keep) {
        return reinterpret_cast<Prepared*>(new Both(p, keep));
    }
    static void run_forward(Prepared* both, const Forward<T>& out) {
        forward(*reinterpret_cast<const Both*>(both), out);
    }
    static void run_backward(Prepared* both, const Backward<T>& in) {
        backward(*reinterpret_cast<const Both*>(both), in);
    }
    static void release(Prepared* both) { delete reinterpret_cast<const Both*>(both); }

    static constexpr skelbench::contrastive::Entry<T> entry{squared_norms<V>, prepare, run_forward,
                                                            run_backward, release};
};

}  // namespace skelbench::SKELBENCH_ISA::contrastive_cpu

#if SKELBENCH_AT(avx512_bf16) || SKELBENCH_AT(amx)
#include "contrastive/bf16.h"
#endif

namespace skelbench::contrastive {

namespace cpu = skelbench::SKELBENCH_ISA::contrastive_cpu;

#if SKELBENCH_AT(amx)
constinit const Kernels Kernels::amx{.bf16 = &cpu::Kernels<cpu::PackedPairs<cpu::MatrixTiles>>::entry};
#elif SKELBENCH_AT(avx512_bf16)
constinit const Kernels Kernels::avx512_bf16{.bf16 = &cpu::Kernels<cpu::PackedPairs<cpu::DotProduct>>::entry};
#else
constinit const Kernels Kernels::SKELBENCH_ISA{
    .f32 = &cpu::Kernels<cpu::Packed<skelbench::SKELBENCH_ISA::f32>>::entry,
#if SKELBENCH_AT(scalar)
    .f64 = &cpu::Kernels<cpu::Packed<skelbench::scalar::f64>>::entry,
#endif
};
#endif

}  // namespace skelbench::contrastive
