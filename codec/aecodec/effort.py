"""How long the encoder searches for the codes of a picture. Every level makes files that the same decoder reads.

docs/effort.md has what the levels gain and take.
"""

import math
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from .errors import OptionError
from .header import Header
from .metrics import mean_squared_error
from .model import Model
from .options import EFFORT_MAX, EFFORT_MIN, quality_to_lambda


@dataclass(frozen=True)
class Effort:
    paths: int  # candidates that the search keeps from digit to digit
    steps: int = 0  # of descent that refine the latents, where torch is installed


LEVELS = {
    1: Effort(1),
    2: Effort(2),
    3: Effort(3),
    4: Effort(4),
    5: Effort(6),
    6: Effort(8),
    7: Effort(8, steps=8),
    8: Effort(8, steps=16),
    9: Effort(8, steps=32),
}


def level_of(effort: int) -> Effort:
    """Raises OptionError where there is no such level."""
    if effort not in LEVELS:
        raise OptionError(f"effort must be a whole number from {EFFORT_MIN} to {EFFORT_MAX}, not {effort}")
    return LEVELS[effort]


def search(
    model: Model, pixels: np.ndarray, header: Header, level: Effort, threads: int, useful: float = math.inf
) -> tuple[list[list[bytes]], list[float]]:
    """The streams of a picture, uint8 (H, W, 3), and the bits of every stage.

    useful: bytes; no time is spent on refining streams that are larger.
    """
    frame = model.frame(header)

    def attempt(corrections: list[np.ndarray]) -> tuple[list[list[bytes]], list[float]]:
        return model.network.encode(pixels, frame, model.betas, level.paths, threads, corrections)

    plain = attempt([])
    corrections = refined(model, pixels, header.quality, level.steps) if size_of(plain[0]) <= useful else []
    return min(plain, attempt(corrections), key=lambda a: cost_of(model, pixels, header, a[0], threads)) if corrections else plain


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


def refined(model: Model, pixels: np.ndarray, quality: int, steps: int) -> list[np.ndarray]:
    """Corrections of the latents; none where torch is missing, or no step is wanted."""
    if not steps or find_spec("torch") is None:
        return []
    from .network.refine import corrections

    return corrections(model, pixels, quality, steps)
