// How many threads a call of the contrastive op gets.
//
// On a busy machine the threads of a call are not on a processor at the same time, and each waits for the
// others: calls then take many times as long as in one thread. Two calls in a row that took longer with their
// threads than one thread takes on a quiet machine are followed by some calls in the calling thread alone.
// Then threads are tried again. One late call means little: after calls alone the other threads sleep, and
// have to be woken. The results are the same for any number of threads.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "isa/parallel.h"

namespace skelbench::contrastive {

// The threads of one call, for the lifetime of the object.
class Crew {
public:
    Crew() = default;
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;
    ~Crew() {
        if (threads_ == 1 || alone_ == 0) return;
        const double taken = std::chrono::duration<double>(Clock::now() - start_).count();
        const bool late = taken > kLate * alone_;
        int penalty = penalty_.load(std::memory_order_relaxed);
        if (!late) {
            late_in_a_row_.store(0, std::memory_order_relaxed);
            penalty = std::max(penalty / 2, kFirstAlone);
        } else if (late_in_a_row_.fetch_add(1, std::memory_order_relaxed) + 1 >= kPatience) {
            late_in_a_row_.store(0, std::memory_order_relaxed);
            calls_alone_.store(penalty, std::memory_order_relaxed);
            penalty = std::min(2 * penalty, kMostAlone);
        }
        penalty_.store(penalty, std::memory_order_relaxed);
    }
    // The number of threads for so many pairs of rows.
    int64_t threads(int64_t pairs) {
        int alone = calls_alone_.load(std::memory_order_relaxed);
        if (alone > 0) calls_alone_.compare_exchange_strong(alone, alone - 1, std::memory_order_relaxed);
        threads_ = pairs <= kFewPairs || alone > 0 ? 1 : parallel_threads();
        return threads_;
    }
    // Where the passes add the seconds that one thread takes on a quiet machine.
    double* seconds_alone() { return &alone_; }

private:
    using Clock = std::chrono::steady_clock;
    // For fewer pairs the start of a thread costs more than it saves.
    static constexpr int64_t kFewPairs = 128 * 128;
    // Two threads take some 0.6 of one thread's time, where both are there.
    static constexpr double kLate = 1.5;
    // Late calls in a row that count.
    static constexpr int kPatience = 2;
    // Calls alone after the first of these, and at most; twice as many each time.
    static constexpr int kFirstAlone = 8, kMostAlone = 512;
    static inline std::atomic<int> calls_alone_{0}, penalty_{kFirstAlone}, late_in_a_row_{0};

    const Clock::time_point start_ = Clock::now();
    int64_t threads_ = 1;
    double alone_ = 0;
};

}  // namespace skelbench::contrastive
