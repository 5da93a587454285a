"""How much noise there is in a picture.

It is estimated from how little the flattest parts of the picture vary, as is usual (Liu, Tanaka and Okutomi, TIP 2013), in bands of
three scales and three colours, so that noise which demosaicing or JPEG has smoothed is seen, too. train/noise_level.py fits what
makes a number of these.
"""

import functools
import math
from importlib import resources
from pathlib import Path

import numpy as np
from safetensors import safe_open

from .errors import ModelError

ESTIMATOR = "weights/noise.safetensors"
LEVELS = 100  # of noise, evenly spaced in the logarithm of its standard deviation
SIGMA_MIN, SIGMA_MAX = 1.0, 100.0  # pixel values, of the first and the last level
SIGMA_OFFSET = 0.5  # what is fitted is log2 of the standard deviation and this

TILE, TILES = 64, 256  # pixels on a side of what the level is estimated from, and how many at most
BLOCK = 8  # pixels, at every scale, of which the variation is measured
SCALES = 3  # each of half the sides of the one before
SHARES = (2, 10, 25, 50, 90)  # percentiles of the blocks' variations
CLIPPED = 2  # samples at most so far from black or white are taken for clipped
LEAST_VARIATION = 0.25  # pixel values; that of pixels rounded is about that


def tiles(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> at most TILES tiles (n, TILE, TILE, 3) from all over the picture, which is mirrored if it is too small."""
    h, w = pixels.shape[:2]
    pixels = np.pad(pixels, ((0, max(0, TILE - h)), (0, max(0, TILE - w)), (0, 0)), "symmetric")
    rows, columns = pixels.shape[0] // TILE, pixels.shape[1] // TILE
    count = rows * columns
    chosen = np.unique(np.linspace(0, count - 1, min(count, TILES)).astype(int))
    cut = pixels[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE, 3)
    return cut[chosen // columns, :, chosen % columns]


def variation(band: np.ndarray) -> np.ndarray:
    """(n, h, w), of quads of pixels -> the root of its mean square in every block (n, h / 4, w / 4)."""
    n, h, w = band.shape
    side = BLOCK // 2
    return np.asarray(np.sqrt((band.reshape(n, h // side, side, w // side, side) ** 2).mean((2, 4))))


def statistics(pixels: np.ndarray) -> np.ndarray:
    """What the level of the noise in a picture, uint8 (H, W, 3), is estimated from: float32 (SCALES · 3 · 2 · len(SHARES),)."""
    cut = tiles(pixels)
    r, g, b = np.moveaxis(cut.astype(np.float32), 3, 0)
    planes = np.stack([(r + 2 * g + b) / 4, r - b, g - (r + b) / 2])  # (3, n, h, w)
    clipped = ((cut <= CLIPPED) | (cut >= 255 - CLIPPED)).any(3)
    found = []
    for scale in range(SCALES):
        if scale:
            planes = (planes[..., ::2, ::2] + planes[..., ::2, 1::2] + planes[..., 1::2, ::2] + planes[..., 1::2, 1::2]) / 4
        n, h, w = planes.shape[1:]
        side = TILE // h * BLOCK
        free = clipped.reshape(n, TILE // side, side, TILE // side, side).mean((2, 4)) < 0.1
        kept = free if free.mean() > 0.05 else np.ones_like(free)
        for plane in planes:
            a, b, c, d = plane[:, ::2, ::2], plane[:, ::2, 1::2], plane[:, 1::2, ::2], plane[:, 1::2, 1::2]
            straight = np.minimum(variation((a - b + c - d) / 2), variation((a + b - c - d) / 2))  # an edge is in one of the two
            for band in (variation((a - b - c + d) / 2), straight):
                found.append(np.percentile(np.log2(np.maximum(band[kept], LEAST_VARIATION)), SHARES))
    return np.concatenate(found).astype(np.float32)


def level_of(sigma: float) -> int:
    """The level, 1 to LEVELS, of noise of this standard deviation."""
    share = math.log(min(max(sigma, SIGMA_MIN), SIGMA_MAX) / SIGMA_MIN) / math.log(SIGMA_MAX / SIGMA_MIN)
    return round(1 + (LEVELS - 1) * share)


class Estimator:
    """The level of the noise from a picture's statistics, by a perceptron of one hidden layer."""

    def __init__(self, path: Path):
        """Raises ModelError if the file is none, or damaged."""
        try:
            with safe_open(path, "numpy") as f:
                self.first, self.bias, self.last = (f.get_tensor(name) for name in ("first", "bias", "last"))
            assert self.first.shape == (len(self.bias), SCALES * 6 * len(SHARES)) and self.last.shape == (len(self.bias) + 1,)
        except MemoryError:
            raise
        except Exception as error:
            raise ModelError(f"{path}: no weights of the estimator of noise ({' '.join(str(error).split()):.200})") from error

    def __call__(self, pixels: np.ndarray) -> float:
        """uint8 (H, W, 3) -> the standard deviation of its noise, in pixel values."""
        hidden = np.maximum(self.first @ statistics(pixels) + self.bias, 0)
        return float(max(0.0, 2 ** (hidden @ self.last[:-1] + self.last[-1]) - SIGMA_OFFSET))


@functools.cache
def estimator() -> Estimator:
    """The one inside the package."""
    with resources.as_file(resources.files(__package__) / ESTIMATOR) as path:
        return Estimator(path)
