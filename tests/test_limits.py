"""Memory and time follow the pixels that a file really has, and users can limit both."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import aecodec
import aecodec.pillow
import aecodec.torch
from aecodec import UnsupportedFile, chunks, container, lossless
from aecodec.container import Contents
from aecodec.encoder import header_for
from aecodec.header import RGB
from aecodec.model import shipped

FIXED = 32 << 20  # bytes that decoding takes of whatever size the picture is


def claims(width: int, height: int) -> bytes:
    """A file of a right header that claims a size and is cut short before the first coded tile."""
    model = shipped()
    header = header_for(height, width, 60, RGB, model)
    data = container.write(Contents(header, [[b"\xff" * 10] * header.tiles] * model.streams))
    return data[: aecodec.Decoder(data).index.head.end]


def exact(width: int, height: int, pixels: bytes) -> bytes:
    return container.write(Contents(header_for(height, width, 60, RGB, shipped()), [], lossless=pixels))


def flat(width: int, height: int) -> bytes:
    """A lossless file of one colour."""
    out = lossless.pack(np.zeros((height, width, 3), np.uint8), lossless.Methods(1, png=False))
    return exact(width, height, out)


def peak_growth(code: str, stdin: bytes = b"") -> int:
    """By how many MB a statement's peak of memory is above what was there before it, in a process of its own."""
    before = "import aecodec, numpy; aecodec.Decoder; aecodec.compress(numpy.zeros((64, 64, 3), 'u1'))"
    peak = "int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"  # ru_maxrss would be the parent's, if larger
    program = f"{before}\nbefore = {peak}\n{code}\nprint(({peak} - before) >> 10)"
    done = subprocess.run([sys.executable, "-c", program], input=stdin, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("size", [(1 << 20, 1), (1, 1 << 20), (1 << 22, 1), (1 << 16, 33)])
def test_a_few_bytes_that_claim_a_thin_picture_take_no_memory(size):
    data = claims(*size)
    assert peak_growth(f"aecodec.Decoder({data!r}, partial=True).decode()") < 60


def test_sides_that_no_file_can_say_are_refused():
    with pytest.raises(aecodec.PictureError, match="sides"):
        aecodec.compress(np.zeros((1, (1 << 24) + 1, 3), np.uint8))


@pytest.mark.parametrize("size", [(1 << 16, 40), (3000, 1000)])
def test_the_estimate_of_memory_holds(size):
    """It is no less than what decoding takes, and not many times as much."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    data = aecodec.compress(pixels, 1, effort=1)
    assert not aecodec.Decoder(data).lossless
    taken = peak_growth("aecodec.Decoder(open(0, 'rb').read()).decode()", data) << 20
    aecodec.Decoder(data, max_memory=6 * taken).decode()
    with pytest.raises(UnsupportedFile, match="memory"):
        aecodec.Decoder(data, max_memory=taken - FIXED).decode()


def calls(data: bytes, tmp_path) -> dict:
    path = tmp_path / "x.aec"
    path.write_bytes(data)

    def pillow(pixels: int, memory: int) -> None:
        before = aecodec.pillow.MAX_PIXELS, aecodec.pillow.MAX_MEMORY
        aecodec.pillow.MAX_PIXELS, aecodec.pillow.MAX_MEMORY = pixels, memory
        try:
            Image.open(path).load()
        finally:
            aecodec.pillow.MAX_PIXELS, aecodec.pillow.MAX_MEMORY = before

    both = "max_pixels", "max_memory"
    return {
        "decompress": lambda *a: aecodec.decompress(data, **dict(zip(both, a, strict=True))),
        "file": lambda *a: aecodec.decompress_file(path, tmp_path / "x.png", **dict(zip(both, a, strict=True))),
        "region": lambda *a: aecodec.Decoder(data, **dict(zip(both, a, strict=True))).decode(region=(0, 0, 8, 8)),
        "preview": lambda *a: aecodec.Decoder(data, **dict(zip(both, a, strict=True))).decode(8),
        "progressive": lambda *a: list(aecodec.Decoder(data, **dict(zip(both, a, strict=True))).progressive()),
        "torch": lambda *a: aecodec.torch.decompress(data, **dict(zip(both, a, strict=True))),
        "pillow": pillow,
    }


@pytest.mark.parametrize("name", ["decompress", "file", "region", "preview", "progressive", "torch", "pillow"])
def test_every_way_in_has_both_limits(name, photo, tmp_path):
    call = calls(flat(2000, 1500), tmp_path)[name]
    call(1 << 28, 1 << 30)
    for limits in ((2999_999, 1 << 30), (1 << 28, 50_000_000)):
        with pytest.raises((UnsupportedFile, OSError), match="limit|cannot identify"):
            call(*limits)
    coded = calls(aecodec.compress(photo, 30), tmp_path)[name]
    coded(1 << 28, 1 << 30)
    with pytest.raises((UnsupportedFile, OSError), match="limit|cannot identify"):
        coded(1 << 28, 100_000)


def test_tokens_and_info_have_limits(photo):
    data = aecodec.compress(photo, 30)
    with pytest.raises(UnsupportedFile, match="limit"):
        aecodec.info(data, max_pixels=1000)
    for limits in ({"max_pixels": 1000}, {"max_memory": 100_000}):
        with pytest.raises(UnsupportedFile, match="limit"):
            aecodec.tokens(data, **limits)


def test_limits_at_the_command_line(photo, tmp_path):
    (tmp_path / "x.aec").write_bytes(flat(2000, 1500))
    Image.fromarray(photo).save(tmp_path / "p.png")

    def run(*arguments) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "aecodec", *map(str, arguments)], capture_output=True, text=True, cwd=tmp_path)

    for command in (["info"], ["verify"], ["decompress", "-f"], ["decompress", "-f", "--scale", 8], ["compare", "p.png"]):
        done = run(*command, "x.aec", "--limit-pixels", 1000)
        assert done.returncode == 1 and "limit of 1000" in done.stderr and done.stderr.count("\n") == 1
    done = run("decompress", "x.aec", "--limit-memory", "30M", "--region", "0,0,8,8")
    assert done.returncode == 1 and "memory" in done.stderr
    assert run("decompress", "x.aec", "--limit-memory", "1GiB").returncode == 0
    done = run("compress", "p.png", "--limit-pixels", 1000)
    assert done.returncode == 1 and "limit of 1000" in done.stderr
    assert run("info", "x.aec", "--limit-memory", "nan").returncode == 2
    assert json.loads(run("info", "x.aec", "--json").stdout)["width"] == 2000


def test_the_default_bound_of_memory_is_kept():
    """The largest lossless file that it lets through, and one beyond."""
    with pytest.raises(UnsupportedFile, match="memory"):
        aecodec.Decoder(exact(16383, 16383, b"RIFF")).decode(region=(0, 0, 8, 8))
    data = flat(4000, 3000)
    assert peak_growth("aecodec.Decoder(open(0, 'rb').read()).decode(region=(0, 0, 8, 8))", data) << 20 < 24 * 4000 * 3000 * 1.2


def test_many_chunks_are_refused_early(photo):
    data = aecodec.compress(photo, 30) + chunks.chunk(b"z", b"") * 1_000_000
    for call in (lambda: aecodec.info(data), lambda: aecodec.Decoder(data)):
        start = time.process_time()
        with pytest.raises(UnsupportedFile, match="chunks"):
            call()
        assert time.process_time() - start < 1
    start = time.process_time()
    assert len(aecodec.Decoder(data, partial=True).problems) < 30
    assert time.process_time() - start < 1


def test_problems_of_a_damaged_file_are_few_and_short(photo):
    bad = chunks.chunk(b"z", b"")[:-1] + b"\0"
    decoder = aecodec.Decoder(aecodec.compress(photo, 30) + bad * 4000, partial=True)
    assert 2 <= len(decoder.problems) < 30


def test_places_that_look_like_a_copy_of_the_header_are_few():
    start = time.process_time()
    with pytest.raises(aecodec.FileError):
        aecodec.Decoder(container.MAGIC * 2_000_000, partial=True)
    assert time.process_time() - start < 1


def test_metadata_is_bounded(photo):
    large = chunks.chunk(b"x", bytes((1 << 24) + 1))
    with pytest.raises(UnsupportedFile, match="XMP"):
        aecodec.decompress(aecodec.compress(photo, 30) + large)


def test_a_chunk_of_any_type_is_named_in_one_plain_line(photo):
    for kind in (b"\n", b"\x1b", b"\xff", b"Z"):
        with pytest.raises(aecodec.FileError) as caught:
            aecodec.decompress(aecodec.compress(photo, 30) + chunks.chunk(kind, b""))
        text = str(caught.value)
        assert text.isascii() and text.isprintable()


def test_progressive_of_a_file_without_a_coded_part():
    """It is gray, once."""
    pictures = list(aecodec.Decoder(claims(64, 64), partial=True).progressive())
    assert len(pictures) == 1 and (pictures[0] == 128).all()


ABORT = """
import resource, sys, numpy as np, aecodec
from aecodec.model import shipped
pixels = np.random.default_rng(0).integers(0, 256, (512, 1024, 3), dtype=np.uint8)
expected = aecodec.compress(pixels, 30, effort=1, threads=1)
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
failed = 0
for extra in range(8, 130, 6):
    resource.setrlimit(resource.RLIMIT_AS, (now + (extra << 20), resource.RLIM_INFINITY))
    try:
        assert aecodec.compress(pixels, 30, effort=1, threads=8) == expected
        assert aecodec.decompress(expected, threads=8).shape == pixels.shape
    except MemoryError:
        failed += 1
print(failed)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space")
def test_where_memory_or_threads_run_out_there_is_no_abort():
    done = subprocess.run([sys.executable, "-c", ABORT], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0  # the limits were tight enough
