"""EXIF, XMP and ICC profiles that stay true: they say nothing of how another file stored its pixels, nor of another size.

EXIF is a TIFF directory (Exif 3.0, CIPA DC-008), and other files' directories have tags of their pixels' layout beside it. Only
EXIF's own tags are taken, one by one, so that a bad one takes no other with it.
"""

import contextlib
import re
import struct
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from .container import METADATA_MAX

ORIENTATION = 0x0112
EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005  # tags of directories
WIDTH, HEIGHT = 0xA002, 0xA003  # of the picture, in EXIF's directory
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, INCH = 0x011A, 0x011B, 0x0128, 2
FIRST = {
    0x010E,
    0x010F,
    0x0110,
    X_RESOLUTION,
    Y_RESOLUTION,
    RESOLUTION_UNIT,
    0x0131,
    0x0132,
    0x013B,
    0x013C,
    0x8298,
}  # of the first
FIRST |= {0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, EXIF, GPS}  # and what others put there: ratings, titles, comments
METHODS = {  # what turns the pixels upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# The same of arrays, as Pillow has no pictures of 16-bit colours.
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 3),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}
PLAIN_DPI = (72, 96)  # what programs write that mean nothing by it
SRGB_GAMMA, SRGB_CHROMATICITIES = 0.45455, (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
XMP_SIZES = ((b"(?:tiff:ImageWidth|exif:PixelXDimension)", 0), (b"(?:tiff:ImageLength|exif:PixelYDimension)", 1))

assert ExifTags.Base.Orientation == ORIENTATION


def orientation(exif: Image.Exif) -> int:
    """1 to 8; 1, upright, if there is none, or nonsense."""
    try:
        value = exif.get(ORIENTATION, 1)
    except Exception:  # Pillow reads tags when they are asked for, and raises many kinds
        return 1
    return value if isinstance(value, int) and value in METHODS else 1


def opened(image: Image.Image) -> Image.Exif | None:
    """An image's EXIF, or None if it cannot be read."""
    try:
        return image.getexif()
    except Exception:  # as above
        return None


def parsed(data: bytes) -> Image.Exif | None:
    """EXIF's bytes, or None if they are none."""
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif.load(data)
            return exif if len(exif) else None
    except Exception:  # as above
        return None


def packable(tag: int, value: Any) -> bool:
    """Whether a tag can be written."""
    trial = Image.Exif()
    trial[tag] = value
    try:
        trial.tobytes()
    except Exception:  # as above
        return False
    return True


def own_tags(exif: Image.Exif, size: tuple[int, int]) -> tuple[dict[int, Any], list[str]]:
    """EXIF's own tags that can be written, for an upright picture of (width, height) pixels; and what was left out."""
    tags: dict[int, Any] = {}
    bad = []
    for tag in sorted(FIRST):
        try:
            value = exif.get_ifd(tag) if tag in (EXIF, GPS) else exif.get(tag)
        except Exception:  # as above
            bad.append(f"{tag:#06x}")
            continue
        if isinstance(value, dict):
            value = {k: v for k, v in value.items() if isinstance(k, int) and k != INTEROPERABILITY and packable(k, v)}
            value |= {k: n for k, n in zip((WIDTH, HEIGHT), size, strict=True) if k in value}
        if value is None or value == {}:
            continue
        if packable(tag, value):
            tags[tag] = value
        else:
            bad.append(f"{tag:#06x}")
    return tags, bad


def packed(tags: dict[int, Any]) -> bytes | None:
    """The tags as bytes, with the prefix that JPEG has; None if there are none."""
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    return exif.tobytes() if tags else None


def of_image(image: Image.Image, exif: Image.Exif | None, size: tuple[int, int]) -> tuple[dict[str, bytes], list[str]]:
    """What an image brings along, by the names icc, exif and xmp, and what had to be left out, a line each.

    exif: the image's, or None if it cannot be read. size: (width, height) of the picture when it is upright.
    """
    found: dict[str, bytes | None] = {}
    notes = []
    tags: dict[int, Any] = {}
    if exif is None:
        notes.append("its EXIF cannot be read and is left out")
    else:
        tags, bad = own_tags(exif, size)
        notes += [f"bad EXIF tags are left out: {', '.join(bad)}"] if bad else []
    dpi = image.info.get("dpi") if image.format == "PNG" else None
    if dpi and X_RESOLUTION not in tags and {round(float(n)) for n in dpi} - set(PLAIN_DPI):
        tags |= {X_RESOLUTION: float(dpi[0]), Y_RESOLUTION: float(dpi[1]), RESOLUTION_UNIT: INCH}
    found["exif"] = packed(tags)
    icc, xmp = image.info.get("icc_profile"), image.info.get("xmp")
    found["icc"] = bytes(icc) if isinstance(icc, bytes) else None
    found["xmp"] = resized_xmp(bytes(xmp), size) if isinstance(xmp, bytes) else None
    if not found["icc"]:
        notes += [f"its {name} is left out, so colours may look different" for name in colours_lost(image)]
    kept = {name: value for name, value in found.items() if value}
    return bounded(kept, notes)


def bounded(found: dict[str, bytes], notes: list[str]) -> tuple[dict[str, bytes], list[str]]:
    """Leaves out what no file may have."""
    large = [name for name, value in found.items() if len(value) > METADATA_MAX]
    notes = notes + [f"its {name.upper()} of {len(found[name])} bytes is too large and left out" for name in large]
    return {name: value for name, value in found.items() if name not in large}, notes


def resized_xmp(xmp: bytes, size: tuple[int, int]) -> bytes:
    """The same of an upright picture of (width, height) pixels."""
    xmp = re.sub(rb'(tiff:Orientation(?:=["\']|>))[2-8]', rb"\g<1>1", xmp)
    for name, axis in XMP_SIZES:
        xmp = re.sub(rb"(" + name + rb'(?:=["\']|>))\d+', rb"\g<1>%d" % size[axis], xmp)
    return xmp


def fitted(metadata: dict[str, bytes], size: tuple[int, int]) -> tuple[dict[str, bytes], list[str]]:
    """A file's metadata as they fit a decoded picture of (width, height) pixels; and what was left out, a line each."""
    result, notes = dict(metadata), []
    if "exif" in metadata:
        exif = parsed(metadata["exif"])
        tags = own_tags(exif, size)[0] if exif is not None else {}
        if tags:
            result["exif"] = packed(tags) or b""
        else:
            del result["exif"]
            notes.append("the EXIF cannot be read and is left out")
    if "xmp" in metadata:
        result["xmp"] = resized_xmp(metadata["xmp"], size)
    return result, notes


def dpi_of(metadata: dict[str, bytes]) -> tuple[float, float] | None:
    """Dots per inch, if EXIF says so."""
    exif = parsed(metadata["exif"]) if "exif" in metadata else None
    with contextlib.suppress(TypeError, ValueError, ZeroDivisionError):
        if exif is not None and X_RESOLUTION in exif and exif.get(RESOLUTION_UNIT) == INCH:
            dpi = float(exif[X_RESOLUTION]), float(exif.get(Y_RESOLUTION, exif[X_RESOLUTION]))
            return dpi if all(0 < n < 1e5 for n in dpi) else None
    return None


def colours_lost(image: Image.Image) -> list[str]:
    """What a PNG file says of its colours other than that they are sRGB's, and no ICC profile here will."""
    if image.format != "PNG":
        return []
    if (code := image.info.get("cICP") or cicp(image)) and code[:2] not in (b"\1\r", b"\1\1"):
        return ["cICP"]
    if "srgb" in image.info:
        return []
    gamma, primaries = image.info.get("gamma"), image.info.get("chromaticity")
    lost = ["gAMA"] if gamma and abs(gamma / SRGB_GAMMA - 1) > 0.02 else []
    if primaries and any(abs(a - b) > 0.002 for a, b in zip(primaries, SRGB_CHROMATICITIES, strict=False)):
        lost.append("cHRM")
    return lost


def cicp(image: Image.Image) -> bytes:
    """The payload of a PNG's cICP chunk (PNG, third edition, 11.3.2.6), which Pillow skips; empty if there is none."""
    file = getattr(image, "fp", None)
    if file is None or image.format != "PNG":
        return b""
    with contextlib.suppress(OSError, ValueError):
        before, at = file.tell(), 8
        try:
            while True:
                file.seek(at)
                head = file.read(8)
                if len(head) < 8 or head[4:] == b"IDAT":
                    return b""
                if head[4:] == b"cICP":
                    return bytes(file.read(4))
                at += 12 + struct.unpack(">I", head[:4])[0]
        finally:
            file.seek(before)
    return b""
