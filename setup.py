"""Drives the one build: CMake and Ninja make skelbench/libskelbench.so (see CMakeLists.txt).

Environment: SKELBENCH_CUDA=AUTO|ON|OFF (default AUTO), CMAKE_BUILD_TYPE, MAX_JOBS, CXX, CUDACXX as usual.
CMake's own files go to the folder of `build_ext --build-temp`.
"""

import os
import runpy
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent


def tool(name: str) -> str:
    """Path of cmake or ninja: pip's package first, which build requirements bring, then PATH."""
    try:
        module = __import__(name)
    except ImportError:
        found = shutil.which(name)
        if found is None:
            raise SystemExit(f"skelbench needs {name} to build: pip install {name}") from None
        return found
    return str(Path(getattr(module, "CMAKE_BIN_DIR", None) or module.BIN_DIR) / name)


def torch_folder() -> Path:
    """Folder of the installed torch, which is read and not imported: it wants numpy, which no build needs."""
    found = find_spec("torch")
    if found is None or found.origin is None:
        raise SystemExit("skelbench needs torch to build: pip install torch")
    return Path(found.origin).parent


class CMakeBuild(build_ext):
    """Builds every library of CMakeLists.txt at once; setuptools only learns where they lie."""

    def get_ext_filename(self, fullname: str) -> str:
        """Libraries without a Python symbol carry no ABI tag in their name."""
        return fullname.replace(".", os.sep) + ".so"

    def build_extension(self, ext: Extension) -> None:
        """Configure and build with CMake, once for all libraries."""
        if ext.name != LIBRARIES[0]:
            return
        import pybind11

        torch = torch_folder()
        output = Path(self.get_ext_fullpath(ext.name)).resolve().parent
        build = Path(self.build_temp).resolve()
        build.mkdir(parents=True, exist_ok=True)
        settings = {
            "CMAKE_MAKE_PROGRAM": tool("ninja"),
            "CMAKE_BUILD_TYPE": os.environ.get("CMAKE_BUILD_TYPE", "Release"),
            "SKELBENCH_CUDA": os.environ.get("SKELBENCH_CUDA", "AUTO"),
            "SKELBENCH_TORCH_CUDA": "ON" if runpy.run_path(str(torch / "version.py"))["cuda"] else "OFF",
            "SKELBENCH_OUTPUT_DIR": output,
            "TORCH_INCLUDE_DIRS": torch / "include",
            "TORCH_LIBRARY_DIR": torch / "lib",
            "Python_EXECUTABLE": sys.executable,
            "pybind11_DIR": pybind11.get_cmake_dir(),
        }
        cmake = tool("cmake")
        defines = [f"-D{key}={value}" for key, value in settings.items()]
        subprocess.run([cmake, "-G", "Ninja", "-S", ROOT, "-B", build, *defines], check=True)
        jobs = os.environ.get("MAX_JOBS", str(os.cpu_count() or 1))
        subprocess.run([cmake, "--build", build, "--parallel", jobs], check=True)


# Building the first builds them all.
LIBRARIES = (
    "skelbench.libskelbench",
    "skelbench.data._skeleton_file",
)

setup(
    ext_modules=[Extension(name, sources=[]) for name in LIBRARIES],
    cmdclass={"build_ext": CMakeBuild},
)
