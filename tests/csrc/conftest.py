"""CUDA kernels on the CPU: every csrc/<op>/cuda.cu in a library, over the stand-in runtime in this folder."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from torch import Tensor

HERE = Path(__file__).parent
CSRC = HERE.parent.parent / "csrc"
COMPILER = shutil.which("g++")
Pointer, Integer = ctypes.c_void_p, ctypes.c_int64
# A call before each access of a kernel.
CHECKED = [
    "-fsanitize=kernel-address,alignment",
    *("--param", "asan-instrumentation-with-call-threshold=0"),
    *("--param", "asan-stack=0"),
]


def launched(source: str) -> str:
    """CUDA source as C++: `<<< >>>` as calls, and shared memory as memory of the stand-in."""

    def call(match: re.Match[str]) -> str:
        kernel, configuration, arguments = match.groups()
        shape, shared, stream = configuration.rsplit(",", 2)
        function = "nullptr" if shared.strip() == "0" else f"reinterpret_cast<const void*>(&{kernel})"
        launch = f'fibres::launch("{kernel}", {function}, {shape}, {shared}, {stream}, '
        return f"{launch}[=] {{ {kernel}({arguments}); }});"

    source = re.sub(r"(\w+(?:<[^<>]*>)?)\s*<<<(.*?)>>>\((.*?)\);", call, source, flags=re.DOTALL)
    assert "<<<" not in source
    source = re.sub(
        r"extern __shared__ (?:__align__\(\d+\) )?([\w ]+) (\w+)\[\];",
        r"\1* const \2 = static_cast<\1*>(fibres::shared());",
        source,
    )

    def variables(match: re.Match[str]) -> str:
        kind, declared = match.groups()
        found = [re.fullmatch(r"(\w+)((?:\[[^\]]+\])*)", each.strip()) for each in declared.split(",")]
        return " ".join(f"auto& {x[1]} = fibres::variable<{kind}{x[2]}>([] {{}});" for x in found if x)

    source = re.sub(r"__shared__ ([\w:]+(?:<[^>]*>)?) ([^;]+);", variables, source)
    assert "__shared__" not in source
    return source


def built(folder: Path, sources: dict[str, str], entry: Path) -> ctypes.CDLL:
    """A library of the C functions in `entry`, which includes CUDA sources by the names that `sources` gives them."""
    headers = {str(path.relative_to(CSRC)): path.read_text() for path in CSRC.glob("*/*.cuh")}
    for name, source in (sources | headers).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(launched(source))
    library = folder / "kernels.so"
    common = [str(COMPILER), "-std=c++20", "-O1", "-g", "-fPIC", f"-I{HERE}", f"-I{folder}", f"-I{CSRC}"]
    commands = [
        [*common, *CHECKED, "-c", str(entry), "-o", str(folder / "kernels.o")],
        [*common, "-O2", "-c", str(HERE / "fibres.cpp"), "-o", str(folder / "fibres.o")],
    ]
    running = [subprocess.Popen(command) for command in commands]
    assert not any([process.wait() for process in running])
    objects = [str(folder / name) for name in ("kernels.o", "fibres.o")]
    subprocess.run([str(COMPILER), "-shared", *objects, "-o", str(library)], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.host_fault.restype = loaded.host_launches.restype = ctypes.c_char_p
    return loaded


def every_launcher(folder: Path) -> ctypes.CDLL:
    """The launchers of every op."""
    sources = {f"{path.parent.name}_cuda.cpp": path.read_text() for path in sorted(CSRC.glob("*/cuda.cu"))}
    return built(folder, sources, HERE / "kernels.cpp")


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The launchers of every op."""
    if COMPILER is None:
        pytest.skip("needs g++")
    return every_launcher(tmp_path_factory.mktemp("kernels"))


class Launch(NamedTuple):
    """A launch of a kernel, by the kernel's name in the source: thread blocks, their threads and dynamic memory."""

    kernel: str
    blocks: tuple[int, int, int]
    threads: int
    shared: int


class Host:
    """Calls launchers with tensors, numbers and structures, and lends the kernels the tensors' memory alone."""

    def __init__(self, library: ctypes.CDLL, order: int) -> None:
        self.library = library
        self.lent: list[Tensor] = []
        library.host_order(order)

    def at(self, tensor: Tensor) -> int:
        """The address of a tensor whose memory the next calls may touch, for a structure."""
        self.lent.append(tensor)
        return tensor.data_ptr()

    def __call__(self, name: str, *arguments: Tensor | float | ctypes.Structure | None) -> int:
        """The result of a launcher: 0, or a CUDA error; `fault()` says which."""
        converted = []
        for x in arguments:
            if isinstance(x, Tensor):
                converted.append(Pointer(self.at(x)))
            elif isinstance(x, ctypes.Structure):
                converted.append(ctypes.byref(x))
            else:
                converted.append(Integer(x) if isinstance(x, int) else x)
        self.library.host_take_back()
        for tensor in self.lent:
            self.library.host_lend(Pointer(tensor.data_ptr()), Integer(tensor.nbytes))
        return int(getattr(self.library, name)(*converted))

    def launches(self, name: str, *arguments: object) -> list[Launch]:
        """What a launcher would launch: nothing runs, and no pointer is followed."""
        self.library.host_dry(1)
        status = self(name, *arguments)
        lines = self.library.host_launches().decode().splitlines()
        self.library.host_dry(0)
        if status:
            raise RuntimeError(f"{name}: {self.fault()}")
        return [
            Launch(kernel, (int(x), int(y), int(z)), int(threads), int(shared))
            for x, y, z, threads, shared, kernel in (line.split(" ", 5) for line in lines)
        ]

    def fault(self) -> str:
        """What went wrong first in the last call that did not return 0."""
        return str(self.library.host_fault().decode())


# In which threads and blocks take their turns.
ORDERS = {"up": 0, "down": 1, "stirred": 2}


@pytest.fixture(params=ORDERS.values(), ids=ORDERS)
def run(kernels: ctypes.CDLL, request: pytest.FixtureRequest) -> Host:
    """The launchers, in each order."""
    return Host(kernels, request.param)


def structure(*fields: tuple[str, type]) -> type[ctypes.Structure]:
    """A C structure with these fields."""
    return type("Structure", (ctypes.Structure,), {"_fields_": list(fields)})


def names(names: str, kind: type) -> list[tuple[str, type]]:
    """Fields of one type."""
    return [(name, kind) for name in names.split()]
