"""The ops: one module each, with its documented face, its fake (meta) kernel and its autograd formula.

`built` tells whether the compiled kernels are there; without them every op computes with
`skelbench.ops.reference`. `isa_levels()` and `use_isa(level)` list and choose the instruction set of the CPU
kernels (at start: the environment variable SKELBENCH_ISA).
"""

from skelbench.ops._library import built, isa_levels, use_isa
from skelbench.ops.contrastive import contrastive_loss
from skelbench.ops.wl import wl_subtrees, wl_subtrees_csr

__all__ = ["built", "contrastive_loss", "isa_levels", "use_isa", "wl_subtrees", "wl_subtrees_csr"]
