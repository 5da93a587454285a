"""Reduced pictures as the model file has them: linear functions of the features after some stages.

At 1/2 and 1/4 they are the means of the output layer's pixels, so exactly those of the full picture but for rounding. At 1/8
it is the network's own preview, which few stages suffice for.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .._core import constants
from .modules import Conv
from .network import Network
from .transforms import BLOCK, means

CHANNELS = constants.OUT_BLOCK  # the runtime wants multiples of this


@dataclass
class Preview:
    scale: int  # of the picture's sides
    stages: int  # whose features it needs, from the first
    head: Conv  # C -> (3, side, side), and zeros up to a multiple of CHANNELS


def padded(weight: Tensor, bias: Tensor) -> Conv:
    """weight: (outputs, C), bias: (outputs,) -> the layer, padded to a multiple of CHANNELS."""
    head = Conv(weight.shape[1], -(-len(weight) // CHANNELS) * CHANNELS, 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    head.weight[: len(weight), :, 0, 0] = weight
    head.bias[: len(weight)] = bias
    return head


@torch.no_grad()
def previews(net: Network) -> list[Preview]:
    everything, out = len(net.shape.stages), (net.out.weight[:, :, 0, 0], net.out.bias)
    exact = [Preview(scale, everything, padded(*means(*out, scale))) for scale in (2, 4)]
    return [*exact, Preview(BLOCK, net.shape.preview_stages, padded(net.preview.weight[:, :, 0, 0], net.preview.bias))]
