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
from aecodec import Decoder, chunks, container, encoder, lossless, png
from aecodec.picture import Picture
from aecodec.target import for_psnr, for_size
from conftest import block_means, psnr


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
    with pytest.raises(aecodec.OptionError, match="mode must be one of auto, lossy, lossless, not codewords"):
        encoder.encode(Picture(screen), 60, mode="codewords")


def test_photographs_have_codewords(photo):
    assert not Decoder(aecodec.compress(photo, 90)).lossless


@pytest.mark.parametrize("kind", ["stripes", "dither", "chequer", "many colours", "sixteen bits"])
def test_drawings_of_every_kind_are_exact(kind, photo):
    y, x = np.mgrid[:120, :160]
    ramp = np.dstack([x, y, (x + y) // 2]).astype(np.uint8)  # more than 256 colours
    pixels = {
        "stripes": (x % 2 * 255).astype(np.uint8),
        "dither": np.asarray(Image.fromarray(photo).convert("1").convert("L")),
        "chequer": np.where(((x // 2 + y // 2) % 2)[..., None], np.uint8([255, 0, 0]), np.uint8([0, 0, 255])),
        "many colours": np.where(((x // 4 + y // 4) % 2)[..., None], ramp // 8 * 8, 255).astype(np.uint8),
        "sixteen bits": (x // 20 * 7000).astype(np.uint16),
    }[kind]
    for quality in (60 if kind == "many colours" else 40, 100):  # of which fewer do at 40
        data = aecodec.compress(pixels, quality)
        np.testing.assert_array_equal(aecodec.decompress(data), pixels)
        if pixels.dtype == np.uint8:
            assert len(data) < 0.6 * len(encoder.encode(Picture(pixels), quality, mode="lossy").data)


def test_colours_and_alpha_are_kept_together_if_that_is_smaller():
    shapes = np.random.default_rng(0).integers(0, 6, (24, 24)).repeat(6, 0).repeat(7, 1)
    drawing = np.uint8([[0, 0, 0, 0], [250, 20, 20, 255], [9, 9, 99, 255], [0, 200, 0, 128], [0, 0, 0, 90], [255, 255, 255, 255]])[
        shapes
    ]
    data = aecodec.compress(drawing, 95)
    np.testing.assert_array_equal(aecodec.decompress(data), drawing)
    assert len(data) <= len(aecodec.compress(drawing, lossless=True)) * 1.02


@pytest.mark.parametrize("kind", ["pixels enlarged", "chequer of pixels", "two colours in turn"])
def test_patterns_of_which_estimates_know_little_are_exact(kind, photo):
    y, x = np.mgrid[:256, :256]
    pixels = {
        "pixels enlarged": (photo[::6, ::6][:24, :32] // 64 * 80).repeat(8, 0).repeat(8, 1),  # on the grid of the DCT
        "chequer of pixels": ((x + y) % 2 * 255).astype(np.uint8),
        "two colours in turn": np.where(((x + y) % 2 == 0)[..., None], np.uint8([255, 240, 0]), np.uint8([0, 30, 90])),
    }[kind]
    for quality in (10, 60, 95):
        data = aecodec.compress(pixels, quality)
        np.testing.assert_array_equal(aecodec.decompress(data), pixels)
        assert len(data) < 0.6 * len(encoder.encode(Picture(pixels), quality, mode="lossy").data)


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
        assert np.abs(whole - block_means(picture, scale).reshape(whole.shape)).max() <= 0.5 + 1e-9
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
    packed = lossless.pack(screen, lossless.Methods(4, png=False))
    np.testing.assert_array_equal(lossless.unpack(packed, 200, 320, False), screen)
    for wrong in (b"", packed[:4], packed[: len(packed) // 2], b"\x2e" + packed[1:], packed[:5] + bytes(len(packed) - 5)):
        with pytest.raises(aecodec.FileError):
            lossless.unpack(wrong, 200, 320, False)
    with pytest.raises(aecodec.FileError, match="fit"):
        lossless.unpack(packed, 320, 200, False)
    whole_file = io.BytesIO()
    Image.fromarray(screen).save(whole_file, "WEBP", lossless=True)
    with pytest.raises(aecodec.FileError):
        lossless.unpack(whole_file.getvalue(), 200, 320, False)


def test_a_png_of_another_kind_is_damage(screen):
    gray, palette, deep = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Image.fromarray(screen).convert("L").save(gray, "PNG")
    Image.fromarray(screen).quantize(8).save(palette, "PNG")
    Image.fromarray(screen[:, :, 0].astype(np.uint16) * 257).save(deep, "PNG")
    assert lossless.unpack(gray.getvalue(), 200, 320, False).shape == (200, 320, 3)  # the encoder may say that they are equal
    assert lossless.unpack(palette.getvalue(), 200, 320, False).shape == (200, 320, 3)
    assert lossless.unpack(deep.getvalue(), 200, 320, True).dtype == np.uint16
    for file, as_gray, alpha in ((palette, True, False), (deep, False, False), (deep, True, True)):
        with pytest.raises(aecodec.FileError):
            lossless.unpack(file.getvalue(), 200, 320, as_gray, alpha)
    data = gray.getvalue()
    for wrong in (data[:28], data[:40], data[:24] + b"\x10" + data[25:]):
        with pytest.raises(aecodec.FileError):
            lossless.unpack(wrong, 200, 320, True)


def test_pictures_larger_than_webp_are_png():
    for shape in ((1, lossless.SIDE_MAX + 1), (lossless.SIDE_MAX + 7, 2, 3)):
        pixels = np.random.default_rng(0).integers(0, 9, shape, np.uint8)
        packed = lossless.pack(pixels, lossless.Methods(1, png=False))
        assert packed.startswith(png.SIGNATURE)
        np.testing.assert_array_equal(lossless.unpack(packed, *shape[:2], len(shape) == 2), pixels)


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


def test_targets_take_whichever_fits(screen):
    picture = Picture(screen)
    exact = encoder.encode_in_steps(picture, 1)
    assert for_size(picture, len(exact.data)).encoding.data[60:] == exact.data[60:]  # but for the header's quality
    found = for_size(picture, len(exact.data) - 1)
    assert not found.encoding.lossless and 0.4 * len(exact.data) < len(found.encoding.data) < len(exact.data)
    assert psnr(screen, aecodec.decompress(found.encoding.data)) > 30  # in fewer colours
    assert for_psnr(picture, 80).encoding.lossless
    with pytest.raises(aecodec.OptionError, match="the smallest has"):
        for_size(picture, 100)
    with pytest.raises(aecodec.OptionError, match="effort"):
        for_size(picture, len(exact.data), effort=10)
