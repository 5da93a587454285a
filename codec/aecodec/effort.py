"""How long the encoder searches for the codes of a picture. Every level makes files that the same decoder reads.

docs/effort.md has what the levels gain and take.
"""

from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np

from .arguments import whole
from .errors import OptionError
from .header import Header
from .model import Model
from .options import DEVICES, EFFORT_MAX, EFFORT_MIN


@dataclass(frozen=True)
class Effort:
    paths: int  # candidates that the search keeps from one RVQ level to the next
    iterations: int = 0  # of descent that refine the latents, if torch is installed
    device: str = "cpu"  # that the picture is analysed on


LEVELS = {
    1: Effort(1),
    2: Effort(2),
    3: Effort(4),
    4: Effort(8),  # more find nothing better
    5: Effort(8, iterations=2),
    6: Effort(8, iterations=4),
    7: Effort(8, iterations=8),
    8: Effort(8, iterations=16),
    9: Effort(8, iterations=32),
}


def level_of(effort: int, device: str = "cpu") -> Effort:
    """Raises OptionError if there is no such level, or no such device here."""
    return replace(LEVELS[whole("effort", effort, EFFORT_MIN, EFFORT_MAX)], device=known(device))


def known(device: str) -> str:
    """A device. Raises OptionError if there is none of that name here."""
    if device not in DEVICES:
        raise OptionError(f"device must be one of {', '.join(DEVICES)}, not {device!r:.40}")
    if device == "cuda":
        if find_spec("torch") is None:
            raise OptionError("the device cuda needs torch (pip install aecodec[train])")
        from .network.device import has_cuda

        if not has_cuda():
            raise OptionError("there is no CUDA device that torch can use")
    return device


def lacks_torch(effort: int) -> bool:
    """Whether a level would refine the latents, but torch is missing: it is level 4 then."""
    return LEVELS[effort].iterations > 0 and find_spec("torch") is None


def encode_best(
    model: Model, pixels: np.ndarray, header: Header, level: Effort, threads: int, qualities: np.ndarray | None = None
) -> tuple[list[list[bytes]], list[float]]:
    """The streams of a picture, uint8 (H, W, 3), and the bits of every stage. qualities: a map, or None."""
    corrections = refined(model, pixels, header.quality, level.iterations, qualities)
    frame, search = model.frame(header, qualities), (model.betas, level.paths, threads, corrections)
    if level.device == "cpu":
        return model.network.encode(pixels, frame, *search)
    from .network.analysis import features

    return model.network.encode_features(features(model, pixels, header.quality, qualities, level.device), frame, *search)


def refined(model: Model, pixels: np.ndarray, quality: int, iterations: int, qualities: np.ndarray | None) -> list[np.ndarray]:
    """Corrections of the latents; none if torch is missing or no iteration is wanted."""
    if not iterations or find_spec("torch") is None:
        return []
    from .network.refine import corrections

    return corrections(model, pixels, quality, iterations, qualities)
