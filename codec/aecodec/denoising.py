"""Takes the noise out of a picture before it is coded.

The network (network/denoiser.py) is a part of the encoder alone: files, models and decoders know nothing of it.
"""

import functools
import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
from safetensors import safe_open

from . import _core
from .arguments import real
from .errors import ModelError, OptionError
from .model import identity_of, widened
from .noise import SIGMA_MAX, estimator, level_of
from .picture import Picture

DENOISER = "weights/denoiser.safetensors"
AUTO = "auto"
LEAST = 3.0  # of the noise, below which "auto" leaves a picture as it is


class Denoiser:
    """The network that takes noise out of pictures."""

    def __init__(self, path: Path):
        """Raises ModelError if the file is none, or damaged."""
        try:
            with safe_open(path, "numpy") as f:
                self.metadata = json.loads(f.metadata()["aecodec"])
                stored = {name: f.get_tensor(name) for name in f.keys()}
            if identity_of(self.metadata["shape"], stored) != self.metadata["identity"]:
                raise ValueError("it is damaged")
            self.network = _core.Denoiser(self.metadata["shape"], {name: widened(t) for name, t in stored.items()})
        except MemoryError:
            raise
        except Exception as error:  # of whatever kind: any bytes may stand where a shape or a tensor should
            raise ModelError(f"{path}: no weights of the de-noiser ({' '.join(str(error).split()):.200})") from error

    def __call__(self, pixels: np.ndarray, sigma: float, threads: int = 0) -> np.ndarray:
        """uint8 (H, W, 3), and the standard deviation of its noise in pixel values -> the same without noise."""
        return self.network.run(np.ascontiguousarray(pixels), level_of(sigma), threads)


@functools.cache
def denoiser() -> Denoiser:
    """The one inside the package."""
    with resources.as_file(resources.files(__package__) / DENOISER) as path:
        return Denoiser(path)


def amount_of(denoise: str | float | None) -> float | None:
    """What a user asks for, as a standard deviation; None for "auto". Raises OptionError if it is neither."""
    if isinstance(denoise, str) and denoise == AUTO:
        return None
    return real(f"denoise must be {AUTO}, or the noise's standard deviation, which", denoise, 0, SIGMA_MAX)


def denoised(picture: Picture, denoise: str | float | None, lossless: bool = False, threads: int = 0) -> tuple[Picture, float]:
    """A picture without its noise, with samples of 8 bits, and the standard deviation of what was taken for it.

    Args:
        picture: of 8 bits, or of 16. Its alpha stays.
        denoise: "auto" for as much noise as there is, of which less than LEAST is left alone; the standard deviation of the noise
            in pixel values of 8 bits, 0 to 100; or None for nothing.
        lossless: whether every sample is to be kept, which nobody can have as well.
        threads: 0 for one a core.

    Returns:
        the picture itself and 0, if there was nothing to do.

    Raises:
        OptionError: denoise is none of these, or there is any and lossless, too.
    """
    if denoise is None:
        return picture, 0.0
    sigma = amount_of(denoise)
    if lossless:
        raise OptionError("a picture cannot be kept without loss and without its noise at once")
    if sigma is None:
        sigma = estimator()(picture.rgb())
        sigma = sigma if sigma >= LEAST else 0.0
    if sigma == 0:
        return picture, 0.0
    clean = denoiser()(picture.rgb(), sigma, threads)
    if picture.gray or picture.neutral:
        clean = np.rint(clean.mean(2)).astype(np.uint8)
    if picture.neutral:
        clean = np.repeat(clean[:, :, None], 3, axis=2)
    return replace(picture.eight_bit(), pixels=clean), sigma
