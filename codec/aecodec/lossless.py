"""Synthetic pictures (text, charts, screenshots) without loss: their pixels often take fewer bits than codewords and errors cost.

The pixels are a WebP file of the simple lossless layout (RFC 9649), which Pillow reads and writes.
"""

import io

import numpy as np
from PIL import Image, features

from .errors import AecodecError, DamagedFile, UnsupportedFile

FLAT_SHARE = 0.4  # of a synthetic picture's pixels are like their left neighbour; so it is with 1 in 100 training photographs
PALETTE = 256  # colours at most, in a sample: a drawing too, be it dithered
SAMPLE = 256  # rows, and columns where colours are counted
SIDE_MAX = 16383  # of WebP
PIXELS_MAX = 1 << 26  # well inside the limit from which on Pillow warns of large pictures, and then refuses them
SIGNATURE = b"WEBPVP8L"  # of the layout, at byte 8


def is_synthetic(pixels: np.ndarray) -> bool:
    """Whether a picture, uint8 (H, W, 3) or (H, W), is synthetic (text, charts, screenshots), and may be smaller without loss."""
    rows = pixels[:: max(1, len(pixels) // SAMPLE)].reshape(-1, pixels.shape[1], pixels[0, 0].size)
    if rows.shape[1] == 1 or (rows[:, 1:] == rows[:, :-1]).all(2).mean() >= FLAT_SHARE:
        return True
    sample = rows[:, :: max(1, rows.shape[1] // SAMPLE)].reshape(-1, rows.shape[2])
    return rows.shape[2] == 3 and len(np.unique(sample @ np.array([1 << 16, 1 << 8, 1]))) <= PALETTE


def pack(pixels: np.ndarray, effort: int) -> bytes | None:
    """uint8 (H, W, 3) or (H, W) -> a file, or None if it cannot be made; effort: 1 to 9."""
    height, width = pixels.shape[:2]
    if max(height, width) > SIDE_MAX or height * width > PIXELS_MAX or not features.check("webp"):
        return None
    out = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(out, "WEBP", lossless=True, quality=100, method=min(6, effort))
    return out.getvalue()


def unpack(data: bytes, height: int, width: int, gray: bool) -> np.ndarray:
    """The inverse of `pack`. Raises DamagedFile unless the file is of this layout and size, which is known before it is decoded."""
    if data[:4] != b"RIFF" or data[8:16] != SIGNATURE or len(data) < 25:
        raise DamagedFile("the lossless pixels are damaged")
    sides = int.from_bytes(data[21:25], "little")
    if (1 + (sides & 0x3FFF), 1 + (sides >> 14 & 0x3FFF)) != (width, height):
        raise DamagedFile("the lossless pixels do not fit the picture")
    if not features.check("webp"):
        raise UnsupportedFile("the file has lossless pixels, which need a Pillow with WebP")
    try:
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            if image.size != (width, height):
                raise DamagedFile("the lossless pixels do not fit the picture")
            pixels = np.asarray(image.convert("RGB"))
    except (AecodecError, MemoryError):
        raise
    except Exception as error:  # of crafted files Pillow raises almost anything
        raise DamagedFile("the lossless pixels are damaged") from error
    return np.ascontiguousarray(pixels[:, :, 0]) if gray else pixels
