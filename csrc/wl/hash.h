// The hash of rooted subtrees: constants and arithmetic, shared by the CPU and the CUDA kernels.
//
//     token_0(v)     = mix(label(v) + kLeaf)
//     token_{d+1}(v) = mix(rotl(token_d(v), 23) + sum over neighbours u of token_d(u) + kDepth)     (mod
//     2^64)
//
// The sum commutes, so that a node's neighbours need no sorting; the rotation sets the node's own token apart
// from theirs. mix is a bijection of 64-bit words whose outputs behave as random, so sums of them collide no
// more often than random words do. With a mask every token keeps only its low bits.
#pragma once
#include <cstdint>

#ifdef __CUDACC__
#define WL_INLINE __device__ __forceinline__
#else
#define WL_INLINE \
    inline __attribute__((always_inline))  // no copy of its own, so none of another ISA level's either
#endif

namespace skelbench::wl {

constexpr uint64_t kLeaf = 0x9e3779b97f4a7c15u;   // 2^64 / golden ratio: the increment of SplitMix64
constexpr uint64_t kDepth = 0xd1b54a32d192ed03u;  // an odd word without relation to kLeaf
constexpr int kRotation = 23;

// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). Word is uint64_t or a vector of them.
template <class Word>
WL_INLINE Word mix(Word x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

template <class Word>
WL_INLINE Word leaf(Word label, uint64_t mask) {
    return mix<Word>(label + kLeaf) & mask;
}

template <class Word>
WL_INLINE Word grow(Word own, Word neighbours, uint64_t mask) {
    const Word turned = (own << kRotation) | (own >> (64 - kRotation));
    return mix<Word>(turned + neighbours + kDepth) & mask;
}

}  // namespace skelbench::wl
