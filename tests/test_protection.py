"""The protective copy: what is lost of the coarsest codes, or the header, comes back."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import aecodec
from aecodec import Decoder, protection
from conftest import PHOTO, parse, psnr

TILES = st.lists(st.binary(max_size=40), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.asarray(Image.open(PHOTO).convert("RGB"))


@pytest.fixture(scope="module")
def data(picture) -> bytes:
    """Six tiles of 256 pixels."""
    return aecodec.compress(picture, 40, protect=True)


def damaged(data: bytes, stream: int, tile: int) -> bytes:
    c = Decoder(data).index.streams[stream][tile]
    return data[: c.payload] + bytes(c.size) + data[c.payload + c.size :]


@settings(max_examples=200, deadline=None)
@given(TILES, st.data())
def test_any_one_tile_of_a_group_comes_back(tiles, draw):
    groups, head = draw.draw(st.integers(1, len(tiles))), b"head"
    copy = protection.pack(head, tiles, groups)
    lost = draw.draw(st.sets(st.integers(0, len(tiles) - 1)))
    found = protection.repaired(
        copy, len(head), [None if t in lost else tile for t, tile in enumerate(tiles)], list(map(len, tiles))
    )
    assert found == {t: tiles[t] for t in lost if sum(other % groups == t % groups for other in lost) == 1}


def test_it_costs_a_quarter_at_most(picture, data):
    for quality in (20, 40, 80):
        assert len(aecodec.compress(picture, quality, protect=True)) <= 1.25 * len(aecodec.compress(picture, quality))
    np.testing.assert_array_equal(aecodec.decompress(data), aecodec.decompress(aecodec.compress(picture, 40)))


def test_any_tile_that_is_lost_still_shows(picture, data):
    intact = aecodec.decompress(data)
    for tile in range(6):
        y, x = (256 * n for n in divmod(tile, 3))
        for stream in range(3):
            decoder = Decoder(damaged(data, stream, tile), partial=True)
            assert len(decoder.problems) == 1 and f"stream {stream}, tile {tile}" in decoder.problems[0]
            assert decoder.repairs == ([f"stream 0, tile {tile}"] if stream == 0 else [])
            assert decoder.guesses == (stream > 0)
            shown = decoder.decode()
            if stream == 0:
                np.testing.assert_array_equal(shown, intact)
            assert psnr(picture[y : y + 256, x : x + 256], shown[y : y + 256, x : x + 256]) >= 21
        everything = damaged(damaged(damaged(data, 0, tile), 1, tile), 2, tile)
        shown = Decoder(everything, partial=True).decode()
        assert psnr(picture[y : y + 256, x : x + 256], shown[y : y + 256, x : x + 256]) >= 21


def test_the_header_comes_back(data):
    for at in range(Decoder(data).index.head.end):
        broken = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        with pytest.raises(aecodec.FileError):
            Decoder(broken)
        decoder = Decoder(broken, partial=True)
        assert decoder.repairs == ["the header"] and not decoder.guesses
    np.testing.assert_array_equal(decoder.decode(), aecodec.decompress(data))


def test_another_file_behind_is_no_copy(data, tmp_path):
    plain = aecodec.compress(np.zeros((64, 64, 3), np.uint8), 20)
    for front in (b"just text\n", b"stop\n", b"\x89AEC"):
        with pytest.raises(aecodec.FileError):
            Decoder(front + plain, partial=True)
    (tmp_path / "a.aec").write_bytes(b"just text\n" + plain)
    done = subprocess.run([sys.executable, "-m", "aecodec", "verify", tmp_path / "a.aec"], capture_output=True, text=True)
    assert done.returncode == 1 and "not an .aec file" in done.stderr and "repairs" not in done.stderr


def test_two_tiles_of_a_group_do_not(picture, data):
    decoder = Decoder(damaged(damaged(data, 0, 0), 0, 2), partial=True)
    assert decoder.repairs == [] and decoder.guesses and len(decoder.problems) == 2
    neighbours = Decoder(damaged(damaged(data, 0, 0), 0, 1), partial=True)
    assert neighbours.repairs == ["stream 0, tile 0", "stream 0, tile 1"] and not neighbours.guesses


def test_a_copy_that_does_not_fit_is_no_use(data):
    contents = parse(data)
    lengths = [len(t) for t in contents.streams[0]]
    for copy in (b"", b"\0", b"\7", b"\1" + bytes(max(lengths) - 1), b"\x80"):
        with pytest.raises(aecodec.FileError):
            protection.repaired(copy, 0, contents.streams[0], lengths)


def test_small_and_lossless_pictures(photo):
    data = aecodec.compress(photo[:40, :40], 60, protect=True)
    assert Decoder(damaged(data, 0, 0), partial=True).repairs == ["stream 0, tile 0"]
    assert len(Decoder(aecodec.compress(photo, 60, protect=True)).index.streams[0]) >= 4
    dots = np.random.default_rng(0).integers(0, 2, (80, 80, 1), np.uint8).repeat(3, axis=2) * 255
    decoder = Decoder(aecodec.compress(dots, 60, protect=True))
    assert decoder.lossless and not decoder.index.protection


def test_commands(picture, data, tmp_path):
    Image.fromarray(picture).save(tmp_path / "a.png")

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "aecodec", *arguments], cwd=tmp_path, capture_output=True, text=True)

    assert run("compress", "a.png", "-q", "40", "--protect", "--quiet").returncode == 0
    assert (tmp_path / "a.aec").read_bytes() == data
    (tmp_path / "b.aec").write_bytes(damaged(data, 0, 4))
    done = run("verify", "b.aec")
    assert done.returncode == 1 and "wrong checksum; decompress --allow-partial repairs stream 0, tile 4" in done.stderr
    done = run("decompress", "b.aec", "b.png", "--allow-partial")
    assert "stream 0, tile 4 is repaired from the protective copy; nothing is missing" in done.stdout + done.stderr
    assert json.loads(run("info", "b.aec", "--json").stdout or "{}") == {}
    assert json.loads(run("info", "a.aec", "--json").stdout)["protected"]
