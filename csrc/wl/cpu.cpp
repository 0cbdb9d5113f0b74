// Weisfeiler-Lehman subtrees on the CPU, compiled once per ISA level. The vectors of 64-bit words are the
// compiler's own type, because it knows how each level multiplies them.
//
// There are two cases. Many graphs: a block of kLanes graphs is transposed, so that a vector has one node of
// all of them. All lanes have their neighbours at the same addresses. Few graphs (a batch of arbitrary graphs
// is one graph of many components): threads share the nodes, and complete a depth before the next one.
#include <cstring>
#include <utility>

#include "isa/parallel_for.h"
#include "wl/hash.h"
#include "wl/kernels.h"

namespace skelbench::SKELBENCH_ISA::wl_cpu {

using wl::Problem;

#if defined(__AVX512F__)
constexpr int64_t kLanes = 8;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 4;
#else
constexpr int64_t kLanes = 2;
#endif
typedef uint64_t Words __attribute__((vector_size(kLanes * sizeof(uint64_t)), aligned(sizeof(uint64_t))));

// Words of both vectors, by their places in one after the other.
template <size_t... Place>
inline Words shuffled(Words a, Words b) {
#if defined(__clang__)
    return __builtin_shufflevector(a, b, Place...);
#else
    return __builtin_shuffle(a, b, Words{Place...});
#endif
}

// One stage of a transposition. Of row i, the words whose column has the bit S are swapped with those of row
// i + S whose column lacks it.
template <int S, size_t... C>
inline void swap_sides(Words (&rows)[kLanes], std::index_sequence<C...>) {
#pragma GCC unroll 8
    for (int64_t i = 0; i < kLanes; ++i) {
        if (i & S) continue;
        const Words low = rows[i], high = rows[i + S];
        rows[i] = shuffled<(C & S ? C - S + kLanes : C)...>(low, high);
        rows[i + S] = shuffled<(C & S ? C + kLanes : C + S)...>(low, high);
    }
}

// Transposes a square of words.
inline void transpose(Words (&rows)[kLanes]) {
    constexpr std::make_index_sequence<kLanes> columns;
    swap_sides<1>(rows, columns);
    if constexpr (kLanes > 2) swap_sides<2>(rows, columns);
    if constexpr (kLanes > 4) swap_sides<4>(rows, columns);
}

inline Words load(const void* from) {
    Words words;
    std::memcpy(&words, from, sizeof(words));
    return words;
}
inline void store(Words words, void* to) {
    std::memcpy(to, &words, sizeof(words));
}

// Graphs first .. first + count, count <= kLanes. `scratch` has room for two depths. Lanes without a graph
// repeat the last graph and are not written.
inline void block(const Problem& p, int64_t first, int64_t count, Words* scratch) {
    const int64_t layer = p.nodes, graph = (p.iterations + 1) * p.nodes;
    const int64_t* labels[kLanes];
    for (int64_t lane = 0; lane < kLanes; ++lane) {
        labels[lane] = p.labels + (first + (lane < count ? lane : count - 1)) * layer;
    }
    Words *now = scratch, *next = scratch + layer;
    // Nodes in squares. The last square overlaps the one before it and writes the same again.
    const bool squares = p.nodes >= kLanes;
    for (int64_t v = 0; squares && v < p.nodes; v += kLanes) {
        v = v + kLanes <= p.nodes ? v : p.nodes - kLanes;
        Words square[kLanes];
#pragma GCC unroll 8
        for (int64_t lane = 0; lane < kLanes; ++lane) square[lane] = load(labels[lane] + v);
        transpose(square);
#pragma GCC unroll 8
        for (int64_t i = 0; i < kLanes; ++i) now[v + i] = wl::leaf<Words>(square[i], p.mask);
    }
    for (int64_t v = 0; !squares && v < p.nodes; ++v) {
        Words label;
        for (int64_t lane = 0; lane < kLanes; ++lane) label[lane] = static_cast<uint64_t>(labels[lane][v]);
        now[v] = wl::leaf<Words>(label, p.mask);
    }
    for (int64_t depth = 0;; ++depth) {
        int64_t* const tokens = p.tokens + first * graph + depth * layer;
        for (int64_t v = 0; squares && v < p.nodes; v += kLanes) {
            v = v + kLanes <= p.nodes ? v : p.nodes - kLanes;
            Words square[kLanes];
#pragma GCC unroll 8
            for (int64_t i = 0; i < kLanes; ++i) square[i] = now[v + i];
            transpose(square);
            for (int64_t lane = 0; lane < count; ++lane) store(square[lane], tokens + lane * graph + v);
        }
        for (int64_t lane = 0; !squares && lane < count; ++lane) {
            int64_t* to = tokens + lane * graph;
            const uint64_t* from = reinterpret_cast<const uint64_t*>(now) + lane;
            for (int64_t v = 0; v < p.nodes; ++v) to[v] = static_cast<int64_t>(from[v * kLanes]);
        }
        if (depth == p.iterations) return;
        for (int64_t v = 0; v < p.nodes; ++v) {
            Words sum = {};
            for (int64_t e = p.indptr[v]; e < p.indptr[v + 1]; ++e) sum += now[p.indices[e]];
            next[v] = wl::grow<Words>(now[v], sum, p.mask);
        }
        Words* const swap = now;
        now = next;
        next = swap;
    }
}

inline void many_graphs(const Problem& p) {
    const int64_t blocks = (p.graphs + kLanes - 1) / kLanes;
    const int64_t grain = 1 + 16384 / (p.nodes * kLanes + 1);
    parallel_for(blocks, grain, [&p](int64_t begin, int64_t end) {
        uint64_t* const scratch = new uint64_t[2 * p.nodes * kLanes];
        for (int64_t b = begin; b < end; ++b) {
            const int64_t first = b * kLanes, left = p.graphs - first;
            block(p, first, left < kLanes ? left : kLanes, reinterpret_cast<Words*>(scratch));
        }
        delete[] scratch;
    });
}

inline void few_graphs(const Problem& p) {
    constexpr int64_t kGrain = 4096;
    for (int64_t g = 0; g < p.graphs; ++g) {
        const int64_t* const labels = p.labels + g * p.nodes;
        int64_t* tokens = p.tokens + g * (p.iterations + 1) * p.nodes;
        parallel_for(p.nodes, kGrain, [&](int64_t begin, int64_t end) {
            for (int64_t v = begin; v < end; ++v) {
                tokens[v] =
                    static_cast<int64_t>(wl::leaf<uint64_t>(static_cast<uint64_t>(labels[v]), p.mask));
            }
        });
        for (int64_t depth = 0; depth < p.iterations; ++depth, tokens += p.nodes) {
            parallel_for(p.nodes, kGrain, [&](int64_t begin, int64_t end) {
                for (int64_t v = begin; v < end; ++v) {
                    uint64_t sum = 0;
                    for (int64_t e = p.indptr[v]; e < p.indptr[v + 1]; ++e) {
                        sum += static_cast<uint64_t>(tokens[p.indices[e]]);
                    }
                    const uint64_t own = static_cast<uint64_t>(tokens[v]);
                    tokens[p.nodes + v] = static_cast<int64_t>(wl::grow<uint64_t>(own, sum, p.mask));
                }
            });
        }
    }
}

inline void subtrees(const Problem& p) {
    if (p.graphs < kLanes) {
        few_graphs(p);
    } else {
        many_graphs(p);
    }
}

}  // namespace skelbench::SKELBENCH_ISA::wl_cpu

namespace skelbench::wl {

constinit const Kernels Kernels::SKELBENCH_ISA{.subtrees = skelbench::SKELBENCH_ISA::wl_cpu::subtrees};

}  // namespace skelbench::wl
