"""Gives one picture the colours and textures of another: `aecodec.restyle`.

The latents of every stage are given the other picture's mean and standard deviation, channel by channel: adaptive instance
normalisation (Huang and Belongie, ICCV 2017), on latents of which a decoder that was never trained for this makes a picture.
"""

from collections.abc import Collection

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..model import Model
from .network import PIXEL_UNIT, Network, quality_features
from .refine import float_model
from .transforms import BLOCK

QUALITY = 90.0  # that the network is told: of no codes, but of blocks that change with it
LEAST = 1e-3  # standard deviations below this are of channels that stand still


@torch.no_grad()
def restyled(model: Model, content: np.ndarray, style: np.ndarray, strength: float, stages: Collection[int]) -> np.ndarray:
    """uint8 (H, W, 3) and another one (h, w, 3) -> uint8 (H, W, 3). stages: those whose statistics are exchanged."""
    net, _ = float_model(model)
    q = quality_features(torch.tensor([QUALITY]))
    ours, theirs = latents(net, content, q), latents(net, style, q)
    mixed = [adapted(a, b, strength) if i in stages else a for i, (a, b) in enumerate(zip(ours, theirs, strict=True))]
    pixels = picture(net, mixed, q)[0, :, : content.shape[0], : content.shape[1]]
    return np.asarray(pixels.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy())


def adapted(ours: Tensor, theirs: Tensor, strength: float) -> Tensor:
    """(1, D, h, w) with the other's mean and standard deviation of every channel, as far as `strength` says, 0 to 1."""
    mean, deviation = ours.mean((2, 3), keepdim=True), spread(ours)
    new = (ours - mean) / deviation * spread(theirs) + theirs.mean((2, 3), keepdim=True)
    return torch.where(deviation > LEAST, ours + strength * (new - ours), ours)


def spread(x: Tensor) -> Tensor:
    return x.std((2, 3), keepdim=True, correction=0).clamp(min=LEAST)


def latents(net: Network, pixels: np.ndarray, q: Tensor) -> list[Tensor]:
    """Of every stage (1, D, h, w), without quantisation."""
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()
    unit = net.shape.multiple
    x = F.pad(x, (0, -x.shape[3] % unit, 0, -x.shape[2] % unit), "replicate")
    features, found = net.analyse(x, q), []
    f = torch.zeros_like(features[-1])
    for i, s in enumerate(net.shape.stages):
        f = lifted(net, f, i)
        found.append(net.stages[i].latents(f, features[s.level]))
        f = injected(net, f, found[-1], i, q)
    return found


def picture(net: Network, found: list[Tensor], q: Tensor) -> Tensor:
    """The pixels (1, 3, H, W), not clamped, that latents stand for."""
    f = torch.zeros(1, net.shape.channels[-1], *found[0].shape[2:])
    for i, z in enumerate(found):
        f = injected(net, lifted(net, f, i), z, i, q)
    return F.pixel_shuffle(net.out(f), BLOCK) * PIXEL_UNIT + 128


def lifted(net: Network, f: Tensor, stage: int) -> Tensor:
    """Features at the resolution of a stage."""
    before = net.shape.stages[stage - 1].level if stage else net.shape.stages[0].level
    for level in range(before - 1, net.shape.stages[stage].level - 1, -1):
        f = F.pixel_shuffle(net.up[level](f), 2)
    return f


def injected(net: Network, f: Tensor, z: Tensor, stage: int, q: Tensor) -> Tensor:
    """Features after a stage."""
    f = f + net.stages[stage].inject(z)
    for block in net.refine[stage]:
        f = block(f, q)
    return f
