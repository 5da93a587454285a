"""The Pillow plugin, and torch tensors."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import aecodec.pillow
import aecodec.torch
from conftest import psnr


def test_pillow_knows_the_format():
    assert Image.registered_extensions()[".aec"] == "AEC" and Image.MIME["AEC"] == "image/x-aec"


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_pillow_saves_and_opens(photo, mode, tmp_path):
    image = Image.fromarray(photo).convert(mode)
    if mode.endswith("A"):
        image.putalpha(Image.fromarray(photo[:, :, 0]))
    image.save(tmp_path / "x.aec", quality=70)
    with Image.open(tmp_path / "x.aec") as back:
        assert (back.format, back.mode, back.size, back.info["quality"]) == ("AEC", mode, image.size, 70)
        assert psnr(np.asarray(image), np.asarray(back)) > 32


def test_pillow_keeps_metadata(photo, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    Image.fromarray(photo).save(tmp_path / "x.aec", exif=exif, icc_profile=b"a profile", xmp=b"<x/>")
    back = Image.open(tmp_path / "x.aec")
    assert back.getexif()[0x010F] == "A camera" and back.info["icc_profile"] == b"a profile" and back.info["xmp"] == b"<x/>"
    back.convert("L").save(tmp_path / "y.png")


def test_pillow_draft(photo):
    data = io.BytesIO(aecodec.compress(photo, 50))
    image = Image.open(data)
    image.draft(None, (60, 40))
    assert image.size == (64, 48)
    np.testing.assert_array_equal(np.asarray(image), aecodec.Decoder(data.getvalue()).decode(4))
    thumbnail = Image.open(io.BytesIO(data.getvalue()))
    thumbnail.thumbnail((32, 32))
    assert max(thumbnail.size) == 32


def test_pillow_and_bad_files(photo):
    data = aecodec.compress(photo, 50)
    with pytest.raises(OSError):
        Image.open(io.BytesIO(data[:-5]))
    damaged = bytearray(data)
    damaged[-10] ^= 1
    with pytest.raises(OSError, match="checksum"):
        Image.open(io.BytesIO(bytes(damaged))).load()
    with pytest.raises(ValueError, match="quality"):
        Image.fromarray(photo).save(io.BytesIO(), "AEC", quality=1000)


def test_torch_tensors(photo):
    x = torch.from_numpy(photo).permute(2, 0, 1)
    data = aecodec.torch.compress(x, 60)
    assert data == aecodec.compress(photo, 60)
    assert aecodec.torch.compress(x.double() / 255, 60) == data
    y = aecodec.torch.decompress(data)
    assert y.dtype == torch.uint8 and y.is_contiguous()
    np.testing.assert_array_equal(y.permute(1, 2, 0).numpy(), aecodec.decompress(data))
    assert aecodec.torch.decompress(aecodec.torch.compress(x[:1], 60), scale=2).shape == (1, 96, 128)
    for wrong in (x[0], x.int(), x.float(), x[None]):
        with pytest.raises(aecodec.PictureError):
            aecodec.torch.compress(wrong)
