// The contrastive op on CUDA. One thread block takes a 64 x 64 tile of similarities, in shared memory,
// through the same steps as the CPU's tiles; rows stay in the caller's order, so every tile compares labels.
// No launch waits for the device, so all can be captured in a graph: what depends on values (is one shift for
// all rows safe?) is decided on the device.
#include <type_traits>

#include "contrastive/cuda.h"
#include "contrastive/tile_mma.cuh"
#include "contrastive/walk.h"

namespace skelbench::contrastive {
namespace {

constexpr double kLog2e = 1.4426950408889634, kLn2 = 0.6931471805599453;
constexpr float kNone = -1e30f;  // below every exponent

// Scratch memory, one entry per row of the anchors.
struct Scratch {
    double *sum, *positive, *weight, *share;
    int64_t* count;
    float* shift;
    unsigned* squared_norms;  // largest |row|^2 of anchors and contrasts, as bits

    __host__ __device__ Scratch(void* memory, int64_t n)
        : sum(static_cast<double*>(memory)),
          positive(sum + n),
          weight(positive + n),
          share(weight + n),
          count(reinterpret_cast<int64_t*>(share + n)),
          shift(reinterpret_cast<float*>(count + n)),
          squared_norms(reinterpret_cast<unsigned*>(shift + n)) {}
    static int64_t bytes(int64_t n) { return n * (5 * 8 + 4) + 2 * 4; }
};

// One side of a tile in the backward pass: its rows' weights, or none.
struct Side {
    const double *weight, *share;
};

__device__ float exponential(float x) {
    return exp2f(x);
}
__device__ double exponential(double x) {
    return exp2(x);
}

template <class T>
__device__ T as(float x) {
    return static_cast<T>(x);
}
template <>
__device__ __nv_bfloat16 as<__nv_bfloat16>(float x) {
    return __float2bfloat16(x);
}
template <class T>
__device__ T as(double x) {
    return static_cast<T>(x);
}
__device__ float number(__nv_bfloat16 x) {
    return __bfloat162float(x);
}
__device__ float number(float x) {
    return x;
}
__device__ double number(double x) {
    return x;
}

// The largest exponent any row can have, in powers of two, if subtracting it from all rows is safe; else
// kNone.
__device__ float shared_shift(const CudaProblem& p, const unsigned* squared_norms) {
    const float a = __uint_as_float(squared_norms[0]), b = __uint_as_float(squared_norms[p.square ? 0 : 1]);
    const double norm = sqrt(double(a)) * sqrt(double(b)), bound = norm / p.temperature;
    const bool safe = bound <= 1.01 / 0.03 && (p.k1 == 0 || norm + log(p.k1) - bound < 80);
    return safe ? float(bound * kLog2e) : kNone;
}

// Largest of floats of either sign, by the order of their bits.
__device__ void atomic_max(float* at, float x) {
    if (x >= 0) {
        atomicMax(reinterpret_cast<int*>(at), __float_as_int(x));
    } else {
        atomicMin(reinterpret_cast<unsigned*>(at), __float_as_uint(x));
    }
}

// A tile's shared memory and the pairs in it.
template <class Mma>
struct Tile {
    using In = typename Mma::Operand;
    using Sum = typename Mma::Sum;
    In *x, *y, *w;
    Sum* s;
    int64_t *label_a, *label_b;
    static constexpr int kBytes = 3 * kCudaTile * kLdIn * sizeof(In) + kCudaTile * kLdOut * sizeof(Sum) +
                                  2 * kCudaTile * sizeof(int64_t);

    __device__ explicit Tile(unsigned char* memory)
        : x(reinterpret_cast<In*>(memory)),
          y(x + kCudaTile * kLdIn),
          w(y + kCudaTile * kLdIn),
          s(reinterpret_cast<Sum*>(w + kCudaTile * kLdIn)),
          label_a(reinterpret_cast<int64_t*>(s + kCudaTile * kLdOut)),
          label_b(label_a + kCudaTile) {}

