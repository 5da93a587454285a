"""Regions of interest: a map of qualities in the file, and position-dependent conditioning in the runtime."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import aecodec
from aecodec import Decoder, _core, chunks, container, encoder, quality_map
from aecodec.effort import level_of
from aecodec.encoder import Job
from aecodec.errors import DamagedFile, OptionError
from aecodec.header import RGB, VERSION, Header
from aecodec.lossless import Methods
from aecodec.model import shipped
from aecodec.options import quality_to_lambda
from aecodec.picture import Picture
from conftest import PHOTO, expect_region_is_a_crop, psnr, with_simd

ROI = (130, 60, 100, 70)  # x, y, width, height: in cells of 64 pixels columns 2 and 3, rows 0 to 2


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.asarray(Image.open(PHOTO).convert("RGB"))[100:340, 200:560].copy()


@pytest.fixture(scope="module")
def roi(picture) -> np.ndarray:
    return quality_map.of_regions(*picture.shape[:2], [(ROI, 25)])


@pytest.fixture(scope="module")
def data(picture, roi) -> bytes:
    return aecodec.compress(picture, 40, roi=roi)


def header(height: int, width: int, quality: int = 50) -> Header:
    return Header(VERSION, 0, 1, 10, quality, width, height)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.integers(1, 400), st.integers(1, 700), st.integers(1, 100))
def test_maps_there_and_back(data, height, width, quality):
    h = header(height, width, quality)
    qualities = data.draw(arrays.arrays(np.uint8, quality_map.shape_of(h), elements=st.sampled_from([1, 7, quality, 100])))
    packed = quality_map.pack(qualities, quality)
    np.testing.assert_array_equal(quality_map.unpack(packed, h), qualities)
    for wrong in (packed[:-1], packed + b"\0"):
        with pytest.raises(DamagedFile):
            quality_map.unpack(wrong, h)


@given(st.binary(max_size=30))
def test_any_bytes_are_a_map_or_damage(payload):
    h = header(100, 300)
    try:
        qualities = quality_map.unpack(payload, h)
    except DamagedFile:
        return
    assert qualities.shape == (2, 5) and 1 <= qualities.min() and qualities.max() <= 100


def test_a_map_takes_few_bytes():
    h = header(4000, 6000)
    roi = quality_map.of_regions(4000, 6000, [((1000, 700, 800, 900), 20), ((3000, 2000, 300, 300), -10)])
    assert len(quality_map.pack(quality_map.of_roi(roi, h), 50)) < 40


def test_a_cell_has_the_largest_offset_of_its_pixels(roi):
    h = header(240, 360, 40)
    qualities = quality_map.of_roi(roi, h)
    expected = np.full((4, 6), 40)
    expected[0:3, 2:4] = 65
    np.testing.assert_array_equal(qualities, expected)
    assert quality_map.of_roi(np.zeros((240, 360), int), h) is None
    assert quality_map.of_roi(np.full((240, 360), 80), h).min() == 100


def test_the_region_gets_better_and_the_rest_stays(picture, data, roi):
    plain = aecodec.compress(picture, 40)
    decoded, flat = aecodec.decompress(data), aecodec.decompress(plain)
    inside, outside = np.s_[64:128, 128:256], np.s_[:, 320:]
    assert psnr(picture[inside], decoded[inside]) > psnr(picture[inside], flat[inside]) + 3
    assert abs(psnr(picture[outside], decoded[outside]) - psnr(picture[outside], flat[outside])) < 0.3
    assert len(plain) < len(data) < len(aecodec.compress(picture, 65))
    best = aecodec.decompress(aecodec.compress(picture, 65))
    assert psnr(picture[inside], decoded[inside]) > psnr(picture[inside], best[inside]) - 0.5


def test_without_a_map_nothing_changes(picture):
    zeros = np.zeros(picture.shape[:2], np.int64)
    assert aecodec.compress(picture, 40, roi=zeros) == aecodec.compress(picture, 40)


def test_a_map_of_one_quality_is_that_quality(picture):
    network, betas = shipped().network, shipped().betas
    plain = _core.Frame(240, 360, 65, 8)
    mapped = _core.Frame(240, 360, 1, 8, np.full((4, 6), 65, np.uint8))
    streams, bits = network.encode(picture, plain, betas)
    assert network.encode(picture, mapped, betas) == (streams, bits)
    np.testing.assert_array_equal(network.decode(streams, mapped), network.decode(streams, plain))


def test_the_same_bits_everywhere(picture, roi, data):
    expected = aecodec.decompress(data)
    for name in _core.available_simd():
        with with_simd(name):
            for threads in (1, 3):
                np.testing.assert_array_equal(aecodec.decompress(data, threads=threads), expected)
                assert aecodec.compress(picture, 40, roi=roi, threads=threads) == data


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("region", [(0, 0, 1, 1), (100, 33, 57, 64), (359, 239, 1, 1), (190, 100, 100, 100)])
def test_regions_are_crops(data, scale, region):
    expect_region_is_a_crop(data, scale, region)


def test_tiles_leave_no_trace(picture):
    network, betas = shipped().network, shipped().betas
    qualities = np.random.default_rng(0).integers(1, 101, (4, 6)).astype(np.uint8)
    frames = [_core.Frame(240, 360, 50, tile, qualities) for tile in (6, 7, 10)]
    pictures = [network.decode(network.encode(picture, f, betas)[0], f) for f in frames]
    np.testing.assert_array_equal(pictures[0], pictures[2])
    np.testing.assert_array_equal(pictures[1], pictures[2])
    streams = network.encode(picture, frames[0], betas)[0]
    for region in ((0, 0, 30, 30), (70, 100, 201, 333)):
        part = network.decode(streams, frames[0], 1, region)
        np.testing.assert_array_equal(part, pictures[0][region[0] : region[2], region[1] : region[3]])


def test_tokens_progressive_protection_and_thin_pictures(picture, roi, data):
    tokens = aecodec.tokens(data)
    assert tokens.to_bytes() == data
    np.testing.assert_array_equal(list(Decoder(data).progressive())[-1], aecodec.decompress(data))
    protected = aecodec.compress(picture, 40, roi=roi, protect=True)
    np.testing.assert_array_equal(aecodec.decompress(protected), aecodec.decompress(data))
    strip = np.ascontiguousarray(picture[:9])
    few = np.zeros((9, 360), np.int8)
    few[:, 200:] = 30
    thin = Decoder(aecodec.compress(strip, 40, roi=few))
    assert thin.qualities is not None and thin.decode().shape == strip.shape


def test_efforts_with_torch(picture, roi):
    pytest.importorskip("torch")
    small, offsets = picture[:128, 100:228], roi[:128, 100:228]
    fast, slow = (aecodec.compress(small, 40, effort=e, roi=offsets) for e in (6, 7))
    assert len(slow) < 1.02 * len(fast) and Decoder(slow).decode().shape == small.shape


def test_wrong_maps_are_refused(picture, data):
    for wrong in (np.zeros((240, 359), int), np.zeros((240, 360)), np.full((240, 360), 100)):
        with pytest.raises(OptionError):
            aecodec.compress(picture, 40, roi=wrong)
    for qualities in (np.zeros((4, 6), np.uint8), np.full((4, 6), 101, np.uint8)):
        with pytest.raises(ValueError, match="qualities must be"):
            _core.Frame(240, 360, 40, 10, qualities)
    with pytest.raises(ValueError, match="4 x 6"):
        shipped().network.tiles(_core.Frame(240, 360, 40, 10, np.full((4, 5), 9, np.uint8)))
    file = io.BytesIO(data)
    contents = container.read(file, Decoder(data).index)
    for packed in (contents.qualities[:-1], b"", contents.qualities + b"\0"):
        broken = container.write(container.Contents(contents.header, contents.streams, qualities=packed))
        with pytest.raises(DamagedFile, match="map of qualities"):
            aecodec.decompress(broken)
    with pytest.raises(DamagedFile, match="too many"):
        aecodec.decompress(data + chunks.chunk(b"Q", contents.qualities))


def test_a_damaged_map_leaves_nothing_to_read(data):
    c = Decoder(data).index.qualities
    broken = data[: c.payload] + b"\x55" + data[c.payload + 1 :]
    decoder = Decoder(broken, partial=True)
    assert "'Q'" in decoder.problems[0] and decoder.guesses and decoder.decode().shape == (240, 360, 3)


def test_commands(picture, data, tmp_path):
    Image.fromarray(picture).save(tmp_path / "a.png")

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "aecodec", *arguments], cwd=tmp_path, capture_output=True, text=True)

    assert run("compress", "a.png", "-q", "40", "--roi", "130,60,100,70=+25", "--roi", "0,0,2,2=0").returncode == 0
    assert (tmp_path / "a.aec").read_bytes() == data
    assert json.loads(run("info", "a.aec", "--json").stdout)["qualities"] == [40, 65]
    assert "qualities 40 to 65" in run("info", "a.aec").stdout
    for wrong in ("1,2,3=4", "0,0,9,9", "0,0,999,9=+5", "0,0,9,9=+100"):
        done = run("compress", "-f", "a.png", "--roi", wrong)
        assert done.returncode != 0 and "Traceback" not in done.stderr


def test_what_is_compared_knows_the_map(picture):
    """The encoder's choice between a layer and codewords weighs an error by the λ of its cell."""
    offsets = np.zeros(picture.shape[:2], np.int8)
    offsets[:64] = 30
    whole, header = Picture(picture), encoder.header_for(*picture.shape[:2], 40, RGB, shipped())
    qualities = quality_map.of_roi(offsets, header)
    jobs = [Job(whole, whole, header, shipped(), level_of(1), 1, Methods(0), qualities=q) for q in (None, qualities)]
    above, below = picture.copy(), picture.copy()
    above[:64] ^= 1
    below[64:128] ^= 1
    error = 64 * picture.shape[1]
    for job, of_above in zip(jobs, (40, 70), strict=True):
        assert job.distortion(above) == pytest.approx(quality_to_lambda(of_above) * error, rel=1e-4)
        assert job.distortion(below) == pytest.approx(quality_to_lambda(40) * error, rel=1e-4)
