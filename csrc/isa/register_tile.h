// The core of every matrix product here: a tile of sums that stays in registers.
#pragma once
#include <cstdint>

#include "isa/inline.h"

namespace skelbench::SKELBENCH_ISA {

// M rows of N vectors V. The sums start at zero and are added to memory at the end. A tile is thus rounded on
// its own, which keeps the error of a long sum as small as that of a blocked product.
template <class V, int M, int N>
class RegisterTile {
    using T = typename V::scalar_type;

public:
    SKELBENCH_INLINE RegisterTile() {
#pragma GCC unroll 16
        for (int i = 0; i < M; ++i)
#pragma GCC unroll 16
            for (int n = 0; n < N; ++n) sums_[i][n] = V::set(0);
    }

    // Adds a(i) * b to every row i. b points to N vectors.
    template <class A>
    SKELBENCH_INLINE void add_product(const A& a, const T* b) {
        V row[N];
#pragma GCC unroll 16
        for (int n = 0; n < N; ++n) row[n] = V::load(b + n * V::width);
#pragma GCC unroll 16
        for (int i = 0; i < M; ++i) {
            const V x = V::set(a(i));
#pragma GCC unroll 16
            for (int n = 0; n < N; ++n) sums_[i][n] = fma(x, row[n], sums_[i][n]);
        }
    }

    // Stores every row i at to(i), or adds it to what is there.
    template <bool Add, class To>
    SKELBENCH_INLINE void finish(const To& to) const {
#pragma GCC unroll 16
        for (int i = 0; i < M; ++i)
#pragma GCC unroll 16
            for (int n = 0; n < N; ++n) {
                T* const at = to(i) + n * V::width;
                (Add ? sums_[i][n] + V::load(at) : sums_[i][n]).store(at);
            }
    }

private:
    V sums_[M][N];
};

}  // namespace skelbench::SKELBENCH_ISA