    // Columns [c, c + 64) of 64 rows; zero outside.
    static __device__ void load(In* to, const void* from, int64_t row, int64_t rows, int64_t c, int64_t d) {
        for (int e = threadIdx.x; e < kCudaTile * kCudaTile; e += kThreads) {
            const int64_t r = row + e / kCudaTile, k = c + e % kCudaTile;
            to[e / kCudaTile * kLdIn + e % kCudaTile] =
                r < rows && k < d ? static_cast<const In*>(from)[r * d + k] : as<In>(0.0f);
        }
    }

    // s = anchors [i, i + 64) times contrasts [j, j + 64), and their labels.
    __device__ void similarities(const CudaProblem& p, int64_t i, int64_t j) {
        for (int64_t c = 0; c < p.d; c += kCudaTile) {
            __syncthreads();
            load(x, p.anchors, i, p.n, c, p.d);
            load(y, p.contrasts, j, p.m, c, p.d);
            __syncthreads();
            Mma::template multiply<false, true>(x, y, s, c > 0);
        }
        if (threadIdx.x < kCudaTile) {
            label_a[threadIdx.x] = i + threadIdx.x < p.n ? p.labels[i + threadIdx.x] : 0;
            label_b[threadIdx.x] = j + threadIdx.x < p.m ? p.contrast_labels[j + threadIdx.x] : 0;
        }
        __syncthreads();
    }
};

// A pair of rows: is it a contrast at all, is it a positive, and the exponents of its terms in powers of two.
template <class Sum>
struct Pair {
    bool valid, same;
    Sum x, y;
    __device__ Pair(const CudaProblem& p, int64_t i, int64_t j, int64_t label_a, int64_t label_b, Sum s)
        : valid(i < p.n && j < p.m && !(p.has_self && j == i + p.self_offset)),
          same(valid && label_a == label_b),
          x(s * Sum(kLog2e / p.temperature) + (same       ? Sum(0)
                                               : p.k2 > 0 ? Sum(log2(p.k2))
                                                          : Sum(kNone))),
          y(same && p.k1 > 0 ? Sum(log2(p.k1)) - s * Sum(kLog2e) : Sum(kNone)) {}
};

// Forward over one tile. Four neighbouring threads share a line: an anchor's row, or, mirrored, its column.
template <class Mma, bool Largest>
__device__ void reduce_lines(const CudaProblem& p, const Tile<Mma>& t, const Scratch& out, int64_t i,
                             int64_t j, bool columns) {
    using Sum = typename Mma::Sum;
    const int line = threadIdx.x / 4, part = threadIdx.x % 4;
    const int64_t anchor = (columns ? j : i) + line;
    const bool present = anchor < p.n;
    const Sum shift = present ? Sum(out.shift[anchor]) : Sum(0);
    Sum sum = 0, positive = 0, largest = kNone;
    int count = 0;
    for (int q = part; q < kCudaTile; q += 4) {
        const int r = columns ? q : line, c = columns ? line : q;
        const Sum s = t.s[r * kLdOut + c];
        const Pair<Sum> pair(p, i + r, j + c, t.label_a[r], t.label_b[c], s);
        if (!pair.valid) continue;
        if (Largest) {
            largest = max(largest, max(pair.x, pair.y));
        } else {
            sum +=
                exponential(pair.x - shift) + (pair.same && p.k1 > 0 ? exponential(pair.y - shift) : Sum(0));
            positive += pair.same ? s : Sum(0);
            count += pair.same;
        }
    }
    for (int lane = 1; lane < 4; lane *= 2) {
        sum += __shfl_xor_sync(0xffffffffu, sum, lane);
        positive += __shfl_xor_sync(0xffffffffu, positive, lane);
        largest = max(largest, __shfl_xor_sync(0xffffffffu, largest, lane));
        count += __shfl_xor_sync(0xffffffffu, count, lane);
    }
    if (part != 0 || !present) return;
    if (Largest) {
        atomic_max(out.shift + anchor, float(largest));
    } else {
        atomicAdd(out.sum + anchor, double(sum));
        atomicAdd(out.positive + anchor, double(positive));
        atomicAdd(reinterpret_cast<unsigned long long*>(out.count + anchor),
                  static_cast<unsigned long long>(count));
    }
}

template <class Mma, bool Largest>
__global__ void __launch_bounds__(kThreads) forward_tiles(CudaProblem p, Scratch out, GridWalk walk) {
    extern __shared__ __align__(128) unsigned char memory[];
    if (Largest && shared_shift(p, out.squared_norms) != kNone) return;
    Tile<Mma> t(memory);
    const GridWalk::Work work = walk.work(blockIdx.x);
    for (int64_t b = work.b; b < work.b_end; ++b) {
        const int64_t i = work.a * kCudaTile, j = b * kCudaTile;
        t.similarities(p, i, j);
        reduce_lines<Mma, Largest>(p, t, out, i, j, false);
        if (walk.mirrored(work.a, b)) reduce_lines<Mma, Largest>(p, t, out, i, j, true);
    }
}

// A warp per row; atomicMax on bits orders non-negative floats, and NaN above them.
template <class In>
__global__ void largest_norm(const In* rows, int64_t n, int64_t d, unsigned* out) {
    const int64_t row = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
    if (row >= n) return;
    float sum = 0;
    for (int64_t c = threadIdx.x % 32; c < d; c += 32) {
        const float x = float(number(rows[row * d + c]));
        sum += x * x;
    }
    for (int lane = 16; lane > 0; lane /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lane);
    if (threadIdx.x % 32 == 0) atomicMax(out, __float_as_uint(sum));
}

__global__ void start_rows(CudaProblem p, Scratch out) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < p.n) out.shift[i] = shared_shift(p, out.squared_norms);
}

