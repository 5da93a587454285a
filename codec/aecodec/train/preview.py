"""Reduced pictures: linear functions of the features after some stages, found when a model is exported.

Where a scale takes all stages, the function is the mean of the output layer's pixels, so the picture is exactly that of the
full one's means but for rounding; where it takes the first stages alone, least squares on training pictures.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .network import PIXEL_UNIT, Network, Quantise, Shape
from .transform import BLOCK

CHANNELS = 16  # the runtime wants multiples of this
RIDGE = 1e-4


@dataclass
class Preview:
    scale: int  # of the picture's sides
    stages: int  # whose features it needs, from the first
    head: nn.Conv2d  # C -> (3, side, side), and zeros up to a multiple of CHANNELS


def stages(shape: Shape) -> dict[int, int]:
    """How many stages each scale takes: an eighth those above 1/8, for its speed; the others all, for their exactness."""
    everything, coarse = len(shape.stages), sum(s.level > 0 for s in shape.stages)
    return {2: everything, 4: everything, 8: coarse or everything}


def head_of(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    """weight: (outputs, C), bias: (outputs,) -> the layer, padded to a multiple of CHANNELS."""
    head = nn.Conv2d(weight.shape[1], -(-len(weight) // CHANNELS) * CHANNELS, 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    head.weight[: len(weight), :, 0, 0] = weight.cpu()
    head.bias[: len(weight)] = bias.cpu()
    return head


def averaged(out: nn.Conv2d, scale: int) -> nn.Conv2d:
    """The means of scale x scale pixels of what `out` gives."""
    table = torch.cat([out.weight[:, :, 0, 0], out.bias[:, None]], 1)  # (3 BLOCK², C + 1)
    side = BLOCK // scale
    means = table.reshape(3, side, scale, side, scale, -1).mean((2, 4)).flatten(0, 2)
    return head_of(means[:, :-1], means[:, -1])


@torch.no_grad()
def fit(net: Network, quantise: Quantise, x: Tensor, quality: Tensor) -> list[Preview]:
    """-> the previews of a network, those of the first stages fitted to pictures x (B, 3, H, W), 0..255, coded at quality (B,)."""
    needed = stages(net.shape)
    whole = [Preview(scale, n, averaged(net.out, scale)) for scale, n in needed.items() if n == len(net.shape.stages)]
    partial, sums = {scale: n for scale, n in needed.items() if n < len(net.shape.stages)}, {}
    for i in range(len(x)):  # one at a time, for the memory
        features: list[Tensor] = []
        net(x[i : i + 1], quality[i : i + 1], quantise, features)
        for scale, count in partial.items():
            f = features[count - 1]
            side = x.shape[2] // f.shape[2] // scale
            target = F.pixel_unshuffle(F.avg_pool2d((x[i : i + 1] - 128) / PIXEL_UNIT, scale), side)
            a = torch.cat([f, torch.ones_like(f[:, :1])], 1)[0].flatten(1).double()  # (C + 1, n)
            b = target[0].flatten(1).double()  # (3 side², n)
            old = sums.get(scale, (0, 0, 0))
            sums[scale] = (old[0] + a @ a.T, old[1] + a @ b.T, old[2] + a.shape[1])
    fitted = []
    for scale, (square, cross, count) in sums.items():
        square = square / count + RIDGE * torch.eye(len(square), dtype=torch.double, device=square.device)
        solution = torch.linalg.solve(square, cross / count).T.float()  # (3 side², C + 1)
        fitted.append(Preview(scale, partial[scale], head_of(solution[:, :-1], solution[:, -1])))
    return whole + fitted
