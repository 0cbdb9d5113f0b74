// The amx level: the avx512 level, with what matrix tiles do faster. Compiled with its own flags, see
// CMakeLists.txt.
#define SKELBENCH_ISA amx
#include "isa/amx.h"

#include "isa/kernels.h"
#include "ragged/amx.h"

namespace skelbench {
namespace {

Kernels with_tiles() {
    Kernels table = avx512_kernels;
    table.level = "amx";
    table.contrastive.bf16 = &contrastive::amx_bf16_kernels;
    table.ragged.outer = amx::ragged_amx::outer;
    table.ragged.descend = amx::ragged_amx::descend;
    return table;
}

}  // namespace

const Kernels& amx_kernels() {
    static const Kernels table = with_tiles();
    return table;
}

}  // namespace skelbench
