"""Synthetic pictures, which are kept without loss if that costs less."""

import io
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import aecodec
from aecodec import Decoder, chunks, container, encoder, lossless
from aecodec.options import quality_to_lambda
from aecodec.picture import Picture
from aecodec.target import for_psnr, for_size
from conftest import psnr


@pytest.fixture(scope="module")
def screen() -> np.ndarray:
    """A window with text and a button, uint8 (200, 320, 3)."""
    image = Image.new("RGB", (320, 200), (240, 240, 245))
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 10, 120, 50), fill=(30, 120, 220))
    for i in range(8):
        draw.text((20, 60 + 16 * i), f"The quick brown fox, {i}", fill=(180, 0, 0), font=ImageFont.load_default(13))
    return np.asarray(image)


def test_a_drawing_is_exact_and_smaller(screen):
    data = aecodec.compress(screen, 60)
    np.testing.assert_array_equal(aecodec.decompress(data), screen)
    lossy = encoder.encode(Picture(screen), 60, mode="lossy").data
    jpeg = io.BytesIO()
    Image.fromarray(screen).save(jpeg, "JPEG", quality=60)
    assert len(data) < len(lossy) and len(data) < len(jpeg.getvalue())
    assert 25 < psnr(screen, aecodec.decompress(lossy)) < 60


def test_a_mode_there_is_not_is_refused(screen):
    with pytest.raises(aecodec.OptionError, match="mode must be one of auto, lossy, not codewords"):
        encoder.encode(Picture(screen), 60, mode="codewords")


