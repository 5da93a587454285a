"""Metadata stay true: EXIF, XMP and ICC say of a picture what is so, and what has no place is left out with a word."""

import io
import struct
import subprocess
import sys
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

import aecodec.pillow
from aecodec import encoder
from aecodec.decoder import Decoder
from aecodec.picture import Picture

LAYOUT = {0x100, 0x101, 0x102, 0x103, 0x106, 0x111, 0x115, 0x116, 0x117, 0x11C, 0x140, 0x152, 0x153, 0x8773}


def run(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "aecodec", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture
def image(photo) -> Image.Image:
    return Image.fromarray(photo[:96, :128])


def phone(**tags) -> Image.Exif:
    """EXIF as phones have it: the stored size in both directories, and an orientation."""
    exif = Image.Exif()
    exif[0x100], exif[0x101], exif[0x112], exif[0x10F] = 128, 96, 6, "A camera"
    exif[0x8769] = {0xA002: 128, 0xA003: 96, 0x9003: "2026:01:01 00:00:00"}
    exif[0x8825] = {1: "N"}
    return exif


def there_and_back(picture: Picture, format: str, scale: int = 1, region=None) -> tuple[bytes, list[str]]:
    out = io.BytesIO()
    notes = Decoder(encoder.encode(picture, 60, effort=1).data).picture(scale, region).save(out, format)
    return out.getvalue(), notes


def loaded(image: Image.Image, format: str, **options) -> Picture:
    file = io.BytesIO()
    image.save(file, format, **options)
    return Picture.load(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize("part", [{}, {"scale": 2}, {"region": (0, 0, 16, 20)}])
@pytest.mark.parametrize("kind", ["phone", "cmyk", "palette", "plain", "gray", "bilevel"])
def test_tiff_outputs_are_readable_whatever_came_in(image, kind, part):
    sources = {
        "phone": lambda: loaded(image, "JPEG", exif=phone()),
        "cmyk": lambda: loaded(image.convert("CMYK"), "TIFF"),
        "palette": lambda: loaded(image.quantize(32), "TIFF"),
        "plain": lambda: loaded(image, "TIFF", compression="tiff_lzw"),
        "gray": lambda: loaded(image.convert("L"), "TIFF"),
        "bilevel": lambda: loaded(image.convert("1"), "TIFF"),
    }
    picture = sources[kind]()
    data, _ = there_and_back(picture, "TIFF", **part)
    expected = Decoder(encoder.encode(picture, 60, effort=1).data).decode(**part)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), expected)
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(data)), expected)


@pytest.mark.parametrize(("byte_order", "big"), [("<", False), (">", False), ("<", True)])
def test_big_tiffs(photo, big, byte_order, tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, photo[:64, :48], bigtiff=big, byteorder=byte_order, photometric="rgb", planarconfig="contig")
    picture = Picture.load(path)
    for format in ("TIFF", "PNG", "JPEG"):
        data, _ = there_and_back(picture, format)
        assert Image.open(io.BytesIO(data)).size == (48, 64)


def test_layout_tags_never_travel_as_exif(image):
    for picture in (loaded(image, "JPEG", exif=phone()), loaded(image, "TIFF", icc_profile=b"x" * 70_000)):
        assert len(picture.metadata.get("exif", b"")) < 1000
        exif = Image.Exif()
        exif.load(picture.metadata.get("exif", b""))
        assert not LAYOUT & set(exif)


@pytest.mark.parametrize(("options", "size"), [({}, (96, 128)), ({"scale": 4}, (24, 32)), ({"region": (3, 5, 40, 30)}, (40, 30))])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_size_and_orientation_agree_with_the_pixels(image, options, size, format):
    picture = loaded(image, "JPEG", exif=phone())
    data, notes = there_and_back(picture, format, **options)
    back = Image.open(io.BytesIO(data))
    exif = back.getexif()
    assert back.size == size and not notes
    assert exif.get(0x112, 1) == 1 and exif[0x10F] == "A camera"
    inner = exif.get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003]) == size and inner[0x9003] == "2026:01:01 00:00:00" and exif.get_ifd(0x8825)[1] == "N"
    assert {exif.get(0x100, size[0]), exif.get(0x101, size[1])} == set(size)


def test_xmp_says_the_size_and_the_orientation_of_the_pixels(image):
    xmp = b'<x tiff:Orientation="6" exif:PixelXDimension="128"><exif:PixelYDimension>96</exif:PixelYDimension></x>'
    picture = loaded(image, "PNG", exif=phone(), pnginfo=None)
    picture = Picture(picture.pixels, None, {"xmp": xmp})
    text = Decoder(encoder.encode(picture, 60, effort=1).data).picture(2)
    out = io.BytesIO()
    text.save(out, "WEBP")
    got = Image.open(io.BytesIO(out.getvalue())).info["xmp"]
    assert b'Orientation="1"' in got and b'PixelXDimension="48"' in got and b"PixelYDimension>64<" in got


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("how", ["bytes", "exif", "nothing"])
def test_pillow_applies_an_orientation_once(photo, orientation, how, tmp_path):
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(photo[:40, :60]).save(tmp_path / "o.png", exif=exif)
    image = Image.open(tmp_path / "o.png")
    options = {"bytes": {"exif": image.info["exif"]}, "exif": {"exif": image.getexif()}, "nothing": {}}[how]
    upright = ImageOps.exif_transpose(image)
    image.save(tmp_path / "x.aec", quality=90, **options)
    back = Image.open(tmp_path / "x.aec")
    assert back.getexif().get(0x112, 1) == 1
    assert np.abs(np.asarray(back).astype(int) - np.asarray(upright.convert("RGB"))).mean() < 4


