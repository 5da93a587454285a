"""Refines the latents of a picture by gradient descent on what it will cost: for high efforts, if torch is installed.

The encoder network gives latents that are good for pictures on average; a few iterations down the gradient of the loss that it
was trained by make them better for this one (Campos et al., CVPR workshops 2019; Yang, Bamler and Mandt, NeurIPS 2020). It
runs on the network in floating point. What it finds are corrections that the fixed-point encoder adds to its latents, so files
decode as exactly as any other.
"""

import functools

import numpy as np
import torch
from torch import Tensor

from ..model import Model
from ..options import quality_to_lambda
from .codebook import Codebook
from .device import bfloat16_is_fast, keep_memory
from .fixed_point import restore
from .loss import PREVIEW_WEIGHT, distortion, preview_error, shown, visual_share
from .modules import channels_last
from .network import Network, Shape, compute_in, quality_features
from .transforms import BLOCK
from .windows import windows

WINDOW, MARGIN = 448, 64  # pixels: pictures are refined a window at a time, with what is around it, for the memory
RATE = 4e-4  # of descent: squared steps a bit
MOMENTUM = 0.5


@functools.lru_cache(maxsize=2)
def float_model(model: Model, device: str = "cpu") -> tuple[Network, Codebook]:
    """The model in floating point."""
    shape = Shape.from_json(model.shape)
    net, codebook = Network(shape), Codebook(shape)
    restore(net, codebook, model.tensors)
    if bfloat16_is_fast():
        compute_in(net, torch.bfloat16)
    return channels_last(net).to(device).requires_grad_(False), codebook.to(device).requires_grad_(False)


def corrections(
    model: Model, pixels: np.ndarray, quality: int, iterations: int, qualities: np.ndarray | None = None
) -> list[np.ndarray]:
    """-> of every stage int16 (h, w, latents), in features, for `Network.encode`; pixels: uint8 (H, W, 3).

    qualities: a map uint8 (rows, columns) of the coarsest level's positions, or None.
    """
    keep_memory()
    net, codebook = float_model(model)
    unit, (h, w) = net.shape.multiple, pixels.shape[:2]
    rows, columns = h + -h % unit, w + -w % unit
    strides = [BLOCK << s.level for s in net.shape.stages]
    found = [np.zeros((rows // n, columns // n, s.latents), np.int16) for n, s in zip(strides, net.shape.stages, strict=True)]
    for window in windows(pixels, unit, quality, qualities, WINDOW, MARGIN):
        inside = min(h, window.rows.last) - window.rows.first, min(w, window.columns.last) - window.columns.first
        for out, more, n in zip(found, descend(net, codebook, window.x, inside, window.quality, iterations), strides, strict=True):
            window.put(more, out, n)
    return found


def descend(net: Network, codebook: Codebook, x: Tensor, inside: tuple[int, int], quality: Tensor, iterations: int) -> list[Tensor]:
    """-> corrections of the latents (1, latents, h, w) of every stage, for a window x (1, 3, H, W), 0..255, of which the
    pixels `inside` (rows, columns) count. quality: (1,), or a map (1, rows, columns)."""
    x = x.contiguous(memory_format=torch.channels_last)
    q, lam = quality_features(quality), quality_to_lambda(quality)
    shape, (h, w) = net.shape, inside
    with torch.no_grad():
        features = net.analyse(x, q)
    sizes = [(1, s.latents, x.shape[2] // (BLOCK << s.level), x.shape[3] // (BLOCK << s.level)) for s in shape.stages]
    gains = [stage.gain(q, torch.Size(size)) for stage, size in zip(net.stages, sizes, strict=True)]
    moves = [torch.zeros(size).contiguous(memory_format=torch.channels_last).requires_grad_() for size in sizes]  # in steps
    best, least = [m.detach().clone() for m in moves], float("inf")
    descent = torch.optim.SGD(moves, RATE, momentum=MOMENTUM)
    for iteration in range(iterations + 1):
        more = [m / gain for m, gain in zip(moves, gains, strict=True)]
        decoded: list[Tensor] = []
        y, bits = net.synthesise(features, q, codebook.quantise, decoded, more)
        error = total(x[:, :, :h, :w], y[:, :, :h, :w], quality, shape.multiple)
        error = error + PREVIEW_WEIGHT * lam.mean() * preview_error(x, net.reduced(decoded)) * (h * w)
        cost = bits.sum() + error  # in bits
        if cost.item() < least:
            least, best = cost.item(), [m.detach().clone() for m in moves]
        if iteration == iterations:
            break
        descent.param_groups[0]["lr"] = RATE * (1 - iteration / iterations)
        descent.zero_grad()
        cost.backward()
        descent.step()
    return [m / gain for m, gain in zip(best, gains, strict=True)]


def total(x: Tensor, y: Tensor, quality: Tensor, unit: int) -> Tensor:
    """λ times the distortion, summed over pixels. quality: (1,), or a map (1, rows, columns) of `unit` pixels; with a map the
    distortion is the squared error alone, which is of a place."""
    lam = quality_to_lambda(quality)
    if lam.dim() == 1:
        return lam * distortion(x, y, visual_share(quality)) * x[0, 0].numel()
    weights = lam.repeat_interleave(unit, 1).repeat_interleave(unit, 2)[:, : x.shape[2], : x.shape[3]]
    return (weights * ((x - shown(x, y)) ** 2).mean(1)).sum()
