"""What the decoded picture's errors cost: mean squared error, with a share of their visibility.

`visible` is a differentiable relative of SSIMULACRA2 (Sneyers, Cloudinary 2023): structural error at five scales in the
opponent colours of JPEG XL, with a cube root as the eye's response to light. It is the error that the pictures of a codec
are compared by, at a fraction of that measure's time, and with no window larger than 5x5.
"""

import functools
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from ..options import quality_to_lambda
from .transforms import BLOCK

SCALES = 5  # each of half the sides of the one before
WINDOW = 5  # pixels on a side, every 2 pixels
STRUCTURE_CONSTANT = 0.0009  # SSIMULACRA2's C2, variances of XYB
CHANNEL_WEIGHTS = (1 / 6, 4 / 6, 1 / 6)  # of X, Y and B - Y
PEAKS = 0.5  # weight of the 4-norm of the error over the picture, beside its mean: what is worst is seen first
TYPICAL_MSE = 800.0  # an MSE that costs as much as a visible error of 1: their ratio on validation pictures, 800 to 1000
# (quality, share of the visible error in the distortion, the rest being the MSE), linear between. With one share for all, the
# network led AVIF by both measures at low and high qualities, but between these by PSNR alone.
VISUAL_SHARES = ((1, 0.4), (25, 0.4), (45, 0.85), (70, 0.85), (100, 0.5))
# Of the preview's MSE. It is a thumbnail, and with 1.25 its stage took a third to half of the bytes at low rates.
PREVIEW_WEIGHT = 0.25

# Linear light to the opsin space of JPEG XL (ISO/IEC 18181-1, annex L.2.2), and from that to X·14, Y, B - Y.
OPSIN = (
    (0.30, 0.622, 0.078),
    (0.23, 0.692, 0.078),
    (0.24342268924547819, 0.20476744424496821, 0.55180986650955360),
)
OPSIN_BIAS = 0.0037930732552754493
OPPONENTS = ((7.0, -7.0, 0.0), (0.5, 0.5, 0.0), (-0.5, -0.5, 1.0))


@functools.cache
def constant(values: tuple, device: torch.device) -> Tensor:
    """float32; made once, as a CUDA graph cannot copy from the CPU."""
    return torch.tensor(values, device=device)


def mean_squared_error(x: Tensor, y: Tensor) -> Tensor:
    """x, y: (B, C, H, W), 0..255 -> (B,)"""
    return ((x - y) ** 2).flatten(1).mean(1)


def linear_light(x: Tensor) -> Tensor:
    """sRGB (IEC 61966-2-1), 0..255 and a little beyond -> linear light, 0..1."""
    v = x / 255
    return torch.where(v > 0.04045, ((v.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4, v / 12.92)


def opponent_colours(light: Tensor) -> Tensor:
    """Linear light (B, 3, H, W), 0..1 -> X·14, Y, B - Y of XYB (B, 3, H, W), each but for a constant."""
    matrix, opponents = (constant(m, light.device)[:, :, None, None] for m in (OPSIN, OPPONENTS))
    response = (F.conv2d(light, matrix) + OPSIN_BIAS).clamp_min(1e-4) ** (1 / 3)
    return F.conv2d(response, opponents)


def structural_error(x: Tensor, y: Tensor) -> Tensor:
    """One minus SSIM with SSIMULACRA2's luminance term, in every window: (B, C, H, W) each -> (B, C, h, w).

    With the variance of the difference, 2·cov(x, y) is var x + var y - var(x - y).
    """
    local = F.avg_pool2d(torch.cat([x, y, x * x, y * y, (x - y) ** 2], 1), WINDOW, 2)
    mean_x, mean_y, xx, yy, dd = local.chunk(5, 1)
    shift = (mean_x - mean_y) ** 2
    spread = (xx - mean_x**2 + yy - mean_y**2).clamp_min(0)
    return 1 - (1 - shift) * (1 - (dd - shift).clamp_min(0) / (spread + STRUCTURE_CONSTANT))


def visible(x: Tensor, y: Tensor) -> Tensor:
    """How visible the errors of y are: x, y (B, 3, H, W), 0..255 -> (B,), 0 if there are none; 1 is very much.

    Scales without a window are left out.
    """
    total, scales = x.new_zeros(len(x)), 0
    weights = constant(CHANNEL_WEIGHTS, x.device)
    a, b = (linear_light(v.contiguous()) for v in (x, y))  # planes are faster here than pixels, in which the network has them
    for scale in range(SCALES):
        if scale:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        if min(a.shape[2:]) < WINDOW:
            break
        e = structural_error(opponent_colours(a), opponent_colours(b)).flatten(2)  # (B, 3, windows)
        peaks = (e.square().square().mean(2) + 1e-12) ** 0.25 - 1e-3  # without a pole in the gradient at 0
        total, scales = total + ((e.mean(2) + PEAKS * peaks) * weights).sum(1), scales + 1
    return total / max(scales, 1)


def visual_share(quality: Tensor) -> Tensor:
    """Of the visible error in the distortion: (B,), 0 to 1; a sum of hinges, which a CUDA graph can hold."""
    result, slope = torch.full_like(quality, VISUAL_SHARES[0][1]), 0.0
    for (q, s), (after, then) in pairwise(VISUAL_SHARES):
        result += ((then - s) / (after - q) - slope) * (quality - q).clamp_min(0)
        slope = (then - s) / (after - q)
    return result


def distortion(x: Tensor, y: Tensor, visual: float | Tensor) -> Tensor:
    """-> (B,), on the scale of the mean squared error; visual: the share of the visible error, 0 to 1, of all or of each."""
    mse = mean_squared_error(x, y)
    if isinstance(visual, float | int) and visual == 0:
        return mse
    return (1 - visual) * mse + visual * TYPICAL_MSE * visible(x, y)


def preview_error(x: Tensor, preview: Tensor) -> Tensor:
    """x: (B, C, H, W); preview: of its blocks' means (B, C, H / BLOCK, W / BLOCK), 0..255 -> the MSE (B,)."""
    return mean_squared_error(F.avg_pool2d(x, BLOCK), preview)


def rate_distortion(
    x: Tensor, y: Tensor, bits: Tensor, quality: Tensor, visual: float | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """-> the loss λ^(-1/2)·(bits/pixel + λ·distortion), bits per pixel and distortion (0..255, squared) of each picture, (B,) each.

    visual: the share of the visible error, 0 to 1; by quality (`visual_share`) if it is None.

    With that factor it is about the same at every quality, and so a percent of the rate counts equally everywhere.
    """
    lam = quality_to_lambda(quality)
    bpp, d = bits.sum(1) / (x.shape[2] * x.shape[3]), distortion(x, y, visual_share(quality) if visual is None else visual)
    return lam**-0.5 * (bpp + lam * d), bpp, d


def as_psnr(mse: Tensor) -> Tensor:
    """-> dB"""
    return 10 * torch.log10(255**2 / mse.clamp_min(1e-3))