template <class Sum>
__global__ void finish_rows(CudaProblem p, Scratch in, Sum* loss, double* lse, int64_t* positives) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= p.n) return;
    const int64_t count = in.count[i];
    const double log_sum = double(in.shift[i]) * kLn2 + log(in.sum[i]);
    positives[i] = count;
    lse[i] = count ? log_sum : 0.0;
    loss[i] = count ? Sum(log_sum - in.positive[i] / (p.temperature * double(count))) : Sum(0);
}

// Per anchor: weight = g / tau * 2^shift / D, with the shift rounded to float; share = g / (tau |P|).
template <class Sum>
__global__ void weigh_rows(CudaProblem p, const Sum* grad, const double* lse, const int64_t* positives,
                           Scratch out) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= p.n) return;
    const int64_t count = positives[i];
    const double g = double(grad[i]) / p.temperature, log2_sum = lse[i] * kLog2e;
    out.shift[i] = count ? float(log2_sum) : 1e30f;  // no exponent reaches it: an anchor without a positive
    out.weight[i] = count ? g * exp2(double(out.shift[i]) - log2_sum) : 0.0;
    out.share[i] = count ? g / double(count) : 0.0;
}

// dL/ds_ij of the anchor on one side of a pair.
template <class Sum>
__device__ Sum pair_weight(const CudaProblem& p, const Pair<Sum>& pair, float shift, double weight,
                           double share) {
    Sum e = exponential(pair.x - Sum(shift));
    if (pair.same && p.k1 > 0) e -= Sum(p.temperature) * exponential(pair.y - Sum(shift));
    return e * Sum(weight) - (pair.same ? Sum(share) : Sum(0));
}

// g (rows x 64 columns of the gradient, in shared memory) is added to `to`.
template <class Sum>
__device__ void add_gradient(const Sum* g, Sum* to, int64_t row, int64_t rows, int64_t c, int64_t d) {
    for (int e = threadIdx.x; e < kCudaTile * kCudaTile; e += kThreads) {
        const int64_t r = row + e / kCudaTile, k = c + e % kCudaTile;
        if (r < rows && k < d) atomicAdd(to + r * d + k, g[e / kCudaTile * kLdOut + e % kCudaTile]);
    }
}

