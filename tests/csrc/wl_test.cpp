// The subtrees of every level without torch: the bits of the hash, node by node.
#include <cstdio>
#include <vector>

#include "isa/dispatch.h"
#include "isa/one_thread.h"
#include "wl/hash.h"
#include "wl/kernels.h"

using namespace skelbench;

namespace {

int failures = 0;

// A path of nodes with a loop-free chord from its first to its last.
void check(const char* level, int64_t graphs, int64_t nodes, int64_t iterations, uint64_t mask) {
    std::vector<int64_t> indptr(nodes + 1, 0), indices, labels(graphs * nodes);
    for (int64_t v = 0; v < nodes; ++v) {
        if (v > 0) indices.push_back(v - 1);
        if (v + 1 < nodes) indices.push_back(v + 1);
        if (nodes > 3 && v == 0) indices.push_back(nodes - 1);
        if (nodes > 3 && v == nodes - 1) indices.push_back(0);
        indptr[v + 1] = static_cast<int64_t>(indices.size());
    }
    for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int64_t>(i * 2654435761u % 97) - 40;
    std::vector<int64_t> tokens(graphs * (iterations + 1) * nodes, -1);
    dispatch<&wl::Kernels::subtrees>()(
        {labels.data(), indptr.data(), indices.data(), graphs, nodes, iterations, mask, tokens.data()});
    for (int64_t g = 0; g < graphs; ++g) {
        std::vector<uint64_t> now(nodes), next(nodes);
        for (int64_t v = 0; v < nodes; ++v)
            now[v] = wl::leaf<uint64_t>(static_cast<uint64_t>(labels[g * nodes + v]), mask);
        for (int64_t depth = 0; depth <= iterations; ++depth) {
            for (int64_t v = 0; v < nodes; ++v) {
                if (tokens[(g * (iterations + 1) + depth) * nodes + v] == static_cast<int64_t>(now[v]))
                    continue;
                if (++failures < 20)
                    std::printf("%s: graph %ld of %ld, depth %ld, node %ld of %ld\n", level, long(g),
                                long(graphs), long(depth), long(v), long(nodes));
            }
            for (int64_t v = 0; v < nodes; ++v) {
                uint64_t sum = 0;
                for (int64_t e = indptr[v]; e < indptr[v + 1]; ++e) sum += now[indices[e]];
                next[v] = wl::grow<uint64_t>(now[v], sum, mask);
            }
            now.swap(next);
        }
    }
}

}  // namespace

int main() {
    for (int level = 0; level <= best_level(); ++level) {
        use_level(level);
        for (int64_t graphs : {1, 3, 8, 17})
            for (int64_t nodes : {1, 2, 5, 25, 64})
                for (uint64_t mask : {~uint64_t{0}, uint64_t{0x1ffffffff}})
                    check(level_name(level), graphs, nodes, 3, mask);
    }
    return failures != 0;
}
