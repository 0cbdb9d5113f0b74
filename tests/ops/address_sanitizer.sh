#!/usr/bin/env bash
# The ops' tests of wrong arguments, drawn at random among them, over a library built with AddressSanitizer: what reads or
# writes outside its memory ends the process. In a copy of the package, so that the built one stays as it is.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! runtime=$(gcc -print-file-name=libasan.so) || [ "$runtime" = libasan.so ]; then
  echo "AddressSanitizer: gcc has no libasan here, skipped"
  exit 0
fi
build=build/address-sanitizer
mkdir -p "$build/lib"
CXXFLAGS="-fsanitize=address -fno-omit-frame-pointer" SKELBENCH_CUDA=OFF \
  python setup.py --quiet build_ext --build-temp "$build/temp" --build-lib "$build/lib"
rm -rf "$build/tree"
mkdir "$build/tree"
cp -r skelbench tests conftest.py pyproject.toml "$build/tree/"
cp "$build/lib/skelbench/libskelbench.so" "$build/tree/skelbench/"
cd "$build/tree"
# Python's own memory is not freed at its end, and torch's allocator is not followed: neither is looked for.
LD_PRELOAD="$runtime" ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 OMP_NUM_THREADS=1 PYTHONPATH="$PWD" \
  python -m pytest -q -p no:cacheprovider tests/ops/test_arguments.py
