// What the contrastive op asks of a kernel: plain pointers and sizes, no torch.
#pragma once
#include <cstdint>

namespace skelbench::contrastive {

// One operand, its rows taken in the order of their class: row r of the kernel is rows[order[r]].
template <class T>
struct Rows {
    const T* data;  // (n, d), contiguous, original order
    int64_t n;
    const int32_t* order;  // (n,)
    const int32_t* cls;    // (n + kPad,), class of row r, ascending; padded with -1
    bool identity;         // order[r] == r
};
inline constexpr int64_t kPad = 64;

template <class T>
struct Problem {
    Rows<T> anchors, contrasts;  // the same rows in the square form
    bool square;
    int64_t d;
    const int32_t* self;  // (anchors.n,), the contrast that is the anchor itself, or -1
    double scale;         // log2(e) / temperature: exponents are powers of two
    double k1, k2;
    bool shared_shift;  // every row subtracts the same `shift` from its exponents
    double shift;
};

// Per anchor in class order: sum[i] = D_i * 2^-shift[i], positive[i] = sum of s_ip over its positives.
template <class T>
struct Forward {
    T* shift;
    double* sum;
    double* positive;
};

// Per anchor in class order, g the gradient of its loss:
//   weight = g / temperature * 2^shift / D,  positive = g / (temperature * |P|).
template <class T>
struct Backward {
    const T* shift;
    const T* weight;
    const T* positive;
    double temperature;
    T* grad_anchors;    // (anchors.n, d), original order
    T* grad_contrasts;  // (contrasts.n, d), original order; null in the square form or when not wanted
};

template <class T>
struct Entry {
    void (*squared_norms)(const T* rows, int64_t n, int64_t d, T* out);
    void (*forward)(const Problem<T>&, const Forward<T>&);
    void (*backward)(const Problem<T>&, const Backward<T>&);
};

// The double-precision kernels: one lane, the same at every level.
extern const Entry<double> f64_kernels;

// Products of bfloat16 on AVX512_BF16, and on AMX tiles besides.
extern const Entry<float> avx512_bf16_kernels, amx_bf16_kernels;

struct Kernels {
    Entry<float> f32;
    const Entry<float>* bf16;  // for floats that are bfloat16 numbers; null: f32 does them
    const Entry<double>* f64;
};

}  // namespace skelbench::contrastive
