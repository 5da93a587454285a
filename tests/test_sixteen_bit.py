"""Pictures of 16 bits."""

import io
import sys

import numpy as np
import png
import pytest
import tifffile
from PIL import Image

import aecodec
from aecodec import Decoder, OptionError, PictureError
from aecodec.picture import Picture
from conftest import PHOTO

EXIF = Image.Exif()
EXIF[0x0131] = "a camera's software"
METADATA = {"icc": b"not a real profile", "exif": EXIF.tobytes(), "xmp": b"<x:xmpmeta/>"}


@pytest.fixture(scope="module")
def ramp() -> np.ndarray:
    """A gradient of 16 bits, finer than 8 bits can show, uint16 (192, 256)."""
    y, x = np.mgrid[:192, :256]
    return (20000 + 30 * x + 11 * y).astype(np.uint16)


def test_sixteen_bits_are_the_eight_bits_less_rounded():
    data = aecodec.compress(Image.open(PHOTO).convert("RGB").crop((0, 0, 200, 150)), 80)
    decoder = Decoder(data)
    for scale, region in ((1, None), (2, (10, 20, 64, 33)), (8, None)):
        eight, sixteen = (decoder.decode(scale, region, bits) for bits in (8, 16))
        assert sixteen.dtype == np.uint16 and sixteen.shape == eight.shape
        assert np.abs(sixteen / 257 - eight).max() <= 0.51  # half a step, and half of the 1/256
        assert (sixteen % 257).any()
    with pytest.raises(OptionError, match="8 or 16"):
        decoder.decode(bits=12)


def test_a_gradient_of_sixteen_bits_comes_back_finer_than_eight(ramp):
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "PNG")
    data = aecodec.compress(Image.open(buffer), 95)
    eight, sixteen = (Decoder(data).decode(bits=bits) for bits in (8, 16))
    assert sixteen.shape == ramp.shape
    assert np.sqrt(np.mean((sixteen - ramp.astype(float)) ** 2)) < 257 and len(np.unique(sixteen)) > 8 * len(np.unique(eight))


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 2), (40, 50, 3), (40, 50, 4)])
def test_files_hold_every_sample_and_the_metadata(shape, tmp_path):
    array = np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)
    colour, alpha = (array, None) if len(shape) == 2 or shape[2] == 3 else (array[:, :, :-1], array[:, :, -1])
    picture = Picture(colour.squeeze(2) if colour.shape[2:] == (1,) else colour, alpha, METADATA)
    for name, format in (("a.png", "PNG"), ("a.tif", "TIFF")):
        with open(tmp_path / name, "wb") as file:
            picture.save(file, format)
    width, height, rows, info = png.Reader(filename=str(tmp_path / "a.png")).read()
    assert (width, height, info["bitdepth"]) == (50, 40, 16)
    np.testing.assert_array_equal(np.vstack(list(rows)).reshape(shape), array)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), array)
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert image.info["icc_profile"] == METADATA["icc"] and image.info["xmp"] == METADATA["xmp"]
        assert image.info["exif"].removeprefix(b"Exif\0\0") == METADATA["exif"].removeprefix(b"Exif\0\0")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = file.pages[0].tags
        assert bytes(tags[34675].value) == METADATA["icc"] and bytes(tags[700].value) == METADATA["xmp"]
    with pytest.raises(PictureError, match="PNG or TIFF, not as JPEG"):
        picture.save(io.BytesIO(), "JPEG")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(PictureError, match=r"tifffile.*aecodec\[sixteen-bit\]"):
        Picture(np.zeros((4, 4), np.uint16)).save(io.BytesIO(), "TIFF")
