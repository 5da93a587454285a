"""docs/format.md is enough to write a decoder: one that was written from it agrees with the codec, pixel for pixel."""

import ast
import hashlib
import json
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec import Decoder, chunks, lossless
from aecodec.header import Header

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


def rebuilt(file: reference.File, check: Callable[[bytes], bytes] = reference.short_check) -> bytes:
    """A file of these parts, with right lengths and checksums."""
    before = b"".join(chunks.chunk(kind.encode("latin-1"), payload) for kind, payload in file.ahead)
    behind = b"".join(chunks.chunk(kind.encode("latin-1"), payload) for kind, payload in file.behind)
    header = Header(**{**file.header._asdict(), "ahead": int(bool(before))})
    sizes = [len(before)] if before else []
    head = reference.MAGIC + header.pack() + b"".join(map(chunks.varint, [*sizes, *map(len, file.streams)]))
    return head + check(head) + before + b"".join(map(chunks.coded, file.streams)) + behind


def with_header(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The file with the header's bytes up to the checksum changed."""
    end = reference.header(data)[1] + 3  # pixel-60 has three lengths of a byte
    head = change(data[:end])
    return head + reference.short_check(head) + data[end + 3 :]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_reference_gives_the_pixels_of_the_conformance_set(name):
    data = golden(name)
    payload = next((c.payload for c in reference.parse(data).ahead if c.kind == "L"), None)
    samples = None if payload is None else lossless.unpack(payload, *EXPECTED[name]["shape"][:2], gray=False)
    pixels = reference.decode(data, 1, samples)
    assert pixels.dtype == np.uint8 and list(pixels.shape) == EXPECTED[name]["shape"]
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == EXPECTED[name]["sha256"]


@pytest.mark.parametrize(
    "name, scale",
    [
        ("gray-60", 2),
        ("gray-60", 4),
        ("gray-60", 8),
        ("thin-60", 2),
        ("thin-60", 8),
        ("tiles-40", 2),
        ("tiles-40", 8),
        ("wild-1", 4),
        ("wild-1", 8),
    ],
)
def test_reduced_pictures(name, scale):
    np.testing.assert_array_equal(reference.decode(golden(name), scale), Decoder(golden(name), threads=1).decode(scale=scale))


@pytest.mark.parametrize("other", [2, 3, 4, 7], ids=["column", "next", "row", "stream"])
def test_a_wrong_order_of_streams_shows(other):
    """tiles-40 has 2 × 3 tiles: part 1 is of stream 0 and tile 1."""
    file = reference.parse(golden("tiles-40"))
    file.streams[1], file.streams[other] = file.streams[other], file.streams[1]
    with pytest.raises(ValueError, match="damaged stream"):
        reference.decode(rebuilt(file))


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
    clamped = {f"clamp in {f}" for f in ("prior", "leaky", "inject", "refine", "decode_coded", "output", "exponents")}
    assert met == clamped | {f"sat16 in {f}" for f in ("prior", "inject", "refine", "decode_coded")}


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_reduced_pictures_of_lossless_files_are_the_means_of_the_page(scale):
    stripes = np.random.default_rng(0).integers(0, 256, (13, 29, 3), np.uint8).repeat(5, axis=0).repeat(7, axis=1)[:63, :198]
    data = aecodec.compress(stripes, 90)
    decoder = Decoder(data)
    assert decoder.lossless
    np.testing.assert_array_equal(reference.means(stripes, scale), decoder.decode(scale=scale))
    with pytest.raises(ValueError, match="lossless"):
        reference.decode(data)


@pytest.mark.parametrize("gray", [False, True])
def test_mixed_pictures(gray):
    page = np.full((80, 100, 3), 240, np.uint8)
    page[2:78:4, 3:97] = np.random.default_rng(0).integers(0, 2, (19, 94, 1), np.uint8) * 200  # it takes words to describe
    page[24:72, 48:88] = np.asarray(Image.open(HERE.parent / "examples" / "parrots.png").convert("RGB"))[200:248, 300:340]
    data = aecodec.compress(page[:, :, 1].copy() if gray else page, 40)
    decoder, file = Decoder(data), reference.parse(data)
    parts = {c.kind: c for c in file.ahead}
    assert decoder.mixed and list(parts) == ["M", "L"]
    samples = lossless.unpack(parts["L"].payload, 80, 100, gray)
    for scale in (1, 2, 8):
        np.testing.assert_array_equal(reference.decode(data, scale, samples), decoder.decode(scale))
    np.testing.assert_array_equal(reference.decode(rebuilt(file._replace(ahead=file.ahead[::-1])), 1, samples), decoder.decode())
    layer = parts["M"].payload
    wrong = [reference.Chunk("M", p) for p in (b"", layer[:1], layer[:-1], layer + b"\0", b"\0" + layer[1:], b"\x41" + layer[1:])]
    for ahead in ([parts["L"]], [parts["M"]], [*file.ahead, parts["M"]], *([w, parts["L"]] for w in wrong)):
        damaged = rebuilt(file._replace(ahead=ahead))
        with pytest.raises((ValueError, IndexError, zlib.error)):
            reference.decode(damaged, 1, samples)
        with pytest.raises(aecodec.FileError):
            Decoder(damaged, check=True).decode()


def test_every_damaged_byte_is_refused():
    data = golden("pixel-60")
    for i in range(len(data)):
        with pytest.raises(ValueError):
            reference.parse(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        if i:
            with pytest.raises(ValueError):
                reference.decode(data[:i])


def chunk(file: reference.File, kind: str, *where: str) -> bytes:
    return rebuilt(file._replace(**{place: [reference.Chunk(kind, b"")] for place in where}))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda file, data: chunk(file, "Z", "ahead"), id="an unknown upper-case type"),
        pytest.param(lambda file, data: chunk(file, "1", "behind"), id="a type that is no letter"),
        pytest.param(lambda file, data: chunk(file, "A", "ahead", "behind"), id="two alpha channels"),
        pytest.param(lambda file, data: chunk(file, "L", "ahead"), id="pixels twice"),
        pytest.param(lambda file, data: chunk(file, "Q", "ahead"), id="an empty map of qualities"),
        pytest.param(lambda file, data: data + b"?", id="a byte too many"),
        pytest.param(lambda file, data: rebuilt(file, check=lambda head: b"???"), id="a wrong checksum of the header"),
        pytest.param(lambda file, data: with_header(data, lambda h: h[:4] + b"\x01" + h[5:]), id="another version"),
        pytest.param(lambda file, data: with_header(data, lambda h: h[:4] + b"\x20" + h[5:]), id="a reserved bit"),
        pytest.param(lambda file, data: with_header(data, lambda h: h[:8] + bytes([h[8] | 3]) + h[9:]), id="an unknown colour"),
        pytest.param(lambda file, data: with_header(data, lambda h: h[:-1]), id="a stream too few"),
        pytest.param(lambda file, data: with_header(data, lambda h: h[:-1] + b"\x80\0"), id="a long varint"),
        pytest.param(
            lambda file, data: rebuilt(file._replace(streams=[*file.streams[:2], b"\1"])), id="a byte of a stream too many"
        ),
        pytest.param(lambda file, data: rebuilt(file._replace(streams=[file.streams[0][:-1], b"", b""])), id="a byte too few"),
        pytest.param(lambda file, data: rebuilt(file._replace(streams=[b"\0" + file.streams[0], b"", b""])), id="a zero at first"),
        pytest.param(lambda file, data: rebuilt(file._replace(header=file.header._replace(streams=2))), id="two streams"),
        pytest.param(lambda file, data: rebuilt(file._replace(header=file.header._replace(streams=0), streams=[])), id="no pixels"),
    ],
)
def test_both_decoders_refuse_the_same_files(change):
    data = golden("pixel-60")
    changed = change(reference.parse(data), data)
    with pytest.raises(ValueError):
        reference.decode(changed)
    with pytest.raises(aecodec.FileError):
        Decoder(changed, check=True).decode()


def test_both_decoders_skip_lower_case_chunks():
    more = [reference.Chunk("q", b"?"), reference.Chunk("i", b"profile")]
    file = reference.parse(golden("pixel-60"))
    for data in (rebuilt(file._replace(ahead=more)), rebuilt(file._replace(behind=more))):
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


def test_the_protective_copy_is_that_of_the_page():
    photo = np.asarray(Image.open(HERE.parent / "examples" / "parrots.png").convert("RGB"))[:300, :300]
    data = aecodec.compress(photo, 40, protect=True)
    file = reference.parse(data)
    copies = [c.payload for c in file.behind if c.kind == "p"]
    end = Decoder(data).index.head.end
    assert copies == [reference.protective_copy(file, data[:end], copies[0][end])]


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