// Rows of `p.anchors` own the thread blocks. `a` and `b` weigh the anchors' and the contrasts' own losses.
template <class Mma>
__global__ void __launch_bounds__(kThreads)
    backward_tiles(CudaProblem p, Side a, Side b, const float* shift_a, const float* shift_b, GridWalk walk,
                   typename Mma::Sum* grad_a, typename Mma::Sum* grad_b) {
    using Sum = typename Mma::Sum;
    extern __shared__ __align__(128) unsigned char memory[];
    Tile<Mma> t(memory);
    const GridWalk::Work work = walk.work(blockIdx.x);
    for (int64_t tile = work.b; tile < work.b_end; ++tile) {
        const int64_t i0 = work.a * kCudaTile, j0 = tile * kCudaTile;
        t.similarities(p, i0, j0);
        for (int e = threadIdx.x; e < kCudaTile * kCudaTile; e += kThreads) {
            const int r = e / kCudaTile, c = e % kCudaTile;
            const int64_t i = i0 + r, j = j0 + c;
            const Pair<Sum> pair(p, i, j, t.label_a[r], t.label_b[c], t.s[r * kLdOut + c]);
            Sum w = 0;
            if (pair.valid && a.weight) w += pair_weight(p, pair, shift_a[i], a.weight[i], a.share[i]);
            if (pair.valid && b.weight) w += pair_weight(p, pair, shift_b[j], b.weight[j], b.share[j]);
            t.w[r * kLdIn + c] = as<typename Mma::Operand>(w);
        }
        const bool both = grad_b && (!p.square || walk.mirrored(work.a, tile));
        for (int64_t c = 0; c < p.d; c += kCudaTile) {
            __syncthreads();
            t.load(t.x, p.anchors, i0, p.n, c, p.d);
            t.load(t.y, p.contrasts, j0, p.m, c, p.d);
            __syncthreads();
            if (grad_a) {
                Mma::template multiply<false, false>(t.w, t.y, t.s, false);
                __syncthreads();
                add_gradient(t.s, grad_a, i0, p.n, c, p.d);
                __syncthreads();
            }
            if (both) {
                Mma::template multiply<true, false>(t.w, t.x, t.s, false);
                __syncthreads();
                add_gradient(t.s, grad_b, j0, p.m, c, p.d);
            }
        }
    }
}

int64_t tiles(int64_t rows) {
    return (rows + kCudaTile - 1) / kCudaTile;
}
unsigned per_row(int64_t rows) {
    return static_cast<unsigned>((rows + kThreads - 1) / kThreads);
}

template <class Kernel>
cudaError_t allow_shared(Kernel kernel, int bytes) {
    return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
}

template <class Mma>
int forward_with(const CudaProblem& p, void* memory, void* loss, double* lse, int64_t* positives,
                 cudaStream_t stream) {
    using In = typename Mma::Operand;
    using Sum = typename Mma::Sum;
    const Scratch scratch(memory, p.n);
    const GridWalk walk{tiles(p.n), tiles(p.m), p.square, p.deterministic};
    constexpr int bytes = Tile<Mma>::kBytes;
    cudaError_t error = cudaMemsetAsync(memory, 0, Scratch::bytes(p.n), stream);
    if (!error) error = allow_shared(forward_tiles<Mma, true>, bytes);
    if (!error) error = allow_shared(forward_tiles<Mma, false>, bytes);
    if (error) return error;
    const auto warps = [](int64_t rows) {
        return static_cast<unsigned>((rows * 32 + kThreads - 1) / kThreads);
    };
    largest_norm<<<warps(p.n), kThreads, 0, stream>>>(static_cast<const In*>(p.anchors), p.n, p.d,
                                                      scratch.squared_norms);
    if (!p.square && p.m > 0)
        largest_norm<<<warps(p.m), kThreads, 0, stream>>>(static_cast<const In*>(p.contrasts), p.m, p.d,
                                                          scratch.squared_norms + 1);
    start_rows<<<per_row(p.n), kThreads, 0, stream>>>(p, scratch);
    if (const unsigned blocks = static_cast<unsigned>(walk.blocks()); blocks > 0 && p.m > 0) {
        forward_tiles<Mma, true><<<blocks, kThreads, bytes, stream>>>(p, scratch, walk);
        forward_tiles<Mma, false><<<blocks, kThreads, bytes, stream>>>(p, scratch, walk);
    }
    finish_rows<Sum>
        <<<per_row(p.n), kThreads, 0, stream>>>(p, scratch, static_cast<Sum*>(loss), lse, positives);
    return cudaGetLastError();
}

