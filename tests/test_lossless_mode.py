"""mode="lossless": any picture, of 8 and 16 bits, exactly."""

import io
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

import aecodec
from aecodec import Decoder, PictureError
from aecodec.picture import Picture
from conftest import block_means

OVERHEAD = 40  # bytes of a file that are neither picture nor metadata


def smooth(shape: tuple[int, ...], high: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.integers(-high // 60, high // 60 + 1, shape), axis=1) + high // 2
    return np.clip(walk, 0, high)


def pictures(photo: np.ndarray) -> dict[str, np.ndarray]:
    fine = smooth(photo.shape, 65535).astype(np.uint16)
    alpha = smooth(photo.shape[:2], 255).astype(np.uint8)
    return {
        "RGB": photo,
        "gray": photo[:, :, 0],
        "RGBA": np.dstack([photo, alpha]),
        "LA": np.dstack([photo[:, :, 0], alpha]),
        "RGB16": fine,
        "gray16": fine[:, :, 0],
        "RGBA16": np.dstack([fine, alpha.astype(np.uint16) * 256 + 3]),
        "LA16": np.dstack([fine[:, :, 0], fine[:, :, 1]]),
        "one": photo[:1, :1],
        "noise": np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8),
    }


KINDS = ["RGB", "gray", "RGBA", "LA", "RGB16", "gray16", "RGBA16", "LA16", "one", "noise"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_sample_comes_back(photo, kind):
    picture = pictures(photo)[kind]
    decoder = Decoder(data := aecodec.compress(picture, lossless=True))
    back = aecodec.decompress(data)
    assert back.dtype == picture.dtype and decoder.lossless and decoder.bits == 8 * picture.itemsize
    np.testing.assert_array_equal(back, picture)
    eight = decoder.decode(bits=8)
    assert np.abs(eight - picture / (257 if picture.dtype == np.uint16 else 1)).max() <= 0.5
    for scale in (2, 4, 8):
        rows, columns = picture.shape[0] // scale * scale, picture.shape[1] // scale * scale
        if rows and columns:
            whole = decoder.decode(scale)[: rows // scale, : columns // scale]
            assert np.abs(whole - block_means(picture, scale).reshape(whole.shape)).max() <= 0.5 + 1e-9
    if picture.shape[0] > 40:
        np.testing.assert_array_equal(decoder.decode(region=(7, 9, 20, 30)), picture[9:39, 7:27])


@pytest.mark.parametrize("kind", ["RGB", "gray", "RGBA", "LA", "noise"])
def test_no_larger_than_webp_and_png(photo, kind):
    picture, sizes = pictures(photo)[kind], []
    for format, options in (("WEBP", {"lossless": True, "exact": True}), ("PNG", {"optimize": True})):
        out = io.BytesIO()
        Image.fromarray(picture).save(out, format, **options)
        sizes.append(out.tell())
    assert len(aecodec.compress(picture, lossless=True)) <= min(sizes) + OVERHEAD


def test_no_larger_than_png_of_sixteen_bits(photo):
    picture, out = pictures(photo)["gray16"], io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", optimize=True)
    assert len(aecodec.compress(picture, lossless=True)) <= out.tell() + OVERHEAD


@pytest.mark.parametrize("kind", ["RGB16", "gray16", "RGBA16", "LA16"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_files_of_sixteen_bits_there_and_back(photo, kind, suffix, tmp_path):
    picture = pictures(photo)[kind]
    p = Picture.of(picture)
    with open(tmp_path / f"a.{suffix}", "wb") as file:
        p.save(file, {"png": "PNG", "tif": "TIFF"}[suffix])
    if suffix == "tif" and kind == "LA16":
        pytest.skip("Pillow opens no such file")

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "aecodec", *arguments], cwd=tmp_path, capture_output=True, check=True)

    run("compress", "--lossless", f"a.{suffix}", "a.aec")
    run("decompress", "a.aec", "b.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), picture)
    run("decompress", "a.aec", "b.png")
    run("compress", "--lossless", "b.png", "b.aec")
    np.testing.assert_array_equal(aecodec.decompress((tmp_path / "b.aec").read_bytes()), picture)
    run("compress", f"a.{suffix}", "lossy.aec")
    lossy = aecodec.decompress((tmp_path / "lossy.aec").read_bytes())
    assert lossy.dtype == np.uint8 and lossy.shape == picture.shape
    if kind != "LA16":
        run("decompress", "a.aec", "b.webp")  # which has 8 bits


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}])
def test_layouts_of_tiff(order, options, tmp_path):
    picture = np.random.default_rng(0).integers(0, 65536, (40, 50, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", picture, photometric="rgb", byteorder=order, metadata=None, **options)
    np.testing.assert_array_equal(Picture.load(tmp_path / "a.tif").pixels, picture)


def test_samples_that_cannot_be_read_are_not_said_to_be_exact(tmp_path):
    picture = np.random.default_rng(0).integers(0, 65536, (3, 40, 50)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", picture, photometric="rgb", planarconfig="separate", metadata=None)
    (tmp_path / "a.ppm").write_bytes(b"P6 50 40 65535\n" + picture.astype(">u2").tobytes())
    for name in ("a.tif", "a.ppm"):
        with pytest.raises(PictureError, match="more bits than can be read"):
            aecodec.compress_file(tmp_path / name, tmp_path / "a.aec", lossless=True)
    assert not (tmp_path / "a.aec").exists()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_sixteen_bits(orientation):
    picture = np.random.default_rng(0).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Picture(picture, None, {"exif": exif.tobytes()}).save(file, "PNG")
    with Image.open(file) as image:
        found = Picture.from_pillow(image)
    expected = io.BytesIO()
    Picture(picture.astype(np.uint8), None, {"exif": exif.tobytes()}).save(expected, "PNG")
    np.testing.assert_array_equal(found.pixels.astype(np.uint8), Picture.load(expected).pixels)


def test_a_transparent_colour_of_sixteen_bits():
    gray = np.full((8, 8), 1000, np.uint16)
    gray[2, 3] = 1001
    file = io.BytesIO()
    Image.fromarray(gray).save(file, "PNG", transparency=1001)
    picture = Picture.load(file)
    assert picture.alpha is not None and picture.alpha[2, 3] == 0 and (picture.alpha == 0).sum() == 1
    back = aecodec.decompress(aecodec.compress(picture.to_array(), lossless=True))
    np.testing.assert_array_equal(back, picture.to_array())


def test_pillow_and_torch_save_without_loss(photo):
    import torch

    import aecodec.pillow
    import aecodec.torch

    file = io.BytesIO()
    Image.fromarray(photo).save(file, "AEC", lossless=True)
    np.testing.assert_array_equal(np.asarray(Image.open(file)), photo)
    tensor = torch.from_numpy(photo.copy()).permute(2, 0, 1)
    assert torch.equal(aecodec.torch.decompress(aecodec.torch.compress(tensor, lossless=True)), tensor)


def test_lossless_and_a_quality_do_not_go_together(tmp_path):
    command = [sys.executable, "-m", "aecodec", "compress", "--lossless", "-q", "50", "a.png"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 2
