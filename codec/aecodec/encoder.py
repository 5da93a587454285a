"""Pictures to .aec bytes: where picture, network and container meet. The way back is in decoder.py."""

import math
from dataclasses import dataclass, replace

import numpy as np

from . import alpha, container, limits, lossless, quality_map
from ._core import constants
from .arguments import whole
from .container import Contents
from .effort import encode_best, level_of
from .errors import OptionError, PictureError
from .folding import folded
from .header import GRAY, MAX_SIDE, RGB, VERSION, Header
from .model import Model, shipped
from .options import EFFORT_DEFAULT, MAX_MEMORY, MODES, QUALITY_DEFAULT, QUALITY_MAX, QUALITY_MIN
from .picture import Picture
from .rate_distortion import cost_of, size_of

# Smaller tiles make regions cheaper: of 12 megapixels, a region of 256x256 takes 8 to 30 % of the whole with tiles of 512 pixels,
# and 20 to 40 % with 1024. They cost 0.1 to 0.3 % of the file there, and more in a small picture.
TILE_LOG2, TILE_LOG2_OF_LARGE, LARGE = 10, 9, 1 << 22
PROTECTED_TILE_LOG2, PROTECTED_TILES = (
    8,
    4,
)  # at most; at least, if smaller tiles can do it: what is lost is small, and so is its copy


@dataclass(frozen=True)
class Encoding:
    """A compressed picture, and what the prior expected it to take."""

    data: bytes
    predicted_bits: list[float]  # a stage; empty if the pixels are kept without loss
    lossless: bool = False


def header_for(height: int, width: int, quality: int, gray: bool, model: Model, protect: bool = False) -> Header:
    """Raises OptionError if the quality is not 1 to 100, PictureError if a side is longer than files can say."""
    quality = whole("quality", quality, QUALITY_MIN, QUALITY_MAX)
    if max(height, width) > MAX_SIDE:
        raise PictureError(f"the picture is {width} x {height} pixels; sides of more than {MAX_SIDE} have no place in a file")
    large = height * width >= LARGE
    tile_log2 = PROTECTED_TILE_LOG2 if protect else TILE_LOG2_OF_LARGE if large else TILE_LOG2
    header = Header(VERSION, model.mark, GRAY if gray else RGB, tile_log2, quality, width, height)
    while protect and header.tiles < PROTECTED_TILES and header.tile_log2 > constants.TILE_LOG2_MIN:
        header = replace(header, tile_log2=header.tile_log2 - 1)
    return header


def unaffordable(header: Header) -> str:
    """Why coding a picture would take too much memory; empty if it does not."""
    needed = limits.encoding_memory(*header.coded_size)
    size = f"{header.width} x {header.height}"
    return f"compressing {size} pixels takes about {needed >> 20} MB of memory, too much" if needed > MAX_MEMORY else ""


def without_loss(picture: Picture, effort: int) -> bytes | None:
    """The pixels of a synthetic picture as the file holds them without loss; None of any other.

    Raises OptionError if the effort is not 1 to 9.
    """
    level_of(effort)
    return None if picture.rounded or not lossless.is_synthetic(picture.pixels) else lossless.pack(picture.pixels, effort)


def written(
    picture: Picture,
    header: Header,
    streams: list[list[bytes]],
    exact: bytes | None = None,
    protect: bool = False,
    qualities: np.ndarray | None = None,
) -> bytes:
    """The file of a picture's codes, or of its exact pixels."""
    opacity = None if picture.alpha is None else alpha.pack(picture.alpha)
    packed = None if qualities is None else quality_map.pack(qualities, header.quality)
    return container.write(Contents(header, streams, picture.metadata, opacity, exact, packed, protect))


def encode_exactly(picture: Picture, effort: int = EFFORT_DEFAULT) -> Encoding | None:
    """Keeps a synthetic picture without loss; None of any other. Raises OptionError if the effort is not 1 to 9."""
    exact = without_loss(picture, effort)
    header = header_for(picture.height, picture.width, QUALITY_MAX, picture.gray, shipped())
    return None if exact is None else Encoding(written(picture, header, [], exact), [], lossless=True)


def encode(
    picture: Picture,
    quality: int = QUALITY_DEFAULT,
    threads: int = 0,
    model: Model | None = None,
    effort: int = EFFORT_DEFAULT,
    mode: str = "auto",
    protect: bool = False,
    roi: np.ndarray | None = None,
) -> Encoding:
    """Compresses a picture.

    Args:
        picture: of 8 bits.
        quality: a whole number, 1 to 100.
        threads: 0 for one a core.
        model: another model than the shipped one.
        effort: 1 to 9, fast to small.
        mode: "auto" keeps a synthetic picture without loss if that costs less, by bits and λ times the squared error; "lossy"
            always codes codewords.
        protect: add a protective copy of the header and the coarsest codes, for at most a quarter more bytes if there are several
            tiles; a picture that is kept without loss has none.
        roi: offsets of quality, whole numbers (H, W); each 64x64 pixels get the largest of theirs. None for the same everywhere.

    Returns:
        the file, and what the prior expected of it.

    Raises:
        OptionError: the quality or the effort is out of range, or there is no such mode.
        PictureError: a side is too long, or coding takes too much memory.
    """
    if mode not in MODES:
        raise OptionError(f"mode must be one of {', '.join(MODES)}, not {mode}")
    model, threads = model or shipped(), whole("threads", threads, 0)
    header, level = header_for(picture.height, picture.width, quality, picture.gray, model, protect), level_of(effort)
    rgb = folded(picture.rgb(), header.fold)
    qualities = None if roi is None else quality_map.of_roi(roi, header)
    exact = None if mode == "lossy" else without_loss(picture, effort)
    if trouble := unaffordable(header):
        if exact is None:
            raise PictureError(trouble)
        return Encoding(written(picture, header, [], exact), [], lossless=True)
    useful = math.inf if exact is None else len(exact)
    streams, bits = encode_best(model, rgb, header, level, threads, useful, qualities)
    if exact is not None and (useful < size_of(streams) or 8 * useful < cost_of(model, rgb, header, streams, threads, qualities)):
        return Encoding(written(picture, header, [], exact), [], lossless=True)
    return Encoding(written(picture, header, streams, None, protect, qualities), bits)
