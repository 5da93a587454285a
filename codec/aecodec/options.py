"""What users ask for: a quality, with the rate-distortion trade-off λ that it stands for, and an effort."""

from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from torch import Tensor

QUALITY_MIN, QUALITY_MAX, QUALITY_DEFAULT = 1, 100, 60
EFFORT_MIN, EFFORT_MAX, EFFORT_DEFAULT = 1, 9, 4  # fast to small: see effort.py
MAX_PIXELS = 1 << 28  # larger pictures are refused, lest a few bytes claim all memory
MAX_MEMORY = 4 << 30  # bytes: what takes more to decode or encode is refused
DEVICES = ("cpu", "cuda")  # that pictures are analysed on; all else is done by the CPU
MODES = ("auto", "lossy", "lossless")  # without loss if that costs less, never, or always
LAMBDA_MIN, LAMBDA_MAX = 0.0003, 0.65  # of the loss bits/pixel + λ·MSE, with the MSE of 0..255 pixel values


def mode_of(lossless: bool) -> str:
    """One of MODES, for functions that ask for no more than this."""
    return "lossless" if lossless else "auto"


@overload
def quality_to_lambda(quality: float) -> float: ...
@overload
def quality_to_lambda(quality: "Tensor") -> "Tensor": ...
def quality_to_lambda(quality: "float | Tensor") -> "float | Tensor":
    """The rate-distortion trade-off of a quality: log-linear, so that equal steps of quality are equal ratios of λ.

    Args:
        quality: 1 to 100, a float, or a tensor of any shape.

    Returns:
        λ of the loss bits/pixel + λ·MSE, LAMBDA_MIN to LAMBDA_MAX, as a float or a tensor of the same shape.
    """
    lam: float | Tensor = LAMBDA_MIN * (LAMBDA_MAX / LAMBDA_MIN) ** ((quality - QUALITY_MIN) / (QUALITY_MAX - QUALITY_MIN))
    return lam
