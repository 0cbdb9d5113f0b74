// The hash of rooted subtrees, for the CPU and the CUDA kernels.
//
//     token_0(v)     = mix(label(v) + kLeaf)
//     token_{d+1}(v) = mix(rotl(token_d(v), 23) + sum over neighbours u of token_d(u) + kDepth)
//
// modulo 2^64. The sum commutes, so the neighbours of a node need no sorting. The rotation distinguishes the
// node's own token from theirs. mix is a bijection of 64-bit words whose outputs behave as random, so sums of
// tokens collide no more often than random words do. A mask keeps the low bits of every token.
#pragma once
#include <cstdint>

#include "isa/inline.h"

namespace skelbench::wl {

// 2^64 / golden ratio: the increment of SplitMix64.
constexpr uint64_t kLeaf = 0x9e3779b97f4a7c15u;
// An odd word, unrelated to kLeaf.
constexpr uint64_t kDepth = 0xd1b54a32d192ed03u;
constexpr int kRotation = 23;

// The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). Word is uint64_t or a vector of uint64_t.
template <class Word>
SKELBENCH_INLINE Word mix(Word x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

template <class Word>
SKELBENCH_INLINE Word leaf(Word label, uint64_t mask) {
    return mix<Word>(label + kLeaf) & mask;
}

template <class Word>
SKELBENCH_INLINE Word grow(Word own, Word neighbours, uint64_t mask) {
    const Word rotated = (own << kRotation) | (own >> (64 - kRotation));
    return mix<Word>(rotated + neighbours + kDepth) & mask;
}

}  // namespace skelbench::wl
