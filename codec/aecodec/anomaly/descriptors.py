"""What is looked at of a picture: the edges in each cell of a grid, by direction, and its colour.

Histograms of oriented gradients (Dalal and Triggs, CVPR 2005) without their block normalisation; the picture is normalised as a
whole.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..picture import Picture

SCALES = (8, 4)  # cells a side of the grids
CELL = 8  # pixels a side of the cells of the finest grid
SIDE = SCALES[0] * CELL  # pixels a side that every picture is scaled to
DIRECTIONS = 8  # of edges, over the whole circle: a dark line in light is not a light one in dark
CHANNELS = DIRECTIONS + 3  # of a cell: edges, luma and two differences of colours
COLOUR = 0.3  # weight of luma and colours beside edges
FLOOR = 5.0  # added to the contrast, in 255ths, so that noise alone is no picture
GRAY = 128  # behind transparent pixels

Floats = NDArray[np.float64]  # of all numbers in this folder


def describe(picture: Picture) -> list[Floats]:
    """A picture -> (n, n, CHANNELS) for each n of SCALES."""
    r, g, b = (reduced(plane).astype(np.float64) for plane in np.moveaxis(seen(picture), -1, 0))
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    luma, contrast = luma - luma.mean(), luma.std() + FLOOR
    energies = edges(luma / contrast)
    colours = COLOUR * np.stack([luma, r - g, b - g], -1) / contrast
    return [np.concatenate([np.sqrt(means(energies, n)), means(colours, n)], -1) for n in SCALES]


def seen(picture: Picture) -> NDArray[np.uint8]:
    """uint8 (H, W, 3), over gray where it is transparent."""
    rgb = picture.rgb()
    alpha = picture.eight_bit().alpha
    if alpha is None:
        return rgb
    return np.asarray(
        Image.composite(Image.fromarray(rgb), Image.new("RGB", rgb.shape[1::-1], (GRAY,) * 3), Image.fromarray(alpha))
    )


def reduced(plane: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(plane).convert("F").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def means(values: Floats, n: int) -> Floats:
    """(h, w, C) -> (n, n, C), the means of equal cells."""
    h, w, channels = values.shape
    return np.asarray(values.reshape(n, h // n, n, w // n, channels).mean((1, 3)))


def edges(luma: Floats) -> Floats:
    """(h, w) -> (h, w, DIRECTIONS): the length of the gradient, shared out to the directions near its own."""
    smooth = binomial(binomial(luma, 0), 1)
    down, right = (np.diff(smooth, axis=axis, append=smooth.take([-1], axis)) for axis in (0, 1))
    angles = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    along = np.maximum(np.cos(np.arctan2(down, right)[..., None] - angles), 0)
    shared: Floats = np.hypot(down, right)[..., None] * along**2
    return shared


def binomial(plane: Floats, axis: int) -> Floats:
    """Smoothed by (1, 2, 1) / 4 along an axis; edges repeat."""
    widths = [(1, 1) if axis == a else (0, 0) for a in range(2)]
    wide, n = np.pad(plane, widths, mode="edge"), plane.shape[axis]
    before, middle, after = (wide.take(np.arange(i, i + n), axis) for i in range(3))
    smooth: Floats = (before + 2 * middle + after) / 4
    return smooth
