"""Pixels that stay what they are on the way in and out."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec import encoder
from aecodec.decoder import Decoder
from aecodec.picture import Picture, reduce_weighted
from conftest import psnr


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_what_nobody_sees_gives_no_fringes(scale, coded, bits):
    pixels = np.zeros((65, 65, 4), np.uint8)
    pixels[:, :33] = (255, 0, 0, 255)
    picture = Picture.from_array(pixels)
    data = encoder.encode(picture, 95, mode="lossy" if coded else "auto").data
    reduced = Decoder(data).decode(scale, bits=bits) // (257 if bits == 16 else 1)
    border = reduced[4 // scale : -8 // scale, 33 // scale]
    assert (border[:, 3] > 0).all() and (border[:, 0] > 240).all() and (border[:, 1:3] < 15).all()
    region = Decoder(data).decode(scale, (17, 9, 30, 30), bits) // (257 if bits == 16 else 1)
    np.testing.assert_array_equal(region, reduced[9 // scale : -(-39 // scale), 17 // scale : -(-47 // scale)])


@pytest.mark.parametrize("shape", [(33, 20), (33, 20, 3)])
def test_weights_are_those_of_pillow(shape):
    rng = np.random.default_rng(0)
    pixels, alpha = rng.integers(0, 256, shape, dtype=np.uint8), rng.integers(1, 256, shape[:2], dtype=np.uint8)
    got = reduce_weighted(pixels, alpha, 4)
    for y, x in ((0, 0), (3, 2), (8, 4)):
        block, weight = pixels[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].astype(float), alpha[4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
        expected = (block * weight.reshape(weight.shape + (1,) * (block.ndim - 2))).sum((0, 1)) / weight.sum()
        assert np.abs(got[y, x] - expected).max() <= 0.51
    np.testing.assert_array_equal(reduce_weighted(pixels, np.zeros_like(alpha), 1), pixels)


@pytest.mark.parametrize("top", [255, 65535])
def test_integers_of_32_bits(top):
    values = np.linspace(0, top, 4096).astype(np.int32).reshape(64, 64)
    out = io.BytesIO()
    Image.fromarray(values).save(out, "TIFF")
    pixels = Picture.load(io.BytesIO(out.getvalue())).pixels
    assert np.abs(pixels * (top / (255 if pixels.dtype == np.uint8 else 65535)) - values).max() <= top / 500
    with pytest.raises(aecodec.PictureError, match="16 bits"):
        Picture.of(Image.fromarray(values + (1 << 20)))


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif"])
def test_other_lossy_formats_add_little_of_their_own(photo, suffix, tmp_path):
    (tmp_path / "x.aec").write_bytes(aecodec.compress(photo, 60))
    expected = aecodec.decompress((tmp_path / "x.aec").read_bytes())

    def decompressed(*options) -> np.ndarray:
        command = [sys.executable, "-m", "aecodec", "decompress", "-f", tmp_path / "x.aec", tmp_path / f"x.{suffix}", *options]
        assert subprocess.run([str(a) for a in command], timeout=60).returncode == 0
        return np.asarray(Image.open(tmp_path / f"x.{suffix}").convert("RGB"))

    good = psnr(expected, decompressed())
    assert good > 38 and psnr(expected, decompressed("--output-quality", "20")) < good - 3
    command = [
        sys.executable,
        "-m",
        "aecodec",
        "decompress",
        "-f",
        tmp_path / "x.aec",
        tmp_path / "x.png",
        "--output-quality",
        "20",
    ]
    assert subprocess.run([str(a) for a in command], timeout=60, capture_output=True).returncode == 1
