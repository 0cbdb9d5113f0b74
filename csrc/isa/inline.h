// How to declare a function that several ISA levels share, or that the CPU and CUDA share.
#pragma once

// Always inlined. The function has no copy of its own, so the linker cannot pick one that was compiled for a
// level which the machine lacks.
#ifdef __CUDACC__
#define SKELBENCH_INLINE __host__ __device__ __forceinline__
#else
#define SKELBENCH_INLINE inline __attribute__((always_inline))
#endif
