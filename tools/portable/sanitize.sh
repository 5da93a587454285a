#!/usr/bin/env bash
# Builds the extension with AddressSanitizer and UBSan, and runs the tests that reach it. Needs the test environment's packages.
#
# usage: PYTHON=.venv/bin/python tools/portable/sanitize.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --preset asan -B "$work/build" -Wno-dev -DPython_EXECUTABLE="$("$python" -c 'import sys; print(sys.executable)')" \
  -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" >"$work/log"
cmake --build "$work/build" -j 2 >>"$work/log"
cp -r codec/aecodec "$work/aecodec"
rm -f "$work"/aecodec/_core*.so
cp "$work"/build/_core*.so "$work/aecodec/"
libraries="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so) $(g++ -print-file-name=libstdc++.so.6)"
# What torch does is not looked at: its tests run elsewhere.
PYTHONPATH="$work:tests" LD_PRELOAD="$libraries" ASAN_OPTIONS=detect_leaks=0 "$python" -m pytest -q -p no:cacheprovider \
  tests/test_rans.py tests/test_nearest.py tests/test_checksum.py tests/test_container.py tests/test_decoder.py tests/test_golden.py tests/test_segment.py \
  -k "not cuda" "$@"
