// The ISA levels, for the preprocessor: those of x86, the plainest first, and that of ARM. levels.json has
// the compiler flags of each.
#pragma once

// The names, as a list of declarators.
#define SKELBENCH_LEVELS scalar, avx2, avx512, avx512_bf16, amx, neon

// Whether the file is being compiled for a level: `#if SKELBENCH_AT(amx)`. The build defines SKELBENCH_ISA.
#define SKELBENCH_AT(level) (SKELBENCH_NUMBER(SKELBENCH_ISA) == SKELBENCH_NUMBER(level))
#define SKELBENCH_NUMBER(level) SKELBENCH_JOIN(SKELBENCH_NUMBER_, level)
#define SKELBENCH_JOIN(a, b) a##b
#define SKELBENCH_NUMBER_scalar 0
#define SKELBENCH_NUMBER_avx2 1
#define SKELBENCH_NUMBER_avx512 2
#define SKELBENCH_NUMBER_avx512_bf16 3
#define SKELBENCH_NUMBER_amx 4
#define SKELBENCH_NUMBER_neon 5
