"""Skeleton clips in memory: readers by format, protocols, preprocessing, and the synthetic corpus. numpy only."""

from skelbench.data.checks import checked
from skelbench.data.clips import Clips, DataError, Dropped, Skeleton
from skelbench.data.formats.prepared import save
from skelbench.data.load import load, load_recordings
from skelbench.data.preprocess import preprocess
from skelbench.data.presence import present
from skelbench.data.protocols import Split, available, canonical, protocol, protocols, remarks
from skelbench.data.skeleton_file import SkeletonFile, read_skeleton
from skelbench.data.skeletons import NTU_25
from skelbench.data.splits import with_split
from skelbench.data.synthetic import synthetic_corpus

__all__ = [
    "NTU_25",
    "Clips",
    "DataError",
    "Dropped",
    "Skeleton",
    "SkeletonFile",
    "Split",
    "available",
    "canonical",
    "checked",
    "load",
    "load_recordings",
    "preprocess",
    "present",
    "protocol",
    "protocols",
    "read_skeleton",
    "remarks",
    "save",
    "synthetic_corpus",
    "with_split",
]
