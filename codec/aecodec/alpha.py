"""The alpha channel in a file: a PNG of one 8-bit channel, without loss. docs/format.md has its place among the chunks."""

import io

import numpy as np
from PIL import Image, PngImagePlugin

from .errors import AecodecError, DamagedFile


def pack(alpha: np.ndarray) -> bytes:
    """uint8 (H, W) -> a PNG file, lossless."""
    out = io.BytesIO()
    Image.fromarray(alpha).save(out, "PNG", optimize=True)
    return out.getvalue()


def unpack(data: bytes, height: int, width: int) -> np.ndarray:
    """The inverse of `pack`. Raises DamagedFile unless the PNG is of one 8-bit channel and of this size."""
    try:
        with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:  # Image.open refuses what is larger than its own limit
            if image.mode != "L" or image.size != (width, height):
                raise DamagedFile("the alpha channel does not fit the picture")
            return np.asarray(image)
    except (AecodecError, MemoryError):
        raise
    except Exception as error:  # of crafted files Pillow raises almost anything
        raise DamagedFile("the alpha channel is damaged") from error
