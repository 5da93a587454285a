"""docs/format.md is enough to write a decoder: one that was written from it agrees with the codec, pixel for pixel."""

import ast
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec import Decoder, chunks

HERE = Path(__file__).parent
FOLDER = HERE / "conformance"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
REFERENCE = HERE / "conformance" / "reference.py"
PAGE = (HERE.parent / "docs" / "format.md").read_text()

sys.path.insert(0, str(REFERENCE.parent))
import explain  # noqa: E402
import reference  # noqa: E402


def golden(name: str) -> bytes:
    return (FOLDER / f"{name}.aec").read_bytes()


def with_chunks(data: bytes, change) -> bytes:
    """The file with its list of chunks changed, and right checksums."""
    parts = change(reference.chunks(data))
    return reference.MAGIC + b"".join(chunks.chunk(kind.encode("latin-1"), payload) for kind, payload in parts)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_reference_gives_the_pixels_of_the_conformance_set(name):
    pixels = reference.decode(golden(name))
    assert pixels.dtype == np.uint8 and list(pixels.shape) == EXPECTED[name]["shape"]
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == EXPECTED[name]["sha256"]


@pytest.mark.parametrize(
    "name, scale", [("gray-60", 2), ("gray-60", 4), ("gray-60", 8), ("tiles-40", 2), ("tiles-40", 8), ("wild-1", 4), ("wild-1", 8)]
)
def test_reduced_pictures(name, scale):
    np.testing.assert_array_equal(reference.decode(golden(name), scale), Decoder(golden(name), threads=1).decode(scale=scale))


@pytest.mark.parametrize("other", [3, 4, 5, 8], ids=["column", "next", "row", "stream"])
def test_a_wrong_order_of_streams_shows(other):
    """tiles-40 has 2 × 3 tiles: chunk 2 is of stream 0 and tile 1."""

    def swap(parts):
        parts[2], parts[other] = parts[other], parts[2]
        return parts

    with pytest.raises(ValueError, match="damaged stream|ends too early"):
        reference.decode(with_chunks(golden("tiles-40"), swap))


def test_the_wild_file_meets_every_limit(monkeypatch):
    met = set()

    def watch(name):
        limit = getattr(reference, name)

        def watched(x, *bound):
            y = limit(x, *bound)
            if (y != x).any():
                met.add(f"{name} in {sys._getframe(1).f_code.co_name}")
            return y

        monkeypatch.setattr(reference, name, watched)

    watch("clamp")
    watch("sat16")
    reference.decode(golden("wild-1"))
    clamped = {f"clamp in {f}" for f in ("prior", "leaky", "inject", "refine", "decode", "output", "exponents")}
    assert met == clamped | {f"sat16 in {f}" for f in ("prior", "inject", "refine", "decode")}


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_reduced_pictures_of_lossless_files_are_the_means_of_the_page(scale):
    stripes = np.random.default_rng(0).integers(0, 256, (13, 29, 3), np.uint8).repeat(5, axis=0).repeat(7, axis=1)[:63, :198]
    data = aecodec.compress(stripes, 90)
    decoder = Decoder(data)
    assert decoder.lossless
    np.testing.assert_array_equal(reference.means(stripes, scale), decoder.decode(scale=scale))
    with pytest.raises(ValueError, match="lossless"):
        reference.decode(data)


def test_every_damaged_byte_is_refused():
    data = golden("pixel-60")
    for i in range(len(data)):
        with pytest.raises(ValueError):
            reference.parse(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        if i:
            with pytest.raises(ValueError):
                reference.decode(data[:i])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda parts: [*parts, ("Q", b"")], id="an unknown upper-case type"),
        pytest.param(lambda parts: [*parts, ("1", b"")], id="a type that is no letter"),
        pytest.param(lambda parts: [*parts, parts[0]], id="two headers"),
        pytest.param(lambda parts: parts[1:], id="no header"),
        pytest.param(lambda parts: [parts[1], parts[0], *parts[2:]], id="a header that is not the first"),
        pytest.param(lambda parts: [*parts, ("A", b""), ("A", b"")], id="two alpha channels"),
        pytest.param(lambda parts: [*parts, parts[-1]], id="a stream too many"),
        pytest.param(lambda parts: parts[:-1], id="a stream too few"),
        pytest.param(lambda parts: [*parts[:-1], ("S", parts[-1].payload + b"\0\0")], id="a word too many"),
        pytest.param(lambda parts: [*parts[:-1], ("S", parts[-1].payload[:-1])], id="half a state"),
        pytest.param(lambda parts: [parts[0], ("S", parts[1].payload[:-2]), *parts[2:]], id="a word too few"),
        pytest.param(lambda parts: [*parts[:-1], ("S", b"")], id="an empty stream"),
        pytest.param(lambda parts: [("H", parts[0].payload + b"\0"), *parts[1:]], id="a byte after the header"),
        pytest.param(lambda parts: [("H", parts[0].payload[:-1] + b"\x80\0"), *parts[1:]], id="a long varint"),
    ],
)
def test_both_decoders_refuse_the_same_files(change):
    data = with_chunks(golden("pixel-60"), change)
    with pytest.raises(ValueError):
        reference.decode(data)
    with pytest.raises(aecodec.FileError):
        Decoder(data, check=True).decode()


def test_both_decoders_skip_lower_case_chunks():
    def add(parts):
        return [parts[0], ("q", b"?"), ("i", b"profile"), *parts[1:]]

    data = with_chunks(golden("pixel-60"), add)
    np.testing.assert_array_equal(reference.decode(data), reference.decode(golden("pixel-60")))
    np.testing.assert_array_equal(aecodec.decompress(data), reference.decode(data))


def test_the_reference_shares_nothing_with_the_codec(tmp_path):
    imported = set()
    for node in ast.walk(ast.parse(REFERENCE.read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert "numpy" in imported and imported <= {"numpy", "safetensors"} | sys.stdlib_module_names
    run = "import runpy, sys; sys.argv.pop(0); runpy.run_path(sys.argv[0], {}, '__main__'); assert 'aecodec' not in sys.modules"
    out = tmp_path / "gray.png"
    done = subprocess.run([sys.executable, "-c", run, REFERENCE, FOLDER / "gray-10.aec", out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert EXPECTED["gray-10"]["sha256"] in done.stdout
    np.testing.assert_array_equal(np.asarray(Image.open(out)), reference.decode(golden("gray-10")))


def block_after(marker: str) -> list[str]:
    """The lines of the page's first code block after a text."""
    return re.search(r"^```text\n(.*?)^```$", PAGE[PAGE.index(marker) :], re.MULTILINE | re.DOTALL)[1].splitlines()


def test_the_hexdump_of_the_page_is_the_files():
    rows = [re.fullmatch(r"([0-9A-F]{2})  ((?:[0-9A-F]{2} )+) *(\S.*)", line) for line in block_after("byte by byte")]
    data = b""
    for row in rows:
        assert row and int(row[1], 16) == len(data)
        data += bytes.fromhex(row[2])
    assert data == golden("pixel-60")


def test_what_the_page_says_of_the_bytes_and_codes_is_so():
    assert block_after("byte by byte") == list(explain.explain_bytes(golden("pixel-60")))
    assert block_after("first symbols") == list(explain.explain_codes(golden("pixel-60")))


def test_the_page_names_every_file_of_the_set():
    section = PAGE[PAGE.index("## 5. Conformance") :]
    assert set(EXPECTED) == {p.stem for p in FOLDER.glob("*.aec")}
    assert set(re.findall(r"`([a-z]+-\d+)`", section)) == set(EXPECTED)