template <class Mma>
int backward_with(const CudaProblem& p, void* memory, const void* grad, const double* lse,
                  const int64_t* positives, void* grad_anchors, void* grad_contrasts, cudaStream_t stream) {
    using Sum = typename Mma::Sum;
    const Scratch scratch(memory, p.n);
    const Side own{scratch.weight, scratch.share}, none{nullptr, nullptr};
    constexpr int bytes = Tile<Mma>::kBytes;
    Sum *to_a = static_cast<Sum*>(grad_anchors), *to_b = p.square ? to_a : static_cast<Sum*>(grad_contrasts);
    cudaError_t error = allow_shared(backward_tiles<Mma>, bytes);
    if (!error && to_a) error = cudaMemsetAsync(to_a, 0, p.n * p.d * sizeof(Sum), stream);
    if (!error && to_b && !p.square) error = cudaMemsetAsync(to_b, 0, p.m * p.d * sizeof(Sum), stream);
    if (error) return error;
    weigh_rows<Sum>
        <<<per_row(p.n), kThreads, 0, stream>>>(p, static_cast<const Sum*>(grad), lse, positives, scratch);
    const GridWalk walk{tiles(p.n), tiles(p.m), p.square, p.deterministic};
    const unsigned blocks = static_cast<unsigned>(walk.blocks());
    if (p.square || !p.deterministic || to_a) {
        backward_tiles<Mma><<<blocks, kThreads, bytes, stream>>>(p, own, p.square ? own : none, scratch.shift,
                                                                 scratch.shift, walk, to_a,
                                                                 p.deterministic ? nullptr : to_b);
    }
    if (p.deterministic && !p.square && to_b) {
        // The contrasts own their gradients: the same tiles with the sides exchanged.
        CudaProblem q = p;
        q.anchors = p.contrasts, q.contrasts = p.anchors;
        q.labels = p.contrast_labels, q.contrast_labels = p.labels;
        q.n = p.m, q.m = p.n, q.self_offset = -p.self_offset;
        const GridWalk turned{tiles(q.n), tiles(q.m), false, true};
        backward_tiles<Mma><<<static_cast<unsigned>(turned.blocks()), kThreads, bytes, stream>>>(
            q, none, own, scratch.shift, scratch.shift, turned, to_b, static_cast<Sum*>(nullptr));
    }
    return cudaGetLastError();
}

}  // namespace

int64_t cuda_scratch_bytes(const CudaProblem& p) {
    return Scratch::bytes(p.n);
}

int cuda_forward(const CudaProblem& p, void* scratch, void* loss, double* lse, int64_t* positives,
                 cudaStream_t stream) {
    if (p.n == 0) return cudaSuccess;
    switch (p.arithmetic) {
        case Arithmetic::kBfloat16:
            return forward_with<Bfloat16>(p, scratch, loss, lse, positives, stream);
        case Arithmetic::kTf32:
            return forward_with<Tf32>(p, scratch, loss, lse, positives, stream);
        case Arithmetic::kFloat:
            return forward_with<Plain<float>>(p, scratch, loss, lse, positives, stream);
        default:
            return forward_with<Plain<double>>(p, scratch, loss, lse, positives, stream);
    }
}

int cuda_backward(const CudaProblem& p, void* scratch, const void* grad, const double* lse,
                  const int64_t* positives, void* grad_anchors, void* grad_contrasts, cudaStream_t stream) {
    if (p.n == 0 || p.m == 0) return cudaSuccess;
    const auto run = [&](auto mma) {
        return backward_with<decltype(mma)>(p, scratch, grad, lse, positives, grad_anchors, grad_contrasts,
                                            stream);
    };
    switch (p.arithmetic) {
        case Arithmetic::kBfloat16:
            return run(Bfloat16{});
        case Arithmetic::kTf32:
            return run(Tf32{});
        case Arithmetic::kFloat:
            return run(Plain<float>{});
        default:
            return run(Plain<double>{});
    }
}

}  // namespace skelbench::contrastive
