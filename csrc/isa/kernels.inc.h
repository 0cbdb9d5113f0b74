// Every op's algorithm for one ISA level, and that level's table. Included once per csrc/isa/<level>.cpp,
// which defines SKELBENCH_ISA (the level's namespace) and the vector types f32, i32 and mask in it.
//
// Everything below lives in namespace SKELBENCH_ISA: an inline function shared between translation units of
// different flags could be kept by the linker in the version this machine cannot run.
#include "isa/kernels.h"
#include "isa/parallel_for.h"

#include "augment/cpu.h"
#include "contrastive/cpu.h"
#include "ragged/cpu.h"
#include "wl/cpu.h"
