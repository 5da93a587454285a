#!/usr/bin/env bash
# Checks what a release would ship: the source distribution, and the wheel that is built from it.
#
#   tools/check_packages.sh PYTHON [TEST ...]
#
# PYTHON is an interpreter that has aecodec[test] installed, as the README's test command leaves in .venv/bin/python. The source
# distribution is built and unpacked; two wheels are built from it in different folders and have to be the same to the bit; one is
# installed in a new environment, where the source distribution's own tests run against it. TEST are the names of test files; see
# below for which run if none is given.
set -euo pipefail

python=$(command -v "$1") || { echo "no such interpreter: $1" >&2; exit 2; }
python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
shift
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Times inside the archives are those of the last commit; a fixed one if there is no repository.
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 1700000000)
export SOURCE_DATE_EPOCH
unset PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK=1

built() { # LOG ARGUMENTS ... : builds, and shows what the build said if it fails
    local log=$1
    shift
    "$python" -m build "$@" > "$log" 2>&1 || { cat "$log"; exit 1; }
}

# 1. The source distribution, here and below with isolation: that what pyproject.toml asks for is enough to build.
built "$work/sdist.log" --sdist --outdir "$work" "$root"
archives=("$work"/*.tar.gz)
name=$(basename "${archives[0]}" .tar.gz)
echo "source distribution: $name, $(stat -c %s "${archives[0]}" 2>/dev/null || stat -f %z "${archives[0]}") bytes"

# 2. Two wheels, from two copies of it.
for copy in first second; do
    mkdir "$work/$copy"
    tar -xzf "${archives[0]}" -C "$work/$copy"
    built "$work/$copy.log" --wheel --outdir "$work/$copy/dist" "$work/$copy/$name"
done
hash_of() { "$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"; }
wheel=("$work"/first/dist/*.whl)
again=("$work"/second/dist/*.whl)
one=$(hash_of "${wheel[0]}") two=$(hash_of "${again[0]}")
if [ "$one" != "$two" ]; then
    echo "the wheel is not reproducible: $one, then $two" >&2
    "$python" - "${wheel[0]}" "${again[0]}" >&2 <<'END'
import sys
import zipfile

one, two = (zipfile.ZipFile(path) for path in sys.argv[1:])
for name in sorted({*one.namelist(), *two.namelist()}):
    contents = [z.read(name) if name in z.namelist() else None for z in (one, two)]
    if contents[0] != contents[1]:
        print(f"  differs: {name}")
END
    exit 1
fi
echo "wheel: $(basename "${wheel[0]}"), built twice, sha256 $one"

# 3. A new environment with the wheel. Third-party packages are those of PYTHON's environment, by a .pth file, so that nothing large
# is installed twice; aecodec itself is the wheel's, as the new environment's own packages come first.
"$python" -m venv --without-pip "$work/venv"
new="$work/venv/bin/python"
packages=$("$new" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -m pip --python "$new" install --quiet --no-deps "${wheel[0]}"
"$python" -c 'import sysconfig; print(*{sysconfig.get_path(p) for p in ("purelib", "platlib")}, sep="\n")' > "$packages/shared.pth"
where=$(cd "$work" && "$new" -c 'import aecodec; print(aecodec.__file__)')
case $where in
    "$packages"/*) ;;
    *) echo "the tests would run against $where, not the wheel" >&2; exit 1 ;;
esac

# 4. The source distribution's tests, in its own folder, without its package in the way. By default not these, which take most of
# the suite's minutes and see no more of the packaging than the others do: training, effort (gradient descent), the benchmark (whose
# command runs here as the example of docs/benchmarking.md), the float network against the fixed-point one, and the runtime as
# several compilers build it.
cd "$work/first/$name"
tests=("$@")
if [ ${#tests[@]} = 0 ]; then
    for file in tests/test_*.py; do
        case $file in
            tests/test_train.py | tests/test_effort.py | tests/test_bench.py | tests/test_network.py | tests/test_portable.py) ;;
            *) tests+=("$file") ;;
        esac
    done
fi
"$new" -m pytest -p no:cacheprovider "${tests[@]}"
