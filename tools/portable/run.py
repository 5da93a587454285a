"""Decodes the golden files with the runtime built by several compilers, for several machines, and compares the pixels.

Run: python tools/portable/run.py          what this machine has: compilers, optimisation levels, kernels, threads, sanitizers
     python tools/portable/run.py --quick  one compiler, unoptimised and optimised
     python tools/portable/run.py --all    and aarch64 and big-endian s390x under qemu-user, whose packages (Debian's
         g++-aarch64-linux-gnu g++-s390x-linux-gnu qemu-user) must be installed
"""

import hashlib
import io
import itertools
import json
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from aecodec import _core, container
from aecodec.decoder import Decoder
from aecodec.fold import fold_of
from aecodec.header import RGB
from aecodec.model import shipped

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "conformance"
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g"]


def integer(value: int) -> bytes:
    return struct.pack("<i", value)


def text(value: bytes) -> bytes:
    return integer(len(value)) + value


def numbers(values: np.ndarray) -> bytes:
    return integer(values.size) + values.astype(values.dtype.newbyteorder("<")).tobytes()


def parse(data: bytes) -> container.Contents:
    return container.read(io.BytesIO(data), Decoder(data).index)


def bundle(names: list[str]) -> bytes:
    """The model and the coded golden pictures, as decode.cpp reads them."""
    shape, tensors = shipped().shape, shipped().tensors
    parts = [numbers(np.array(shape[k], np.int32)) for k in ("channels", "hidden", "analysis")]
    parts.append(integer(len(shape["stages"])))
    fields = ("level", "latents", "digits", "refine", "stream")
    parts += [numbers(np.array([s[k] for k in fields], np.int32)) for s in shape["stages"]]
    parts.append(numbers(np.array([x for p in shape["previews"] for x in (p["scale"], p["stages"])], np.int32)))
    parts += [integer(shape["feature_bits"]), integer(shape["codewords"]), integer(len(tensors))]
    for name, tensor in tensors.items():
        parts += [text(str(tensor.dtype).encode()), text(name.encode()), numbers(tensor)]
    parts.append(integer(len(names)))
    for name in names:
        data = (GOLDEN / f"{name}.aec").read_bytes()
        contents, qualities = parse(data), Decoder(data).qualities
        h = contents.header
        cells = np.zeros((0, 0), np.int32) if qualities is None else qualities.astype(np.int32)
        parts += [*map(integer, (h.height, h.width, h.quality, h.tile_log2, *cells.shape)), numbers(cells)]
        parts.append(integer(len(contents.streams)))
        for tiles in contents.streams:
            parts += [integer(len(tiles)), *map(text, tiles)]
    return b"".join(parts)


def build(compiler: str, flags: list[str], machine: str | None, folder: Path) -> Path:
    """Builds CMake's target portable_decode with these flags alone, for this machine or another; -> the program."""
    work = folder / "-".join([compiler, *flags]).replace("/", "_").replace(",", "_")
    settings = {
        "AECODEC_PYTHON": "OFF",
        "CMAKE_BUILD_TYPE": "None",
        "CMAKE_CXX_COMPILER": compiler,
        "CMAKE_CXX_FLAGS": " ".join(flags),
    }
    if flags != SANITIZERS:  # whose libraries are shared ones
        settings["CMAKE_EXE_LINKER_FLAGS"] = "-static"
    if machine:
        settings |= {"CMAKE_SYSTEM_NAME": "Linux", "CMAKE_SYSTEM_PROCESSOR": machine}
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(["cmake", "-S", ROOT, "-B", work, *(f"-D{k}={v}" for k, v in settings.items())], **quiet)
    subprocess.run(["cmake", "--build", work, "--target", "portable_decode", "-j", "2"], **quiet)
    return work / "portable_decode"


def from_network(decoder: Decoder) -> bool:
    """Whether the network's pixels are the file's: gray is made gray, thin unfolded, and layers laid over, in Python."""
    h = decoder.header
    return h.colour == RGB and not decoder.lossless and fold_of(h.height, h.width) is None and not decoder.mixed


def main() -> None:
    native = [c for c in ("g++", "clang++") if shutil.which(c)]
    simds = [s for s in _core.available_simd() if s != "scalar"]
    builds = [(c, [level], simds, None) for c in native for level in ("-O0", "-O3")]
    builds += [(c, SANITIZERS, simds, None) for c in native[:1]]
    if "--quick" in sys.argv:
        builds = builds[:2]
    if "--all" in sys.argv:
        for machine, its in (("aarch64", ["neon"]), ("s390x", [])):
            builds += [(f"{machine}-linux-gnu-g++", [level], its, machine) for level in ("-O0", "-O3")]
    expected = json.loads((GOLDEN / "expected.json").read_text())
    names = [n for n in expected if from_network(Decoder((GOLDEN / f"{n}.aec").read_bytes()))]
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "bundle").write_bytes(bundle(names))
        for compiler, flags, simds, machine in builds:
            program = build(compiler, flags, machine, folder)
            for kernels, threads in itertools.product(["scalar", *simds], (1, 2)):
                command = [*([f"qemu-{machine}"] if machine else []), program, folder / "bundle", kernels, str(threads)]
                pixels, at, wrong = subprocess.run(command, check=True, capture_output=True).stdout, 0, []
                for name in names:
                    size = int(np.prod(expected[name]["shape"]))
                    if hashlib.sha256(pixels[at : at + size]).hexdigest() != expected[name]["sha256"]:
                        wrong.append(name)
                    at += size
                line = f"{compiler} {' '.join(flags)} {kernels} {threads} threads"
                print(f"{'WRONG ' + ' '.join(wrong) if wrong else 'same'}  {line}", flush=True)
                failures += bool(wrong)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
