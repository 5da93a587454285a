"""How long the encoder searches for the codes of a picture. Every level makes files that the same decoder reads.

docs/effort.md has what the levels gain and take.
"""

from dataclasses import dataclass

import numpy as np

from .container import Header
from .errors import PictureError
from .model import Model
from .picture import mean_squared_error
from .quality import EFFORT_MAX, EFFORT_MIN, quality_to_lambda


@dataclass(frozen=True)
class Effort:
    paths: int  # candidates that the search keeps from digit to digit
    together: tuple[float, ...] = ()  # factors of the prices of a bit that are tried for all stages together
    apart: tuple[float, ...] = ()  # and then for one stage after another


LEVELS = {
    1: Effort(1),
    2: Effort(2),
    3: Effort(3),
    4: Effort(4),
    5: Effort(6),
    6: Effort(8),
    7: Effort(8, (0.85, 1.15)),
    8: Effort(8, (0.85, 1.15), (0.7, 1.4)),
    9: Effort(8, (0.85, 1.15), (0.5, 0.7, 0.85, 1.2, 1.4, 2.0)),
}


@dataclass(frozen=True)
class Attempt:
    """Codes for a picture, and what they cost."""

    streams: list[list[bytes]]
    bits: list[float]  # a stage
    betas: list[float]  # the prices of a bit that they were searched with
    cost: float  # bits/pixel + λ·MSE


def search(model: Model, pixels: np.ndarray, header: Header, effort: int, threads: int) -> tuple[list[list[bytes]], list[float]]:
    """The streams of a picture, uint8 (H, W, 3), and the bits of every stage. Raises PictureError where there is no such level."""
    if effort not in LEVELS:
        raise PictureError(f"effort must be a whole number from {EFFORT_MIN} to {EFFORT_MAX}, not {effort}")
    level, settings = LEVELS[effort], (header.quality, header.tile_log2)

    def attempt(betas: list[float]) -> Attempt:
        streams, bits = model.network.encode(pixels, *settings, betas, level.paths, threads)
        if not level.together:
            return Attempt(streams, bits, betas, 0)  # the only one
        decoded = model.network.decode(streams, *pixels.shape[:2], *settings, threads)
        distortion = quality_to_lambda(header.quality) * mean_squared_error(pixels, decoded)
        size = sum(len(tile) for stream in streams for tile in stream)
        return Attempt(streams, bits, betas, 8 * size / (pixels.size / 3) + distortion)

    best = start = attempt(model.betas)
    for factor in level.together:
        best = min(best, attempt([b * factor for b in start.betas]), key=lambda a: a.cost)
    for stage in range(len(model.betas) if level.apart else 0):
        start = best
        for factor in level.apart:
            betas = [b * (factor if i == stage else 1) for i, b in enumerate(start.betas)]
            best = min(best, attempt(betas), key=lambda a: a.cost)
    return best.streams, best.bits
