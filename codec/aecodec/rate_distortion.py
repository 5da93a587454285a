"""What a picture's streams cost: bits, and λ times the squared error."""

import numpy as np

from .header import Header
from .metrics import mean_squared_error
from .model import Model
from .options import quality_to_lambda


def cost_of(model: Model, pixels: np.ndarray, header: Header, streams: list[list[bytes]], threads: int) -> float:
    """What the search makes small: the streams' bits and λ times the squared error of what they decode to, summed over pixels.

    A picture of `pixels`, uint8 (H, W, 3), that is kept without loss costs its bits alone.
    """
    decoded = model.network.decode(streams, model.frame(header), threads=threads)
    error = quality_to_lambda(header.quality) * mean_squared_error(pixels, decoded)
    return 8 * size_of(streams) + error * pixels.size / 3


def size_of(streams: list[list[bytes]]) -> int:
    """In bytes."""
    return sum(len(tile) for stream in streams for tile in stream)
