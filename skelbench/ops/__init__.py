"""The ops: contrastive losses, views and streams of clips, padding-free layers, subtrees, document vectors, bags.

Each stands in a module of its own with its documented face, its fake (meta) kernel and its derivative. `built` tells
whether the compiled kernels are there; without them every op computes with `skelbench.ops.reference`, the same ops in
plain torch, and `skelbench.ops.reference_streams`. `isa_levels()` and `use_isa(level)` list and choose the instruction
set of the CPU kernels; at start the environment variable SKELBENCH_ISA chooses it.
"""

from skelbench.ops import reference, reference_streams
from skelbench.ops._library import built, isa_levels, use_isa
from skelbench.ops.augment import augment, draw
from skelbench.ops.bag import bag_sums
from skelbench.ops.clips import RaggedClips
from skelbench.ops.contrastive import contrastive_loss, count_positives
from skelbench.ops.pv_dbow import pv_dbow, pv_dbow_infer
from skelbench.ops.ragged import (
    packed_rows,
    pad,
    ragged_decode,
    ragged_linear,
    ragged_linear_sgd_,
    ragged_linear_weight_gradient,
    supports_sgd,
)
from skelbench.ops.streams import Streams, resampled_streams
from skelbench.ops.views import JointMaps, View
from skelbench.ops.wl import neighbour_lists, wl_subtrees, wl_subtrees_csr

__all__ = [
    "JointMaps",
    "RaggedClips",
    "Streams",
    "View",
    "augment",
    "bag_sums",
    "built",
    "contrastive_loss",
    "count_positives",
    "draw",
    "isa_levels",
    "neighbour_lists",
    "packed_rows",
    "pad",
    "pv_dbow",
    "pv_dbow_infer",
    "ragged_decode",
    "ragged_linear",
    "ragged_linear_sgd_",
    "ragged_linear_weight_gradient",
    "reference",
    "reference_streams",
    "resampled_streams",
    "supports_sgd",
    "use_isa",
    "wl_subtrees",
    "wl_subtrees_csr",
]
