#!/usr/bin/env bash
# The sdist, wheels from it in clean environments, and the tests of each installed wheel with no compiler on PATH:
#
#     tests/packaging/wheel.sh [PYTHON...]        (default: python3; `make wheel PYTHONS="python3.11 python3.12"`)
#
# DIST is the folder to fill (default: dist). TESTS are words for pytest (default: every test).
set -euo pipefail
cd "$(dirname "$0")/../.."

dist=${DIST:-dist}
mkdir -p "$dist"
dist=$(cd "$dist" && pwd)
[ $# -gt 0 ] || set -- python3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What the tests call besides Python, linked into a folder of its own: beside it on PATH stands a compiler.
mkdir "$work/tools"
for tool in bash env git head nproc; do
  if path=$(command -v "$tool"); then ln -s "$path" "$work/tools/$tool"; fi
done

# quiet COMMAND...: shows what it printed only where it fails.
quiet() {
  "$@" >"$work/log" 2>&1 || {
    tail -n 40 "$work/log"
    exit 1
  }
}

echo "== the sdist"
"$1" -m venv "$work/sdist"
"$work/sdist/bin/python" -m pip install --quiet build 'setuptools>=77'
rm -f "$dist"/skelbench-*.tar.gz
# An sdist needs setuptools alone: a clean environment would bring torch too.
quiet "$work/sdist/bin/python" -m build --sdist --no-isolation --skip-dependency-check --outdir "$dist"
mkdir "$work/sources"
tar -xzf "$dist"/skelbench-*.tar.gz -C "$work/sources" --strip-components 1

for interpreter in "$@"; do
  tag=$("$interpreter" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
  echo "== $("$interpreter" --version): a wheel from the sdist, in a clean environment"
  "$interpreter" -m venv "$work/build-$tag"
  "$work/build-$tag/bin/python" -m pip install --quiet build
  rm -f "$dist"/skelbench-*-"$tag"-*.whl
  quiet "$work/build-$tag/bin/python" -m build --wheel --outdir "$dist" "$work/sources"
  wheel=$(ls "$dist"/skelbench-*-"$tag"-*.whl)
  ls -l "$wheel"

  echo "== $(basename "$wheel"): its tests"
  "$interpreter" -m venv "$work/test-$tag"
  "$work/test-$tag/bin/python" -m pip install --quiet "$wheel[test,graph]"
  # The tests of the sdist without its package: what they import is the wheel's.
  mkdir "$work/tests-$tag"
  tar -xzf "$dist"/skelbench-*.tar.gz -C "$work/tests-$tag" --strip-components 1
  rm -r "$work/tests-$tag/skelbench"
  (
    cd "$work/tests-$tag"
    export PATH="$work/test-$tag/bin:$work/tools"
    unset PYTHONPATH CXX CC
    python -c 'import skelbench, sys; assert skelbench.__file__.startswith(sys.prefix), skelbench.__file__'
    skelbench --version
    # shellcheck disable=SC2086
    python -m pytest -q -p no:cacheprovider ${TESTS:-}
  )
done
echo "built and tested: $(ls "$dist")"
