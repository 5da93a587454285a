"""Pixels without loss, in the payload of a chunk: docs/format.md, section 1.

The payload is a bitstream of WebP's lossless format (RFC 9649, section 3), or a PNG file, as Pillow reads and writes them; for
16 bits always the latter.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin, WebPImagePlugin, features

from . import png, sixteen_bit
from .errors import AecodecError, DamagedFile, UnsupportedFile

PALETTE = 256  # colours of a PNG, at most
SIDE_MAX = 16383  # of WebP
WEBP_SIGNATURE = 0x2F  # the first byte of the bitstream
HEAD = 25  # bytes of a payload that say how many bits its samples have
RIFF_HEAD = 20  # bytes before the bitstream in a WebP file
DAMAGED, UNFIT = "the lossless pixels are damaged", "the lossless pixels do not fit the picture"


@dataclass(frozen=True)
class Methods:
    """What is tried. webp: libwebp's method, 0 to 6, the last of which takes 20 times as long as the one before."""

    webp: int
    png: bool = True


def pack(samples: np.ndarray, methods: Methods) -> bytes:
    """uint8 or uint16 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4) -> the smallest payload found."""
    if samples.dtype == np.uint16:
        return png.write(samples, thorough=True)
    webp = webp_of(samples, methods.webp)
    if webp is not None and not methods.png:
        return webp
    return min(([] if webp is None else [webp]) + list(pngs(samples)), key=len)


def webp_of(samples: np.ndarray, method: int) -> bytes | None:
    """None if there cannot be one."""
    if max(samples.shape[:2]) > SIDE_MAX or not features.check("webp"):
        return None
    out, image = io.BytesIO(), Image.fromarray(samples)
    image.convert("RGBA" if image.mode.endswith("A") else "RGB").save(
        out, "WEBP", lossless=True, quality=100, method=method, exact=True
    )
    return out.getvalue()[RIFF_HEAD : RIFF_HEAD + int.from_bytes(out.getvalue()[16:20], "little")]


def pngs(samples: np.ndarray) -> Iterator[bytes]:
    image = Image.fromarray(samples)
    images = [image]
    if image.mode == "L" and not ((samples != 0) & (samples != 255)).any():
        images = [image.convert("1", dither=Image.Dither.NONE)]
    elif image.mode == "RGB" and image.getcolors(PALETTE) is not None:
        colours, index = np.unique(samples.reshape(-1, 3) @ np.array([1 << 16, 1 << 8, 1]), return_inverse=True)
        indexed = Image.fromarray(index.astype(np.uint8).reshape(samples.shape[:2]), "L").convert("P")
        indexed.putpalette(np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.uint8).tobytes())
        images.append(indexed)
    for candidate in images:
        out = io.BytesIO()
        candidate.save(out, "PNG", optimize=True)
        yield out.getvalue()


def has_sixteen_bits(data: bytes) -> bool:
    """Whether a payload has samples of 16 bits; it may be damaged."""
    return data.startswith(png.SIGNATURE) and data[HEAD - 1 : HEAD] == b"\x10"


def unpack(data: bytes, height: int, width: int, gray: bool, alpha: bool = False) -> np.ndarray:
    """The inverse of `pack`, of a picture that is gray or not, with alpha or without.

    Raises DamagedFile unless the payload is of this kind and size, which is known before it is decoded.
    """
    is_webp = data[:1] == bytes([WEBP_SIGNATURE]) and len(data) >= 5
    if is_webp:
        sides = int.from_bytes(data[1:5], "little")
        size = 1 + (sides & 0x3FFF), 1 + (sides >> 14 & 0x3FFF)
    elif data.startswith(png.SIGNATURE) and data[12:16] == b"IHDR" and len(data) >= 29:
        size = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    else:
        raise DamagedFile(DAMAGED)
    if size != (width, height):
        raise DamagedFile(UNFIT)
    if is_webp and not features.check("webp"):
        raise UnsupportedFile("the file has lossless pixels, which need a Pillow with WebP")
    try:
        samples = read_webp(data, gray, alpha) if is_webp else read_png(data, gray, alpha)
    except (AecodecError, MemoryError):
        raise
    except Exception as error:  # of crafted files Pillow raises almost anything
        raise DamagedFile(DAMAGED) from error
    if samples is None or samples.shape[:2] != (height, width):
        raise DamagedFile(UNFIT)
    return np.ascontiguousarray(samples)


def read_webp(data: bytes, gray: bool, alpha: bool) -> np.ndarray:
    padded = data + bytes(len(data) % 2)
    file = b"RIFF" + (len(padded) + 12).to_bytes(4, "little") + b"WEBPVP8L" + len(data).to_bytes(4, "little") + padded
    with WebPImagePlugin.WebPImageFile(io.BytesIO(file)) as image:  # Image.open refuses what is larger than its own limit
        samples = np.asarray(image.convert("RGBA"))
    return samples[:, :, ([0, 3] if alpha else 0) if gray else slice(4 if alpha else 3)]


def read_png(data: bytes, gray: bool, alpha: bool) -> np.ndarray | None:
    """None if it is of another kind of picture."""
    with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:
        samples = sixteen_bit.read(image) if has_sixteen_bits(data) else None
        if samples is None:
            samples = read_eight(image, gray, alpha)
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    return samples if channels == (1 if gray else 3) + alpha else None


def read_eight(image: Any, gray: bool, alpha: bool) -> np.ndarray:
    """Of a PNG of gray, or of 8 bits: it may say with fewer channels that they are equal, or with a palette what they are."""
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if gray and image.mode not in ("1", "L", "LA"):
        raise ValueError("not gray")
    return np.asarray(image.convert(("L" if gray else "RGB") + ("A" if alpha else "")))
