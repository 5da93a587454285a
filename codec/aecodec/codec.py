"""Pictures to .aec bytes and back: where picture, network and container meet."""

from dataclasses import dataclass

import numpy as np

from . import _core, container
from .container import GRAY, RGB, Contents, Header
from .errors import FileError, PictureError
from .model import Model, shipped
from .picture import Picture, pack_alpha, unpack_alpha
from .quality import QUALITY_DEFAULT, QUALITY_MAX, QUALITY_MIN


@dataclass(frozen=True)
class Encoding:
    """A compressed picture, and what the prior expected it to take."""

    data: bytes
    predicted_bits: list[float]  # a stage


def encode(picture: Picture, quality: int = QUALITY_DEFAULT, threads: int = 0, model: Model | None = None) -> Encoding:
    """Compresses a picture; `threads` 0 means one a core. Raises PictureError where the quality is not 1 to 100."""
    if not QUALITY_MIN <= quality <= QUALITY_MAX or quality != int(quality):
        raise PictureError(f"quality must be a whole number from {QUALITY_MIN} to {QUALITY_MAX}, not {quality}")
    model = model or shipped()
    pixels = picture.pixels
    height, width = pixels.shape[:2]
    colour = GRAY if pixels.ndim == 2 else RGB
    if colour == GRAY:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    header = Header(container.VERSION, model.identity, colour, container.TILE_LOG2_DEFAULT, int(quality), width, height)
    streams, bits = model.network.encode(np.ascontiguousarray(pixels), header.quality, header.tile_log2, model.beta, threads)
    alpha = None if picture.alpha is None else pack_alpha(picture.alpha)
    return Encoding(container.write(Contents(header, streams, picture.metadata, alpha)), bits)


def parse(data: bytes, max_pixels: int = container.MAX_PIXELS, model: Model | None = None) -> Contents:
    """Splits a file and checks that the model decodes it. Raises FileError."""
    model = model or shipped()
    contents = container.read(data, 1 + max(s["stream"] for s in model.shape["stages"]), max_pixels)
    if contents.header.model != model.identity:
        wanted, have = f"{contents.header.model:08x}", f"{model.identity:08x}"
        raise FileError(f"the file needs model {wanted}, and this version of aecodec has model {have}")
    return contents


def decode(data: bytes, threads: int = 0, max_pixels: int = container.MAX_PIXELS, model: Model | None = None) -> Picture:
    """Decompresses a file. Raises FileError where it is damaged, cut short, or not for this model."""
    model = model or shipped()
    contents = parse(data, max_pixels, model)
    h = contents.header
    try:
        pixels = model.network.decode(contents.streams, h.height, h.width, h.quality, h.tile_log2, threads)
    except _core.CorruptStream as error:
        raise FileError(f"the file is damaged: {error}") from error
    if h.colour == GRAY:
        pixels = (pixels.sum(2, dtype=np.uint16) // 3).astype(np.uint8)
    alpha = None if contents.alpha is None else unpack_alpha(contents.alpha, h.height, h.width)
    return Picture(pixels, alpha, contents.metadata)
