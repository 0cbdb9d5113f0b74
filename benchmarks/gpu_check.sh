#!/usr/bin/env bash
# Everything that needs a CUDA device, in under 8 minutes and without a network: build with the CUDA kernels, all tests,
# compute-sanitizer over the tests of the kernels, and the speed of the cases. `make gpu-check`, or
#
#     benchmarks/gpu_check.sh [OUTPUT_FOLDER]        (default: results/gpu)
#
# PYTHON names the interpreter (default python3), which brings its own torch >= 2.11 with CUDA. Of what else skelbench
# needs, it may lack pure Python packages: `make gpu-packages` puts those into build/gpu-packages beforehand, elsewhere.
# DEVICE=cpu rehearses the script on a machine without CUDA, at small sizes.
# A step that fails does not stop the others; the last lines say which did, and so does the exit status.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

out=${1:-results/gpu}
mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd)
python=${PYTHON:-python3}
device=${DEVICE:-cuda}
export PYTHONPATH="$PWD:$PWD/build/gpu-packages${PYTHONPATH:+:$PYTHONPATH}"
failed=()

# step NAME SECONDS COMMAND...: runs it under a time limit with its output in NAME.log.
step() {
  local name=$1 limit=$2 began=$SECONDS status=0
  shift 2
  timeout --kill-after=10 "$limit" "$@" >"$out/$name.log" 2>&1 || status=$?
  case $status in
    0) echo "$name: passed in $((SECONDS - began)) s" ;;
    124 | 137) failed+=("$name (over its $limit s)") ;;
    *) failed+=("$name (exit $status)") ;;
  esac
  if [ "$status" -ne 0 ]; then
    echo "$name: FAILED with $status after $((SECONDS - began)) s; the end of $out/$name.log:"
    tail -n 15 "$out/$name.log"
  fi
}

step machine 40 "$python" benchmarks/gpu_machine.py "$device"
if [ ${#failed[@]} -gt 0 ]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
cat "$out/machine.log"

if [ "$device" = cuda ]; then
  build=ON tests=() kernels=(-m cuda tests/ops) size=default keyword=
else
  build=AUTO tests=(tests/test_variants.py) kernels=(tests/benchmarks/test_report.py) size=small keyword=wl_subtrees
fi
spread=()
"$python" -c 'import xdist' 2>/dev/null && spread=(-n 8)

# With the metadata that says the version and the commands, beside the sources: nothing is installed.
SKELBENCH_CUDA=$build step build 110 "$python" setup.py egg_info build_ext --inplace
# The kernels' own tests apart and first: what this machine was wanted for.
step kernels 60 "$python" -m pytest -q -p no:cacheprovider "${kernels[@]}"
step tests 100 "$python" -m pytest -q -p no:cacheprovider "${spread[@]}" "${tests[@]}"
step speed 150 "$python" -m benchmarks.compare --device "$device" --size "$size" -k "$keyword" --seconds 0.5 --out "$out"
if [ "$device" = cuda ]; then
  # Last, because it is the slowest: the checker follows every access of every thread.
  step sanitizer 70 compute-sanitizer --tool memcheck --error-exitcode 99 --print-limit 20 \
    "$python" -m pytest -q -x -p no:cacheprovider "${kernels[@]}"
fi

{
  echo "device: $device; $(git rev-parse --short=12 HEAD 2>/dev/null || echo 'no repository'); $SECONDS s"
  if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
  else
    echo "all steps passed"
  fi
} | tee "$out/summary.txt"
[ ${#failed[@]} -eq 0 ]
