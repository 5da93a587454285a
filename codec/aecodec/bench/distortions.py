"""The distortions that the benchmark measures: one list that rows, curves, tables, plots and the report read."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import metrics

Pixels = np.ndarray  # uint8 (H, W, 3)


@dataclass(frozen=True)
class Distortion:
    name: str
    axis: str  # what a plot's axis says
    decimals: int  # of a single picture's figure
    measure: Callable[[Pixels, Pixels], float | None]  # original, decoded -> the figure; None if there is none
    mean: Callable[[list[float]], float] = lambda values: float(np.mean(values))  # a point of the curve; more is better


def finite_psnr(a: Pixels, b: Pixels) -> float:
    """PSNR in dB, at most 100, so that there are means even if some pictures are exact."""
    return min(100.0, metrics.psnr(a, b))


def decibels(values: list[float]) -> float:
    """The mean of MS-SSIMs on a logarithmic scale, at most 100."""
    return -10 * math.log10(max(1 - float(np.mean(values)), 1e-10))


DISTORTIONS = {
    "psnr": Distortion("PSNR", "PSNR (dB, RGB)", 2, finite_psnr),
    "ms_ssim": Distortion("MS-SSIM", "MS-SSIM (dB: −10 log₁₀(1 − MS-SSIM))", 5, metrics.ms_ssim, decibels),
    "ssimulacra2": Distortion("SSIMULACRA2", "SSIMULACRA2", 2, metrics.ssimulacra2),
    "butteraugli": Distortion("Butteraugli", "Butteraugli (−3-norm)", 3, metrics.butteraugli, lambda v: -float(np.mean(v))),
}
DEFAULT = ("psnr", "ms_ssim", "ssimulacra2")  # Butteraugli needs a program that pip does not install