def bad_exif(tag: int, kind: int, value: bytes) -> bytes:
    return b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHI", tag, kind, 4 if kind in (2, 7) else 1) + value + bytes(4)


BAD = {
    "orientation as text": bad_exif(0x112, 2, b"6\0\0\0"),
    "orientation as bytes": bad_exif(0x112, 7, b"6\0\0\0"),
    "GPS at -5": bad_exif(0x8825, 9, struct.pack("<i", -5)),
    "EXIF directory at -5": bad_exif(0x8769, 9, struct.pack("<i", -5)),
    "resolution as text": bad_exif(0x11A, 2, b"1/2\0"),
    "cut": b"Exif\0\0II*\0\x08\0\0\0\x09\0",
    "garbage": b"Exif\0\0garbage garbage garbage",
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_picture_with_bad_exif_is_compressed(image, name, format, tmp_path):
    path = tmp_path / "x"
    image.save(path, format, exif=BAD[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        size = aecodec.compress_file(path, tmp_path / "x.aec", effort=1)
    assert size == (tmp_path / "x.aec").stat().st_size
    for target in ("t.tif", "j.jpg", "p.png", "w.webp"):
        aecodec.decompress_file(tmp_path / "x.aec", tmp_path / target)
        assert Image.open(tmp_path / target).size == (128, 96)


@pytest.mark.parametrize("exif", [b"garbage", b"II*\0\x08\0\0\0\x09\0", BAD["GPS at -5"][6:], b"\0"])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "PPM", "AVIF"])
def test_bad_exif_in_a_file_is_left_out_with_a_word(photo, exif, format):
    data = encoder.encode(Picture(photo, None, {"exif": exif}), 30, effort=1).data
    out = io.BytesIO()
    Decoder(data).picture().save(out, format)
    assert Image.open(io.BytesIO(out.getvalue())).size == (256, 192)


def test_metadata_too_large_for_a_format_are_dropped_with_a_word(image, tmp_path):
    exif = Image.Exif()
    exif[0x10E] = "x" * 100_000
    data = encoder.encode(
        Picture(np.asarray(image), None, {"exif": exif.tobytes()[6:], "xmp": b"<x/>" * 20_000}), 60, effort=1
    ).data
    (tmp_path / "x.aec").write_bytes(data)
    done = run("decompress", tmp_path / "x.aec", tmp_path / "x.jpg")
    assert done.returncode == 0 and "EXIF" in done.stderr and "XMP" in done.stderr and done.stderr.count("\n") == 1
    assert Image.open(tmp_path / "x.jpg").size == (128, 96)
    done = run("decompress", tmp_path / "x.aec", tmp_path / "x.png")
    assert done.returncode == 0 and not done.stderr


def test_metadata_too_large_for_a_file_are_left_out_with_a_word(photo):
    image = Image.fromarray(photo)
    image.info["xmp"] = bytes((1 << 24) + 1)
    picture = Picture.of(image)
    assert "xmp" not in picture.metadata and "XMP" in picture.notes[0]
    assert aecodec.decompress(aecodec.compress(image)).shape == photo.shape


def test_decompress_strip(image, tmp_path):
    image.save(tmp_path / "x.jpg", exif=phone(), icc_profile=b"profile")
    run("compress", tmp_path / "x.jpg")
    assert run("decompress", tmp_path / "x.aec", tmp_path / "a.png", "--strip").returncode == 0
    back = Image.open(tmp_path / "a.png")
    assert "icc_profile" not in back.info and not back.getexif()


def png(image: Image.Image, *chunks: tuple[bytes, bytes]) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    data, more = out.getvalue(), b""
    for kind, payload in chunks:
        import zlib

        more += struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
    return data[:33] + more + data[33:]


@pytest.mark.parametrize(
    ("chunk", "name"),
    [
        ((b"cICP", b"\x09\x10\0\1"), "cICP"),
        ((b"gAMA", struct.pack(">I", 100_000)), "gAMA"),
        ((b"cHRM", struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600)), "cHRM"),
        ((b"gAMA", struct.pack(">I", 45455)), None),
        ((b"sRGB", b"\0"), None),
        ((b"cICP", b"\x01\x0d\0\1"), None),
    ],
)
def test_colours_that_a_png_describes_are_kept_or_named(image, chunk, name, tmp_path):
    (tmp_path / "x.png").write_bytes(png(image, chunk))
    done = run("compress", tmp_path / "x.png")
    assert done.returncode == 0
    assert (name in done.stderr and done.stderr.count("\n") == 1) if name else not done.stderr


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_resolution_of_a_png_is_kept(image, format, tmp_path):
    image.save(tmp_path / "x.png", dpi=(300, 300))
    picture = Picture.load(tmp_path / "x.png")
    data, _ = there_and_back(picture, format)
    assert tuple(round(float(n)) for n in Image.open(io.BytesIO(data)).info["dpi"]) == (300, 300)
    image.save(tmp_path / "y.png", dpi=(72, 72))
    assert not Picture.load(tmp_path / "y.png").metadata
