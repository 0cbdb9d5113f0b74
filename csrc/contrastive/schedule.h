// The scheduler of tile pairs on the CPU: which thread visits which pairs, and when.
#pragma once
#include <sched.h>
#include <time.h>

#include "contrastive/kernels.h"
#include "contrastive/tile_pairs.h"
#include "isa/buffer.h"
#include "isa/parallel_for.h"

namespace skelbench::SKELBENCH_ISA::contrastive_cpu {

using skelbench::contrastive::Pair;
using skelbench::contrastive::Problem;

// Spin-wait hint.
inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

inline double seconds() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The blocks of one side, and how many rounds each has completed.
class Progress {
public:
    explicit Progress(int64_t blocks) : rounds_(blocks + 1, true), blocks_(blocks) {}
    bool idle(int64_t block) const { return block == blocks_; }
    // Waits until a block has completed all rounds before this one. The block is late by a few pairs at most,
    // some 50 us, unless the system has suspended its thread. In that case the wait can take milliseconds,
    // and the processor is yielded.
    void wait(int64_t block, int64_t round) const {
        constexpr int kPauses = 1000;
        for (int waits = 0; !idle(block) && __atomic_load_n(at(block), __ATOMIC_ACQUIRE) != round; ++waits)
            waits < kPauses ? pause() : static_cast<void>(sched_yield());
    }
    void complete(int64_t block, int64_t round) const {
        if (!idle(block)) __atomic_store_n(at(block), round + 1, __ATOMIC_RELEASE);
    }

private:
    int64_t* at(int64_t block) const { return rounds_.get() + block; }
    Buffer<int64_t> rounds_;
    int64_t blocks_;
};

// Shares the rounds among threads. A lane is an equal share of the slots of every round. A thread keeps to
// one lane as long as it can, so the sums of its blocks stay in its cache.
class Lanes {
public:
    Lanes(int64_t lanes, int64_t rounds) : claimed_(lanes, true), lanes_(lanes), rounds_(rounds) {}
    int64_t count() const { return lanes_; }
    // Claims the next round of a lane: of `own`, or of another lane that is behind. Returns false when all
    // are claimed.
    //
    // Rounds are claimed in order. When one is claimed, all earlier rounds of all lanes have been claimed, so
    // the earliest pair in progress never waits. There is no deadlock, whatever the number of threads. A
    // thread that the system suspends delays only its own blocks.
    bool claim(int64_t own, int64_t& lane, int64_t& round) const {
        for (;;) {
            round = rounds_;
            for (int64_t i = 0; i < lanes_; ++i)
                round = min64(round, __atomic_load_n(at(i), __ATOMIC_ACQUIRE));
            if (round == rounds_) return false;
            for (int64_t i = 0; i < lanes_; ++i) {
                lane = (own + i) % lanes_;
                int64_t expected = round;
                if (__atomic_compare_exchange_n(at(lane), &expected, round + 1, false, __ATOMIC_ACQ_REL,
                                                __ATOMIC_RELAXED))
                    return true;
            }
        }
    }

private:
    int64_t* at(int64_t lane) const { return claimed_.get() + lane; }
    Buffer<int64_t> claimed_;
    int64_t lanes_, rounds_;
};

// Calls f(thread, a, b) for every pair of blocks, in one parallel region; the threads are numbered from 0. A
// call waits for the earlier rounds of both blocks. first(of_b, block) and last(of_b, block) are called for
// every block of either side before its first and after its last pair, by the thread of that pair.
template <class Rounds, class T, class F, class First, class Last>
void for_each_block_pair(const Rounds& rounds, const Problem<T>& p, const Progress& a, const Progress& b,
                         const F& f, const First& first, const Last& last) {
    if (!rounds.rounds()) return;
    const bool one_side = &a == &b;
    const auto for_blocks = [&](const Pair& pair, const auto& call) {
        if (!a.idle(pair.a)) call(false, pair.a);
        if (!b.idle(pair.b) && !(one_side && pair.a == pair.b)) call(!one_side, pair.b);
    };
    const Lanes lanes(min64(p.threads, rounds.slots(rounds.rounds() - 1)), rounds.rounds());
    // Seconds of the fastest pair of each thread, 0 without one.
    const Buffer<double> fastest(lanes.count(), true);
    parallel_for(lanes.count(), 1, [&](int64_t own, int64_t) {
        double& best = fastest.get()[own];
        for (int64_t lane, round; lanes.claim(own, lane, round);) {
            const int64_t slots = rounds.slots(round), end = (lane + 1) * slots / lanes.count();
            for (int64_t slot = lane * slots / lanes.count(); slot < end; ++slot) {
                const Pair pair = rounds.pair(round, slot);
                a.wait(pair.a, round);
                b.wait(pair.b, round);
                if (round == 0) for_blocks(pair, first);
                const double start = seconds();
                if (!a.idle(pair.a) && !b.idle(pair.b)) {
                    f(own, pair.a, pair.b);
                    const double taken = seconds() - start;
                    // In the square form the pairs of round 0 have half the products.
                    const bool whole = round > 0 || rounds.rounds() == 1;
                    if (whole && (best == 0 || taken < best)) best = taken;
                }
                if (round == rounds.rounds() - 1) for_blocks(pair, last);
                a.complete(pair.a, round);
                b.complete(pair.b, round);
            }
        }
    });
    if (!p.seconds_alone) return;
    double best = 0;
    for (int64_t i = 0; i < lanes.count(); ++i) {
        const double other = fastest.get()[i];
        if (other > 0 && (best == 0 || other < best)) best = other;
    }
    *p.seconds_alone += best * static_cast<double>(rounds.pairs());
}

// Tiles per block: enough blocks for many threads, and enough work in a pair of blocks to pay for its
// bookkeeping.
inline int64_t tiles_per_block(int64_t tiles) {
    return tiles <= 16 ? 1 : tiles <= 64 ? 2 : tiles <= 256 ? 4 : 8;
}

// Does nothing with the tiles of a block.
inline void untouched(bool, int64_t, int64_t) {}

// Calls f(thread, a_tile, b_tile) for every pair of tiles; in the square form for every unordered pair. No
// tile is in two calls at a time. first(of_b, begin, end) and last(of_b, begin, end) are called for ranges of
// tiles of either side before their first and after their last pair, by the thread of that pair, which has
// their sums in its cache.
template <class T, class P, class F, class First = decltype(&untouched), class Last = decltype(&untouched)>
void for_each_tile_pair(const Problem<T>& p, const P& a, const P& b, const F& f,
                        const First& first = &untouched, const Last& last = &untouched) {
    const int64_t size = tiles_per_block(a.tiles > b.tiles ? a.tiles : b.tiles);
    const auto pairs = [&](int64_t thread, int64_t block_a, int64_t block_b) {
        const int64_t a_end = min64(a.tiles, (block_a + 1) * size),
                      b_end = min64(b.tiles, (block_b + 1) * size);
        for (int64_t i = block_a * size; i < a_end; ++i)
            for (int64_t j = p.square && block_a == block_b ? i : block_b * size; j < b_end; ++j)
                f(thread, i, j);
    };
    const auto tiles_of = [&](const auto& call) {
        return [&, size](bool of_b, int64_t block) {
            call(of_b, block * size, min64((of_b ? b : a).tiles, (block + 1) * size));
        };
    };
    const auto begin = tiles_of(first), end = tiles_of(last);
    const int64_t a_blocks = ceil_div(a.tiles, size), b_blocks = ceil_div(b.tiles, size);
    const Progress of_a(a_blocks), of_b(p.square ? 0 : b_blocks);
    if (p.square) {
        for_each_block_pair(skelbench::contrastive::SquareRounds{a_blocks}, p, of_a, of_a, pairs, begin, end);
    } else {
        for_each_block_pair(skelbench::contrastive::RectangleRounds{a_blocks, b_blocks}, p, of_a, of_b, pairs,
                            begin, end);
    }
}

}  // namespace skelbench::SKELBENCH_ISA::contrastive_cpu
