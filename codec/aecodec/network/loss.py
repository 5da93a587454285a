"""What the decoded picture's errors cost: mean squared error, with a share of their visibility.

`visible` is a differentiable relative of SSIMULACRA2 (Sneyers, Cloudinary 2023): structural error, edges that were not there and
detail that is lost, at five scales in the opponent colours of JPEG XL, with a cube root as the eye's response to light, weighed
as there, where ratings of pictures by people were fitted. Its windows are boxes instead of Gaussians of about the same width.
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
# SSIMULACRA2's weights of its features, of X, Y and B - Y at each scale, if they are not negligible: of the structural error's mean
# and 4-norm, which is of what is worst and so seen first, and of the 4-norms of new edges and of lost detail.
MEAN = ((0, 0, 0), (0, 0, 0), (0, 225.2, 0), (0, 176.4, 0), (0, 0, 95.1))
PEAK = ((0, 7.5, 0), (1.1, 6.7, 0), (1.8, 19.2, 0), (1.9, 24.4, 8.8), (0, 34.8, 0))
EDGES = ((0, 0, 0), (0, 0, 0), (11.4, 0, 0), (10.9, 0, 23.2), (1.0, 44.8, 171.3))
LOST = ((0, 17.4, 0), (0, 1.0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 1.0))
TYPICAL_MSE = 10.0  # an MSE that costs as much as a visible error of 1: their ratio on validation pictures, 6 to 13
# (quality, share of the visible error in the distortion, the rest being the MSE), linear between.
VISUAL_SHARES = ((1, 0.06), (20, 0.12), (50, 0.36), (75, 0.4), (100, 0.33))
EXCESS = 1 / 8  # of what is beyond 0..255, see `shown`
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


def new_edges(x: Tensor, y: Tensor) -> Tensor:
    """By how much more y differs from its surroundings than x does, (B, C, H, W); negative where detail is lost."""

    def detail(v: Tensor) -> Tensor:
        return 1 + (v - F.avg_pool2d(v, WINDOW, 1, WINDOW // 2, count_include_pad=False)).abs()

    return detail(y) / detail(x) - 1


def peak(e: Tensor) -> Tensor:
    """The 4-norm over the picture, (B, C, ...) -> (B, C), without a pole in its gradient at 0."""
    return (e.flatten(2).square().square().mean(2) + 1e-12) ** 0.25 - 1e-3


def weighed(tables: tuple, scale: int) -> slice:
    """The colours for which one of the tables has weights at a scale, and what is between them; a slice, as a CUDA graph cannot
    take a list of them."""
    used = [c for c in range(3) if any(t[scale][c] for t in tables)]
    return slice(used[0], used[-1] + 1) if used else slice(0)


def visible(x: Tensor, y: Tensor) -> Tensor:
    """How visible the errors of y are: x, y (B, 3, H, W), 0..255 -> (B,), 0 if there are none.

    Scales without a window are left out.
    """
    total = x.new_zeros(len(x))
    a, b = (linear_light(v.contiguous()) for v in (x, y))  # planes are faster here than pixels, in which the network has them
    for scale in range(SCALES):
        if scale:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        if min(a.shape[2:]) < WINDOW:
            break
        p, q = opponent_colours(a), opponent_colours(b)
        mean, most, new, lost = (constant(table[scale], x.device) for table in (MEAN, PEAK, EDGES, LOST))
        used = weighed((MEAN, PEAK), scale)
        e = structural_error(p[:, used], q[:, used])
        total = total + (e.flatten(2).mean(2) * mean[used] + peak(e) * most[used]).sum(1)
        used = weighed((EDGES, LOST), scale)
        if used.stop:
            d = new_edges(p[:, used], q[:, used])
            total = total + (peak(d.clamp_min(0)) * new[used] + peak((-d).clamp_min(0)) * lost[used]).sum(1)
    return total


def visual_share(quality: Tensor) -> Tensor:
    """Of the visible error in the distortion: (B,), 0 to 1; a sum of hinges, which a CUDA graph can hold."""
    result, slope = torch.full_like(quality, VISUAL_SHARES[0][1]), 0.0
    for (q, s), (after, then) in pairwise(VISUAL_SHARES):
        result += ((then - s) / (after - q) - slope) * (quality - q).clamp_min(0)
        slope = (then - s) / (after - q)
    return result


def shown(x: Tensor, y: Tensor) -> Tensor:
    """What is shown of y, which stands for x: 0..255. Shapes are equal.

    Samples beyond cost nothing where x is at that end, and so a texture that one colour is too dark or too bright to have is coded
    as if all had it. Elsewhere a part of the excess stays, as a gradient needs to know the way back.
    """
    inside = y.clamp(0, 255)
    return inside + EXCESS * (y - inside) * (inside != x)


def distortion(x: Tensor, y: Tensor, visual: float | Tensor) -> Tensor:
    """-> (B,), on the scale of the mean squared error; visual: the share of the visible error, 0 to 1, of all or of each."""
    y = shown(x, y)
    mse = mean_squared_error(x, y)
    if isinstance(visual, float | int) and visual == 0:
        return mse
    return (1 - visual) * mse + visual * TYPICAL_MSE * visible(x, y)


def preview_error(x: Tensor, preview: Tensor) -> Tensor:
    """x: (B, C, H, W); preview: of its blocks' means (B, C, H / BLOCK, W / BLOCK), 0..255 -> the MSE (B,)."""
    means = F.avg_pool2d(x, BLOCK)
    return mean_squared_error(means, shown(means, preview))


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
