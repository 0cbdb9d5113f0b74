// The vector types f32, i32 and mask of the level that a file is compiled for.
//
// Everything that such a file defines lives in the namespace SKELBENCH_ISA, which is the level's name. An
// inline function that files of different flags share could be kept by the linker in a version that the
// machine cannot run. Functions that they share are SKELBENCH_INLINE (isa/inline.h).
#pragma once
#include "isa/levels.h"

#if SKELBENCH_AT(scalar)
#include "isa/scalar.h"
#elif SKELBENCH_AT(neon)
#include "isa/neon.h"
#elif SKELBENCH_AT(avx2)
#include "isa/avx2.h"
#else
#include "isa/avx512.h"
#endif
