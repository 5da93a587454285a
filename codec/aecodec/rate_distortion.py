"""What a picture's streams cost: bits, and λ times the squared error."""

import numpy as np

from .header import Header
from .metrics import mean_squared_error
from .model import Model
from .options import quality_to_lambda
from .quality_map import lambdas


def cost_of(
    model: Model,
    pixels: np.ndarray,
    header: Header,
    streams: list[list[bytes]],
    threads: int,
    qualities: np.ndarray | None = None,
) -> float:
    """What the search makes small: the streams' bits and λ times the squared error of what they decode to, summed over pixels.

    A picture of `pixels`, uint8 (H, W, 3), that is kept without loss costs its bits alone. qualities: a map of λ, or None.
    """
    decoded = model.network.decode(streams, model.frame(header, qualities), threads=threads)
    if qualities is None:
        error = quality_to_lambda(header.quality) * mean_squared_error(pixels, decoded) * pixels.size / 3
    else:
        squares = np.square(pixels.astype(np.float32) - decoded).mean(2)
        error = float((lambdas(qualities, *pixels.shape[:2]) * squares).sum(dtype=np.float64))
    return 8 * size_of(streams) + error


def size_of(streams: list[list[bytes]]) -> int:
    """In bytes."""
    return sum(len(tile) for stream in streams for tile in stream)
