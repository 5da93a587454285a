"""What the decoded picture's errors cost: mean squared error, with a share of their visibility against the structure."""

import torch.nn.functional as F
from torch import Tensor

from .transforms import BLOCK

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of MS-SSIM: Wang, Simoncelli and Bovik, Asilomar 2003
CONTRAST_CONSTANT = (0.03 * 255) ** 2
WINDOW = 8  # pixels on a side, at every scale
PREVIEW_WEIGHT = 1.25  # of the preview's MSE; with 1 an error of a block's mean costs as much as if it were in the decoded picture
TYPICAL_MSE = 1700.0  # an MSE that costs as much as a structural distortion of 1: their ratio on validation pictures, 900 to 2300


def mean_squared_error(x: Tensor, y: Tensor) -> Tensor:
    """x, y: (B, C, H, W), 0..255 -> (B,)"""
    return ((x - y) ** 2).flatten(1).mean(1)


def variance(x: Tensor) -> Tensor:
    """(B, C, H, W) -> the variance in half overlapping windows"""
    mean, square = (F.avg_pool2d(v, WINDOW, WINDOW // 2) for v in (x, x * x))
    return (square - mean * mean).clamp_min(0)


def structural(x: Tensor, y: Tensor) -> Tensor:
    """About 1 - MS-SSIM, at a fraction of its time: x, y (B, C, H, W), 0..255 -> (B,).

    One minus SSIM's contrast and structure term is var(x - y) / (var x + var y + C); here var y is taken to be var x, the
    windows are squares, the scales' terms add up instead of being multiplied, and scales without a window are left out.
    """
    total, error = x.new_zeros(len(x)), x - y
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale:
            x, error = F.avg_pool2d(x, 2), F.avg_pool2d(error, 2)
        if min(x.shape[2:]) < WINDOW:
            break
        total = total + weight * (variance(error) / (2 * variance(x) + CONTRAST_CONSTANT)).flatten(1).mean(1)
    return total


def distortion(x: Tensor, y: Tensor, structure: float) -> Tensor:
    """-> (B,), on the scale of the mean squared error; structure: the share of the structural distortion, 0 to 1."""
    mse = mean_squared_error(x, y)
    return mse if structure == 0 else (1 - structure) * mse + structure * TYPICAL_MSE * structural(x, y)


def preview_error(x: Tensor, preview: Tensor) -> Tensor:
    """x: (B, C, H, W); preview: of its blocks' means (B, C, H / BLOCK, W / BLOCK), 0..255 -> the MSE (B,)."""
    return mean_squared_error(F.avg_pool2d(x, BLOCK), preview)
