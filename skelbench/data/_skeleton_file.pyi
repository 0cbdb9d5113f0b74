"""The extension module of csrc/skeleton_file; its Python face is skelbench.data.skeleton_file."""

import numpy as np
from numpy.typing import NDArray

_Arrays = tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.float32], NDArray[np.float32]]

class ParseError(ValueError): ...

def read(path: str) -> _Arrays: ...
def parse(content: bytes) -> _Arrays: ...
