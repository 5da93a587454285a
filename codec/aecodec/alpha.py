"""The alpha channel in a file: a PNG of one channel, without loss. docs/format.md has its place among the chunks."""

import io

import numpy as np
from PIL import Image, PngImagePlugin

from . import png
from .errors import AecodecError, DamagedFile


def pack(alpha: np.ndarray) -> bytes:
    """uint8 or uint16 (H, W) -> a PNG file, lossless."""
    if alpha.dtype == np.uint16:
        return png.write(alpha, thorough=True)
    out = io.BytesIO()
    Image.fromarray(alpha).save(out, "PNG", optimize=True)
    return out.getvalue()


def unpack(data: bytes, height: int, width: int) -> np.ndarray:
    """The inverse of `pack`. Raises DamagedFile unless the PNG is of one channel and of this size."""
    try:
        with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:  # Image.open refuses what is larger than its own limit
            if image.mode not in ("L", "I;16") or image.size != (width, height):
                raise DamagedFile("the alpha channel does not fit the picture")
            alpha = np.asarray(image)
            return alpha.astype(np.uint16) if alpha.dtype != np.uint8 else alpha
    except (AecodecError, MemoryError):
        raise
    except Exception as error:  # of crafted files Pillow raises almost anything
        raise DamagedFile("the alpha channel is damaged") from error
