"""A unit of kernels shares no function with other units, however it is compiled.

Of a weak symbol (a template or an inline function that the compiler did not inline) the linker keeps any one copy: that of the
AVX-512 unit would be run by the scalar one, and end the program on a CPU without AVX-512.
"""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent.parent / "csrc"
COMPILERS = [c for c in ("g++", "clang++") if shutil.which(c)]
FLAGS = ["-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-Wno-psabi", f"-I{SOURCES}"]
WEAK = {"W", "V", "u", "w", "v"}

pytestmark = [
    pytest.mark.skipif(not COMPILERS or not shutil.which("nm"), reason="no compiler is here"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the units are for x86-64"),
]


def symbols(object_file: Path) -> list[tuple[str, str]]:
    """The (type, name) of everything that an object file defines."""
    lines = subprocess.run(["nm", "-C", "--defined-only", object_file], check=True, capture_output=True, text=True).stdout
    return [(kind, name) for _, kind, name in (line.split(maxsplit=2) for line in lines.splitlines())]


@pytest.mark.parametrize("level", ["-O0", "-Og", "-Os", "-O2"])
@pytest.mark.parametrize("unit", ["avx2", "avx512"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_no_weak_symbols(compiler, unit, level, tmp_path):
    its_flags = (SOURCES / "kernels" / f"{unit}.flags").read_text().split()
    command = [compiler, *FLAGS, *its_flags, level, "-c", SOURCES / "kernels" / f"{unit}.cpp", "-o", tmp_path / "unit.o"]
    subprocess.run(command, check=True)
    found = symbols(tmp_path / "unit.o")
    assert [name for kind, name in found if kind in WEAK] == []
    assert [name for kind, name in found if kind.isupper()] == [f"aec::{unit}_kernels"]  # all that others can see
