// The contrastive op on CUDA. A thread block computes 64 x 64 tiles of similarities in shared memory, in the
// same steps as the CPU. The rows stay in the caller's order, so every tile compares labels. No launch waits
// for the device, so all launches can be captured in a graph. What depends on values (is a shared shift
// safe?) is decided on the device.
#include "contrastive/cuda.h"
#include "contrastive/shift.h"
#include "contrastive/tile.cuh"
#include "contrastive/tile_pairs.h"

namespace skelbench::contrastive {
namespace {

// Scratch memory, one entry per row of the anchors.
struct Scratch {
    double *sum, *positive, *weight, *share;
    int64_t* count;
    float* shift;
    // The largest |row|^2 of anchors and of contrasts, as bits; NaN's if a number is not finite.
    unsigned* squared_norms;

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

// One side of a tile in the backward pass: the weights of its rows, or none.
struct Side {
    const double *weight, *share;
};

// The shift that all anchors subtract, or kNone where it is not safe.
__device__ float shared_shift(const CudaProblem& p, const unsigned* squared_norms) {
    const float a = __uint_as_float(squared_norms[0]), b = __uint_as_float(squared_norms[p.square ? 0 : 1]);
    const SharedShift shift(sqrt(double(a)) * sqrt(double(b)), p.temperature, p.k1);
    return shift.safe ? float(shift.value) : kNone;
}

// The maximum of floats of either sign, by the order of their bits.
__device__ void atomic_max(float* at, float x) {
    if (x >= 0) {
        atomicMax(reinterpret_cast<int*>(at), __float_as_int(x));
    } else {
        atomicMin(reinterpret_cast<unsigned*>(at), __float_as_uint(x));
    }
}

// The forward pass over one tile. Four neighbouring threads share a line: the row of an anchor, or its column
// in a mirrored tile.
template <class Mma, bool Largest, class Sum = typename Mma::Sum>
__device__ void reduce_lines(const CudaProblem& p, const Exponents<Sum>& exponents, const Tile<Mma>& t,
                             const Scratch& out, int64_t i, int64_t j, bool columns) {
    const int line = threadIdx.x / 4, part = threadIdx.x % 4;
    const int64_t anchor = (columns ? j : i) + line;
    const bool present = anchor < p.n;
    const Edges edges(p, i, j);
    const Sum shift = present ? Sum(out.shift[anchor]) : Sum(0);
    Sum sum = 0, positive = 0, largest = kNone;
    int count = 0;
    for (int q = part; q < kCudaTile; q += 4) {
        const int r = columns ? q : line, c = columns ? line : q;
        const PairTerms<Sum> pair(exponents, edges, t, r, c);
        if (!pair.valid) continue;
        if (Largest) {
            largest = max(largest, max(pair.x, pair.y));
        } else {
            sum +=
                exponential(pair.x - shift) + (pair.same && p.k1 > 0 ? exponential(pair.y - shift) : Sum(0));
            positive += pair.same ? t.s[r * kLdOut + c] : Sum(0);
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
__global__ void __launch_bounds__(kThreads, Mma::kBlocks)
    forward_tiles(CudaProblem p, Exponents<typename Mma::Sum> exponents, Scratch out, Grid grid) {
    extern __shared__ __align__(128) unsigned char memory[];
    if (Largest && shared_shift(p, out.squared_norms) != kNone) return;
    Tile<Mma> t(memory);
    const Grid::Work work = grid.work(blockIdx.x);
    for (int64_t b = work.b; b < work.b_end; ++b) {
        const int64_t i = work.a * kCudaTile, j = b * kCudaTile;
        t.similarities(p, i, j);
        reduce_lines<Mma, Largest>(p, exponents, t, out, i, j, false);
        if (grid.mirrored(work.a, b)) reduce_lines<Mma, Largest>(p, exponents, t, out, i, j, true);
    }
}

// A warp per row. atomicMax on the bits orders non-negative floats, with NaN above them.
template <class In>
__global__ void largest_norm(const In* rows, int64_t n, int64_t d, unsigned* out) {
    const int64_t row = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
    if (row >= n) return;
    float sum = 0;
    for (int64_t c = threadIdx.x % 32; c < d; c += 32) {
        const auto x = number(rows[row * d + c]);
        // Infinities too: their products may cancel, and a row that is not finite must be seen in the loss.
        sum += isfinite(x) ? float(x) * float(x) : nanf("");
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
    const AnchorLoss anchor(in.shift[i], in.sum[i], in.positive[i], in.count[i], p.temperature);
    const bool finite =
        !isnan(__uint_as_float(in.squared_norms[0])) && !isnan(__uint_as_float(in.squared_norms[1]));
    positives[i] = in.count[i];
    lse[i] = anchor.lse;
    loss[i] = finite ? Sum(anchor.loss) : Sum(nan(""));
}

// The shift of every anchor, rounded to float, and its weight and share (shift.h).
template <class Sum>
__global__ void weigh_rows(CudaProblem p, const Sum* grad, const double* lse, const int64_t* positives,
                           Scratch out) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= p.n) return;
    const AnchorGradient anchor(grad[i], lse[i], positives[i], p.temperature);
    out.shift[i] = float(anchor.own_shift());
    out.weight[i] = anchor.weight(out.shift[i]);
    out.share[i] = anchor.share();
}

// The weights of the losses of up to 64 anchors from `row` on, into shared memory.
template <class Sum>
__device__ void stage(const Side& side, const float* shift, int64_t row, int64_t rows,
                      const Staged<Sum>& to) {
    if (!side.weight) return;
    for (int r = threadIdx.x; r < kCudaTile; r += kThreads) {
        const bool present = row + r < rows;
        to.shift[r] = present ? Sum(shift[row + r]) : Sum(0);
        to.weight[r] = present ? Sum(side.weight[row + r]) : Sum(0);
        to.share[r] = present ? Sum(side.share[row + r]) : Sum(0);
    }
}

// dL/ds_ij of the anchor in place r of one side of a pair.
template <class Sum>
__device__ Sum pair_weight(const CudaProblem& p, const PairTerms<Sum>& pair, const Staged<Sum>& side, int r) {
    Sum e = exponential(pair.x - side.shift[r]);
    if (pair.same && p.k1 > 0) e -= Sum(p.temperature) * exponential(pair.y - side.shift[r]);
    return e * side.weight[r] - (pair.same ? side.share[r] : Sum(0));
}

// Adds g, rows x 64 columns of the gradient in shared memory, to `to`.
template <class Sum>
__device__ void add_gradient(const Sum* g, Sum* to, int64_t row, int64_t rows, int64_t c, int64_t d) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    if constexpr (sizeof(Sum) == sizeof(float)) {
        // Four neighbours at a time: tensors of torch begin at multiples of 16 bytes.
        if (d % 4 == 0) {
            for (int e = threadIdx.x; e < kCudaTile * kCudaTile / 4; e += kThreads) {
                const int r = e / (kCudaTile / 4), k = e % (kCudaTile / 4) * 4;
                if (row + r < rows && c + k < d) {
                    atomicAdd(reinterpret_cast<float4*>(to + (row + r) * d + c + k),
                              *reinterpret_cast<const float4*>(g + r * kLdOut + k));
                }
            }
            return;
        }
    }
#endif
    for (int e = threadIdx.x; e < kCudaTile * kCudaTile; e += kThreads) {
        const int64_t r = row + e / kCudaTile, k = c + e % kCudaTile;
        if (r < rows && k < d) atomicAdd(to + r * d + k, g[e / kCudaTile * kLdOut + e % kCudaTile]);
    }
}

// A thread block belongs to rows of p.anchors. `a` and `b` are the weights of the losses of anchors and
// contrasts.
template <class Mma>
__global__ void __launch_bounds__(kThreads, Mma::kBlocks)
    backward_tiles(CudaProblem p, Exponents<typename Mma::Sum> exponents, Side a, Side b,
                   const float* shift_a, const float* shift_b, Grid grid, typename Mma::Sum* grad_a,
                   typename Mma::Sum* grad_b) {
    using Sum = typename Mma::Sum;
    extern __shared__ __align__(128) unsigned char memory[];
    Tile<Mma> t(memory);
    const Grid::Work work = grid.work(blockIdx.x);
    for (int64_t tile = work.b; tile < work.b_end; ++tile) {
        const int64_t i0 = work.a * kCudaTile, j0 = tile * kCudaTile;
        // The tile before has been read, and similarities() waits for all threads.
        stage(a, shift_a, i0, p.n, t.a);
        stage(b, shift_b, j0, p.m, t.b);
        t.similarities(p, i0, j0);
        const Edges edges(p, i0, j0);
        for (int e = threadIdx.x; e < kCudaTile * kCudaTile; e += kThreads) {
            const int r = e / kCudaTile, c = e % kCudaTile;
            const PairTerms<Sum> pair(exponents, edges, t, r, c);
            Sum w = 0;
            if (pair.valid && a.weight) w += pair_weight(p, pair, t.a, r);
            if (pair.valid && b.weight) w += pair_weight(p, pair, t.b, c);
            t.w[r * Mma::kLd + c] = as<typename Mma::Operand>(w);
        }
        const bool both = grad_b && (!p.square || grid.mirrored(work.a, tile));
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
    const Exponents<Sum> exponents(p);
    const Grid grid{tiles(p.n), tiles(p.m), p.square, p.deterministic};
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
    if (const unsigned blocks = static_cast<unsigned>(grid.blocks()); blocks > 0 && p.m > 0) {
        forward_tiles<Mma, true><<<blocks, kThreads, bytes, stream>>>(p, exponents, scratch, grid);
        forward_tiles<Mma, false><<<blocks, kThreads, bytes, stream>>>(p, exponents, scratch, grid);
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
    const Exponents<Sum> exponents(p);
    const Side own{scratch.weight, scratch.share}, none{nullptr, nullptr};
    constexpr int bytes = Tile<Mma>::kBytes;
    Sum *to_a = static_cast<Sum*>(grad_anchors), *to_b = p.square ? to_a : static_cast<Sum*>(grad_contrasts);
    cudaError_t error = allow_shared(backward_tiles<Mma>, bytes);
    if (!error && to_a) error = cudaMemsetAsync(to_a, 0, p.n * p.d * sizeof(Sum), stream);
    if (!error && to_b && !p.square) error = cudaMemsetAsync(to_b, 0, p.m * p.d * sizeof(Sum), stream);
    // Without a pair the gradients are the zeros just written.
    if (error || p.n == 0 || p.m == 0) return error;
    weigh_rows<Sum>
        <<<per_row(p.n), kThreads, 0, stream>>>(p, static_cast<const Sum*>(grad), lse, positives, scratch);
    const Grid grid{tiles(p.n), tiles(p.m), p.square, p.deterministic};
    const unsigned blocks = static_cast<unsigned>(grid.blocks());
    if (p.square || !p.deterministic || to_a) {
        backward_tiles<Mma><<<blocks, kThreads, bytes, stream>>>(p, exponents, own, p.square ? own : none,
                                                                 scratch.shift, scratch.shift, grid, to_a,
                                                                 p.deterministic ? nullptr : to_b);
    }
    if (p.deterministic && !p.square && to_b) {
        // The gradients of the contrasts: the same tiles with the sides exchanged.
        CudaProblem q = p;
        q.anchors = p.contrasts, q.contrasts = p.anchors;
        q.labels = p.contrast_labels, q.contrast_labels = p.labels;
        q.n = p.m, q.m = p.n, q.self_offset = -p.self_offset;
        const Grid exchanged{tiles(q.n), tiles(q.m), false, true};
        backward_tiles<Mma><<<static_cast<unsigned>(exchanged.blocks()), kThreads, bytes, stream>>>(
            q, exponents, none, own, scratch.shift, scratch.shift, exchanged, to_b,
            static_cast<Sum*>(nullptr));
    }
    return cudaGetLastError();
}

}  // namespace

bool cuda_fits(const CudaProblem& p) {
    constexpr int64_t kMostBlocks = (int64_t{1} << 31) - 1;
    return Grid{tiles(p.n), tiles(p.m), p.square, p.deterministic}.blocks() <= kMostBlocks;
}

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
