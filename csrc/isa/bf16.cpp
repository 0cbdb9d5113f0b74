// The contrastive kernels for bfloat16 inputs of the levels avx512_bf16 and amx. Compiled with their own
// flags, see CMakeLists.txt; AMX is used by intrinsics alone, so one unit serves both.
#define SKELBENCH_ISA bf16
#include "isa/avx512.h"

#include "contrastive/cpu.h"
#include "contrastive/pairs.h"

namespace skelbench::contrastive {

const Entry<float> avx512_bf16_kernels = bf16::contrastive_entry<bf16::PackedPairs<bf16::DotProduct>>;
const Entry<float> amx_bf16_kernels = bf16::contrastive_entry<bf16::PackedPairs<bf16::MatrixTiles>>;

}  // namespace skelbench::contrastive
