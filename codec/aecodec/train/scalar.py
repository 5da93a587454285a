"""Scalar quantisation, the cheap stand-in for the codebook in the first phase of training."""

import math

import torch
from torch import Tensor


def gaussian_bits(v: Tensor, sigma: Tensor) -> Tensor:
    """-log2 of the mass of N(0, σ²) on [v - 1/2, v + 1/2]; any one shape."""
    v, scale = v.abs(), math.sqrt(0.5) / sigma
    mass = 0.5 * (torch.erfc((v - 0.5) * scale) - torch.erfc((v + 0.5) * scale))
    return -torch.log2(mass.clamp_min(1e-9))


def quantise_scalar(residual: Tensor, sigma: Tensor, index: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rounds with a straight-through gradient; bits under uniform noise (Ballé et al., ICLR 2017), which the generator gives.

    With a generator it is a `Quantise`.
    """
    noise = torch.rand(residual.shape, generator=generator, dtype=residual.dtype, device=residual.device)
    bits = gaussian_bits(residual + noise - 0.5, sigma)
    return residual + (torch.round(residual) - residual).detach(), bits.flatten(1).sum(1)


def quantise_scalar_exact(residual: Tensor, sigma: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """Rounds, and counts the bits of what was rounded: for validation."""
    rounded = torch.round(residual)
    return rounded, gaussian_bits(rounded, sigma).flatten(1).sum(1)
