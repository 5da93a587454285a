"""Pictures as points on a sphere: what looks alike lies close, whatever a resize, a crop or another compression has done to it.

A picture is reduced to 32x32 pixels, of an .aec file from its coarse codes alone. What those say of colours and their edges, in the
whole and in parts of it, is projected by a linear discriminant analysis (Fisher, 1936; Rao, 1948), fitted so that versions of one
picture fall together and different pictures apart: aecodec/train/embedding.py.
"""

import functools
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .files import load_reduced
from .picture import Picture

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

TABLES = "weights/embedding.npz"
DIMENSIONS = 128
SIDE = 32
CLIP = 6.0  # standard deviations: one value that no picture in the fit had is not to outweigh all the others
EPSILON = 16.0  # added to variances of 8-bit values before their logarithm
GRIDS = (1, 2, 4, 8)
HISTOGRAM = 8  # levels of each opponent colour

Floats = NDArray[np.float32]


def thumbnail(picture: Picture) -> Floats:
    """-> float32 (3, SIDE, SIDE): luma and two differences of colours, 0..255 and ±255; what is transparent is before white."""
    image, eight = Image.fromarray(picture.rgb()), picture.eight_bit()
    if eight.alpha is not None:
        image = Image.composite(image, Image.new("RGB", image.size, "white"), Image.fromarray(eight.alpha))
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX if min(image.size) >= SIDE else Image.Resampling.BILINEAR)
    red, green, blue = np.moveaxis(np.asarray(small, np.float32), 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([luma, red - green, blue - (red + green) / 2])


def pooled(values: Floats, cells: int) -> Floats:
    """(..., SIDE, SIDE) -> the means of cells x cells parts."""
    side = SIDE // cells
    return np.asarray(values.reshape(*values.shape[:-2], cells, side, cells, side).mean((-3, -1)), np.float32)


def bands(plane: Floats) -> Floats:
    """(SIDE, SIDE) -> (9, SIDE, SIDE): squares of the Haar wavelet's coefficients, of three directions at three scales."""
    found, low = [], plane
    for _ in range(3):
        a, b, c, d = low[::2, ::2], low[::2, 1::2], low[1::2, ::2], low[1::2, 1::2]
        for band in (a + b - c - d, a - b + c - d, a - b - c + d):
            times = SIDE // len(band)
            found.append(np.square(band / 2).repeat(times, 0).repeat(times, 1))
        low = np.asarray((a + b + c + d) / 2, np.float32)
    return np.stack(found)


def descriptor(planes: Floats) -> Floats:
    """float32 (3, SIDE, SIDE) of `thumbnail` -> what it says, not yet projected. Mirrored pictures give the same."""
    mean, spread = planes[0].mean(), planes[0].std() + 4
    level = np.concatenate([(planes[:1] - mean) / spread, planes[1:] / spread])
    energies = np.concatenate([bands(p) for p in planes])
    parts: list[np.ndarray] = []
    for cells in GRIDS:
        grid = pooled(level, cells)
        mirrored = grid[:, :, ::-1]
        half = max(1, cells // 2)
        parts += [((grid + mirrored) / 2)[:, :, :half], (np.abs(grid - mirrored) / 2)[:, :, :half]]
        if cells <= 4:
            energy = np.log(pooled(energies, cells) + EPSILON)
            parts.append(((energy + energy[:, :, ::-1]) / 2)[:, :, :half])
    for plane, (low, high) in zip(level, ((-2.5, 2.5), (-2, 2), (-2, 2)), strict=True):
        place = np.clip((plane - low) / (high - low) * (HISTOGRAM - 1), 0, HISTOGRAM - 1).ravel()
        first = np.minimum(place.astype(int), HISTOGRAM - 2)
        share = place - first
        counts = np.bincount(first, 1 - share, HISTOGRAM) + np.bincount(first + 1, share, HISTOGRAM)
        parts.append(np.sqrt(counts / len(place)))
    parts.append(np.array([mean / 64, np.log(spread), *np.log(np.abs(planes[1:]).mean((1, 2)) + 1)]))
    return np.concatenate([p.ravel() for p in parts]).astype(np.float32)


@functools.cache
def tables() -> tuple[Floats, Floats, Floats]:
    """Mean and standard deviation (D,) of a descriptor, and the projection (D, DIMENSIONS)."""
    with resources.as_file(resources.files(__package__) / TABLES) as path, np.load(path, allow_pickle=False) as file:
        mean, deviation, projection, scale = (file[name] for name in ("mean", "deviation", "projection", "scale"))
    return mean, deviation, projection.astype(np.float32) * scale


def project(found: Floats) -> Floats:
    """(..., D) descriptors -> (..., DIMENSIONS), of unit length."""
    mean, deviation, projection = tables()
    points = np.clip((found - mean) / deviation, -CLIP, CLIP) @ projection
    return np.asarray(points / np.maximum(np.linalg.norm(points, axis=-1, keepdims=True), 1e-6), np.float32)


def embed(picture: "np.ndarray | PillowImage | bytes | Path | str") -> Floats:
    """The place of a picture among others: the dot product of two is near 1 if they are versions of one picture, and near 0 if not.

    Args:
        picture: an array or a Pillow image, as `compress` takes it; or the bytes of an .aec file or of a picture file; or the path
            of one. Of an .aec file the coarse codes are decoded, and no more.

    Returns:
        float32 (128,), of unit length. Points of another version of aecodec may not be comparable.

    Raises:
        PictureError, FileError: it cannot be read. OSError: there is no such file.
    """
    if isinstance(picture, (bytes, bytearray, memoryview)):
        found = load_reduced(bytes(picture), SIDE)
    elif isinstance(picture, (str, Path)):
        found = load_reduced(Path(picture), SIDE)
    else:
        found = Picture.of(picture)
    return project(descriptor(thumbnail(found)))
