"""Print the machine, and whether `gpu_check.sh` can run on it: `python benchmarks/gpu_machine.py cuda|cpu`."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys

OLDEST = (2, 11)
NEEDED = (
    "cmake",
    "ninja",
    "pybind11",
    "pytest",
    "hypothesis",
    "numpy",
    "scipy",
    "sklearn",
    "lightning_fabric",
    "tyro",
)


def main(device: str) -> int:
    """Run the command; returns 1 and prints a line for each thing that is missing, else 0."""
    missing = [f"Python package {name}" for name in NEEDED if importlib.util.find_spec(name) is None]
    try:
        import pydantic  # noqa: F401 -- its core is compiled, for one Python
    except ImportError:
        version = ".".join(map(str, sys.version_info[:2]))
        missing.append(f"pydantic for Python {version}: make gpu-packages GPU_PYTHON={version}, elsewhere")
    try:
        import torch
    except ImportError:
        print("missing: torch")
        return 1
    print(f"Python {platform.python_version()}, torch {torch.__version__}, CUDA {torch.version.cuda}")
    if tuple(map(int, torch.__version__.split("+")[0].split(".")[:2])) < OLDEST:
        missing.append(f"torch {OLDEST[0]}.{OLDEST[1]} or later")
    if device == "cuda":
        if not torch.cuda.is_available():
            missing.append("a CUDA device that torch can use")
        else:
            major, minor = torch.cuda.get_device_capability()
            print(f"{torch.cuda.get_device_name()}, compute capability {major}.{minor}")
        missing += [tool for tool in ("nvcc", "compute-sanitizer") if shutil.which(tool) is None]
    for thing in missing:
        print(f"missing: {thing}")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
