// The tile of a product that a thread block computes: sum over k of a[k][line] * b[k][column], in shared
// memory.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace skelbench::ragged {

// Products that are added up before the sum is added to the tile: less rounding than one long chain.
constexpr int kDepth = 32;
// Columns of a tile.
constexpr int kWidth = 64;
// Lines of a thread. It has 4 columns.
constexpr int kOwn = 8;

template <int Lines>
class Tile {
public:
    static constexpr int kThreads = Lines / kOwn * (kWidth / 4);
    // Rows are 4 words apart (mod 32), so the writes of eight threads along k and four along lines use
    // different banks.
    static constexpr int kLdA = Lines + 4, kLdB = kWidth + 4, kLdOut = kWidth + 1;
    static_assert(kThreads % 32 == 0 && kLdA % 4 == 0 && kLdA % 8 == 4 && kLdB % 8 == 4);
    union Memory {
        struct {
            float4 a[kDepth * kLdA / 4], b[kDepth * kLdB / 4];
        };
        float out[Lines * kLdOut];
    };

    __device__ explicit Tile(Memory& memory) : memory_(memory) {}

    // Adds `depth` <= kDepth products. a(line, k) and b(column, k) read a number of each operand. `*_along_k`
    // says that neighbours along k are neighbours in memory.
    template <class A, class B>
    __device__ void add(int depth, const A& a, bool a_along_k, const B& b, bool b_along_k) {
        __syncthreads();
        stage<Lines, kLdA>(reinterpret_cast<float*>(memory_.a), depth, a, a_along_k);
        stage<kWidth, kLdB>(reinterpret_cast<float*>(memory_.b), depth, b, b_along_k);
        __syncthreads();
        float part[kOwn][4] = {};
        for (int k = 0; k < depth; ++k) {
            const float4* line = memory_.a + k * (kLdA / 4) + first_line() / 4;
            const float4 low = line[0], high = line[1];
            const float4 right = memory_.b[k * (kLdB / 4) + first_column() / 4];
            const float left[kOwn] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
            for (int i = 0; i < kOwn; ++i) {
                part[i][0] = fmaf(left[i], right.x, part[i][0]);
                part[i][1] = fmaf(left[i], right.y, part[i][1]);
                part[i][2] = fmaf(left[i], right.z, part[i][2]);
                part[i][3] = fmaf(left[i], right.w, part[i][3]);
            }
        }
#pragma unroll
        for (int i = 0; i < kOwn; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) sum_[i][j] += part[i][j];
    }

    // Calls put(line, column, sum) for the whole tile. Neighbouring threads have neighbouring lines, or
    // columns.
    template <class Put>
    __device__ void finish(bool along_lines, const Put& put) {
        __syncthreads();
        for (int i = 0; i < kOwn; ++i)
            for (int j = 0; j < 4; ++j)
                memory_.out[(first_line() + i) * kLdOut + first_column() + j] = sum_[i][j];
        __syncthreads();
        for (int e = threadIdx.x; e < Lines * kWidth; e += kThreads) {
            const int line = along_lines ? e % Lines : e / kWidth;
            const int column = along_lines ? e / Lines : e % kWidth;
            put(line, column, memory_.out[line * kLdOut + column]);
        }
    }

private:
    static __device__ int first_line() { return threadIdx.x / (kWidth / 4) * kOwn; }
    static __device__ int first_column() { return threadIdx.x % (kWidth / 4) * 4; }

    template <int Count, int Ld, class From>
    static __device__ void stage(float* to, int depth, const From& from, bool along_k) {
        for (int e = threadIdx.x; e < Count * kDepth; e += kThreads) {
            const int k = along_k ? e / (8 * Count) * 8 + e % 8 : e / Count;
            const int i = along_k ? e / 8 % Count : e % Count;
            if (k < depth) to[k * Ld + i] = from(i, k);
        }
    }

    Memory& memory_;
    float sum_[kOwn][4] = {};
};

}  // namespace skelbench::ragged