def test_photographs_have_codewords(photo):
    assert not lossless.is_synthetic(photo) and not Decoder(aecodec.compress(photo, 90)).lossless
    flat_sky = photo.copy()
    flat_sky[: len(photo) // 2] = 255
    assert lossless.is_synthetic(flat_sky) and not Decoder(aecodec.compress(flat_sky, 40)).lossless  # it was tried, and costs more


@pytest.fixture(scope="module")
def page(screen, photo) -> np.ndarray:
    """The window with a small photograph: without loss, it is larger than with codewords at middling qualities."""
    pixels = screen.copy()
    pixels[10:70, 200:260] = photo[:60, :60]
    return pixels


def test_exact_pixels_may_be_larger_where_errors_cost_more(page):
    def coded(quality: int) -> tuple[bytes, float]:
        """The file with codewords, and what its bits and errors cost, in bits."""
        data = encoder.encode(Picture(page), quality, mode="lossy").data
        error = np.square(page.astype(float) - aecodec.decompress(data)).sum() / 3
        return data, 8 * len(data) + quality_to_lambda(quality) * error

    exact = aecodec.compress(page, 30)
    assert Decoder(exact).lossless and len(coded(30)[0]) < len(exact) < coded(30)[1] / 8
    assert not Decoder(aecodec.compress(page, 1)).lossless and coded(1)[1] / 8 < len(exact)


def test_dithered_pictures_are_synthetic(photo):
    few = Image.fromarray(photo).quantize(64).convert("RGB")
    assert lossless.is_synthetic(np.asarray(few))
    assert not lossless.is_synthetic(np.asarray(Image.fromarray(photo).convert("L")))  # 256 grays are no palette


@pytest.mark.parametrize("kind", ["gray", "alpha", "RGB"])
def test_every_way_to_decode(screen, kind):
    picture = {"gray": screen[:, :, 0], "alpha": np.dstack([screen, screen[:, :, 1]]), "RGB": screen}[kind]
    decoder = Decoder(aecodec.compress(picture, 60))
    assert decoder.lossless
    np.testing.assert_array_equal(decoder.decode(), picture)
    np.testing.assert_array_equal(decoder.decode(region=(13, 7, 60, 90)), picture[7:97, 13:73])
    np.testing.assert_array_equal(decoder.decode(bits=16), picture.astype(np.uint16) * 257)
    for scale in (2, 4, 8):
        whole = decoder.decode(scale)
        assert whole.shape[:2] == (200 // scale, 320 // scale)
        means = picture.reshape(200 // scale, scale, 320 // scale, scale, -1).mean((1, 3)).reshape(whole.shape)
        assert np.abs(whole - means).max() <= 0.5 + 1e-9
        part = whole[8 // scale : 40 // scale, 16 // scale : 80 // scale]
        np.testing.assert_array_equal(decoder.decode(scale, (16, 8, 64, 32)), part)
    assert [p.shape[:2] for p in decoder.progressive()] == [(200, 320)]


def test_tokens_are_codewords_all_the_same(screen):
    tokens = aecodec.tokens(screen, 60)
    assert psnr(screen, aecodec.from_tokens(tokens)) > 25
    with pytest.raises(aecodec.PictureError, match="no codewords"):
        aecodec.tokens(aecodec.compress(screen, 60))


def test_any_model_reads_it(screen):
    data = aecodec.compress(screen, 60)
    file = io.BytesIO(data)
    found = container.read(file, container.index(file, check=True))
    other = replace(found.header, model=found.header.model ^ 1)
    again = container.write(container.Contents(other, [], found.metadata, found.alpha, found.lossless))
    np.testing.assert_array_equal(aecodec.decompress(again), screen)


def test_damage_is_noticed(screen):
    data = aecodec.compress(screen, 60)
    for n in (30, len(data) // 2, len(data) - 1):
        with pytest.raises(aecodec.FileError):
            aecodec.decompress(data[:n])
        with pytest.raises(aecodec.FileError):
            aecodec.decompress(data[:n] + bytes([data[n] ^ 4]) + data[n + 1 :])
    packed = lossless.pack(screen, 4)
    np.testing.assert_array_equal(lossless.unpack(packed, 200, 320, False), screen)
    for wrong in (b"", packed[:24], packed[: len(packed) // 2], b"RIFX" + packed[4:], packed[:20] + bytes(len(packed) - 20)):
        with pytest.raises(aecodec.FileError):
            lossless.unpack(wrong, 200, 320, False)
    with pytest.raises(aecodec.FileError, match="fit"):
        lossless.unpack(packed, 320, 200, False)
    lossy = io.BytesIO()
    Image.fromarray(screen).save(lossy, "WEBP", quality=50)
    with pytest.raises(aecodec.FileError):
        lossless.unpack(lossy.getvalue(), 200, 320, False)


def test_what_pillow_would_not_read_back_is_not_written():
    assert lossless.pack(np.broadcast_to(np.uint8(0), (1, lossless.SIDE_MAX + 1)), 1) is None
    assert lossless.pack(np.broadcast_to(np.uint8(0), (lossless.PIXELS_MAX // 8192 + 1, 8192)), 1) is None
    assert lossless.pack(np.zeros((1, 1), np.uint8), 1) is not None


def test_it_is_one_or_the_other(screen, photo):
    exact, coded = (io.BytesIO(aecodec.compress(p, 60)) for p in (screen, photo))
    exact_parts, coded_parts = (container.read(f, container.index(f, check=True)) for f in (exact, coded))
    again = chunks.chunk(container.LOSSLESS, exact_parts.lossless)
    for data in (exact.getvalue() + again, coded.getvalue() + again):
        with pytest.raises(aecodec.FileError):
            aecodec.decompress(data)
    assert exact_parts.streams == [] and coded_parts.lossless is None


def test_targets_and_info(screen, tmp_path):
    Image.fromarray(screen).save(tmp_path / "screen.png")

    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "aecodec", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "without loss" in run("compress", "screen.png", "a.aec", "--target-psnr", "70").stdout
    report = run("compress", "-f", "screen.png", "a.aec", "--target-psnr", "70", "--json").stdout
    assert [(f["lossless"], f["psnr"]) for f in json.loads(report)["files"]] == [(True, None)]
    assert "without loss" in run("info", "a.aec").stdout
    assert json.loads(run("info", "a.aec", "--json").stdout)["lossless"]
    assert "intact" in run("verify", "a.aec").stdout
    assert "equal" in run("compare", "screen.png", "a.aec").stdout
    run("compress", "-f", "screen.png", "a.aec", "--target-size", "6k")
    assert (tmp_path / "a.aec").stat().st_size <= 6000


def test_targets_take_whichever_fits(page):
    picture = Picture(page)
    exact = encoder.encode_exactly(picture)
    assert for_size(picture, len(exact.data)).encoding == exact
    found = for_size(picture, len(exact.data) - 1)
    assert not found.encoding.lossless and 0.9 * len(exact.data) < len(found.encoding.data) < len(exact.data)
    found = for_psnr(picture, 22)
    assert found.psnr >= 22 and len(found.encoding.data) < len(exact.data) and not found.encoding.lossless
    assert for_psnr(picture, 80).encoding == exact
    with pytest.raises(aecodec.OptionError, match="the smallest has"):
        for_size(picture, 100)
    with pytest.raises(aecodec.OptionError, match="effort"):
        for_size(picture, len(exact.data), effort=10)
