// The table of kernels that each ISA level fills, and the choice between the levels at run time.
#pragma once
#include "augment/kernels.h"
#include "contrastive/kernels.h"
#include "ragged/kernels.h"
#include "wl/kernels.h"

namespace skelbench {

struct Kernels {
    const char* level;  // "scalar", "avx2", "avx512", "avx512_bf16", "amx"
    contrastive::Kernels contrastive;
    ragged::Kernels ragged;
    augment::Kernels augment;
    wl::Kernels wl;
};

// One per translation unit csrc/isa/<level>.cpp.
extern const Kernels scalar_kernels;
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
const Kernels& amx_kernels();

// The table in force: the best level of this machine, unless isa_use has chosen another.
const Kernels& kernels();

}  // namespace skelbench
