// What the contrastive op asks of a kernel: plain pointers and sizes, no torch.
#pragma once
#include <cstdint>

#include "isa/levels.h"

namespace skelbench::contrastive {

// One operand. Its rows are read in the order of their classes: row r of a kernel is row order[r] of the
// data.
template <class T>
struct Rows {
    // (n, d), contiguous, in the caller's order.
    const T* data;
    int64_t n;
    // (n,)
    const int32_t* order;
    // (n + kPad,), the class of row r, ascending, padded with -1.
    const int32_t* cls;
    // Whether order[r] == r for every row.
    bool identity;
};
// Vectors of one number per row are padded by this many, so that kernels may read whole tiles.
inline constexpr int64_t kPad = 64;

template <class T>
struct Problem {
    // The same rows in the square form.
    Rows<T> anchors, contrasts;
    bool square;
    int64_t d;
    // (anchors.n,), the contrast that is the anchor itself, or -1.
    const int32_t* self;
    // log2(e) / temperature. Exponents are powers of two.
    double scale;
    double k1, k2;
    // Whether every anchor subtracts the same `shift` from its exponents (shift.h).
    bool shared_shift;
    double shift;
    // The most threads to use.
    int64_t threads;
    // If not null: the passes add the seconds that one thread on a quiet machine would take, by their fastest
    // pair of blocks.
    double* seconds_alone;
};

// Per anchor in class order: sum[i] = D_i * 2^-shift[i], positive[i] = sum of s_ip over its positives.
template <class T>
struct Forward {
    T* shift;
    double* sum;
    double* positive;
};

// Per anchor in class order: the shift, weight and share of AnchorGradient (shift.h).
template <class T>
struct Backward {
    const T* shift;
    const T* weight;
    const T* share;
    double temperature;
    // (anchors.n, d), in the caller's order.
    T* grad_anchors;
    // (contrasts.n, d), in the caller's order. Null in the square form, or when not wanted.
    T* grad_contrasts;
};

// The most bytes of tiles that the forward pass keeps for the backward pass (README.md, section Kept tiles).
// 16 MB are the tiles of N = 2816 rows in float32.
inline constexpr int64_t kMostKept = int64_t{1} << 24;

// The packed operands of a problem, and the tiles that are kept.
struct Prepared;

template <class T>
struct Entry {
    void (*squared_norms)(const T* rows, int64_t n, int64_t d, T* out);
    // keep: the forward pass keeps its tiles for the backward pass, where they fit.
    Prepared* (*prepare)(const Problem<T>&, bool keep);
    void (*forward)(Prepared*, const Forward<T>&);
    // After `forward` where tiles are kept, otherwise at any time.
    void (*backward)(Prepared*, const Backward<T>&);
    void (*release)(Prepared*);
};

// The passes over a problem, which outlives them.
template <class T>
class Passes {
public:
    Passes(const Entry<T>& entry, const Problem<T>& problem, bool keep)
        : entry_(entry), prepared_(entry.prepare(problem, keep)) {}
    ~Passes() { entry_.release(prepared_); }
    Passes(const Passes&) = delete;
    Passes& operator=(const Passes&) = delete;
    void forward(const Forward<T>& out) const { entry_.forward(prepared_, out); }
    void backward(const Backward<T>& in) const { entry_.backward(prepared_, in); }

private:
    const Entry<T>& entry_;
    Prepared* prepared_;
};

// A level leaves null what a plainer level does as well.
struct Kernels {
    const Entry<float>* f32 = nullptr;
    // For floats that are bfloat16 numbers. Where no level has it, f32 computes them.
    const Entry<float>* bf16 = nullptr;
    // One lane. Only the scalar level has it.
    const Entry<double>* f64 = nullptr;

    static const Kernels SKELBENCH_LEVELS;
};

}  // namespace skelbench::contrastive
