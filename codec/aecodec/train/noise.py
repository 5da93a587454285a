"""Noise as cameras and their software make it, on pictures that had none.

Five kinds: white (the textbook's), signal-dependent (Poisson-Gaussian: Foi et al., TIP 2008), of unequal and correlated colours,
interpolated from a Bayer mosaic, and with chroma in blotches, as noise reduction in cameras leaves it. Some pictures are JPEG files
after that.
"""

import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

SIGMAS = 2.0, 60.0  # the least and the most of the noise, in pixel values
CLEAN_SHARE = 0.06  # of crops have none
KINDS = ("white", "dependent", "coloured", "mosaic", "blotched")
KIND_SHARES = (0.34, 0.22, 0.12, 0.18, 0.14)
JPEG_SHARE = 0.2
JPEG_QUALITIES = 60, 96
Y_WEIGHTS = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
# Bilinear interpolation of the green samples, and of the red or blue ones, of a Bayer mosaic.
GREEN = torch.tensor([[0.0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
RED_BLUE = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4


def blurred(n: Tensor, spread: float) -> Tensor:
    """(C, H, W) filtered by a Gaussian of this standard deviation, and as strong as before, but for the borders."""
    reach = max(1, math.ceil(2.5 * spread))
    taps = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * spread**2))
    taps = taps / taps.square().sum().sqrt()
    c = len(n)
    n = F.conv2d(n[None], taps.view(1, 1, 1, -1).expand(c, 1, 1, -1), padding=(0, reach), groups=c)
    return F.conv2d(n, taps.view(1, 1, -1, 1).expand(c, 1, -1, 1), padding=(reach, 0), groups=c)[0]


def demosaiced(n: Tensor) -> Tensor:
    """What is left of noise (3, H, W) where a Bayer mosaic samples one colour a pixel, and the others are interpolated."""
    mask = torch.zeros_like(n)
    mask[0, ::2, ::2] = mask[2, 1::2, 1::2] = mask[1, ::2, 1::2] = mask[1, 1::2, ::2] = 1
    kernels = torch.stack([RED_BLUE, GREEN, RED_BLUE])[:, None]
    return F.conv2d((n * mask)[None], kernels, padding=1, groups=3)[0]


def compressed(x: Tensor, quality: int) -> Tensor:
    """(3, H, W) as a JPEG file shows it."""
    file = io.BytesIO()
    Image.fromarray(x.permute(1, 2, 0).to(torch.uint8).numpy()).save(file, "JPEG", quality=quality, subsampling=quality % 3)
    return torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1).float()


def noisy(x: Tensor, rng: np.random.Generator) -> tuple[Tensor, float]:
    """x: (3, H, W), pixels 0..255 -> the same with noise, whole pixels 0..255, and the noise's standard deviation."""
    if rng.random() < CLEAN_SHARE:
        return x.round(), float(rng.uniform(0, 1.5))
    sigma = float(np.exp(rng.uniform(*np.log(SIGMAS))))
    kind = rng.choice(KINDS, p=KIND_SHARES)
    n = torch.from_numpy(rng.standard_normal(x.shape, np.float32))
    if kind == "dependent" or (kind in ("coloured", "mosaic") and rng.random() < 0.5):
        share = rng.uniform(0.2, 1)  # of the variance grows with the light
        n = n * ((1 - share) + share * (x / 128)).sqrt()
    if kind == "coloured":
        n = n * torch.from_numpy(rng.uniform(0.4, 1.4, (3, 1, 1)).astype(np.float32))
        mix = np.eye(3) + rng.normal(0, 0.35, (3, 3))
        n = torch.einsum("ij,jhw->ihw", torch.from_numpy((mix / np.linalg.norm(mix, axis=1, keepdims=True)).astype(np.float32)), n)
    if kind == "mosaic":
        n = demosaiced(n)
    if kind == "blotched":
        y = (n * Y_WEIGHTS).sum(0, keepdim=True) / 0.668
        n = y * rng.uniform(0.3, 1) + blurred(n, rng.uniform(0.6, 2.5)) * rng.uniform(0.4, 1)
    if kind in ("mosaic", "blotched") and rng.random() < 0.5:
        n = blurred(n, rng.uniform(0.3, 0.8))
    if bool((x[0] == x[1]).all()):  # of a gray picture, all colours have the same noise
        n = n[:1].expand(3, -1, -1)
    added = n * (sigma / max(float(n.square().mean().sqrt()), 1e-6))
    y = (x + added).round().clamp(0, 255)
    if rng.random() < JPEG_SHARE:
        y = compressed(y, int(rng.integers(*JPEG_QUALITIES)))
    return y, sigma
