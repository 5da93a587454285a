"""Reduced pictures from the first stages alone: linear functions of their features, fitted when a model is exported."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .network import PIXEL_UNIT, Network, Quantise, Shape

CHANNELS = 16  # the runtime wants multiples of this
RIDGE = 1e-4


@dataclass
class Preview:
    scale: int  # of the picture's sides
    stages: int  # whose features it needs, from the first
    head: nn.Conv2d  # C -> (3, side, side), and zeros up to a multiple of CHANNELS


def stages(shape: Shape) -> dict[int, int]:
    """How many stages each scale takes. An eighth takes those above 1/8, a quarter the first at 1/8 too, a half all."""
    coarse = sum(s.level > 0 for s in shape.stages)
    return {2: len(shape.stages), 4: coarse + 1, 8: coarse or 1}


@torch.no_grad()
def fit(net: Network, quantise: Quantise, x: Tensor, quality: Tensor) -> list[Preview]:
    """Least squares from the decoded features of pictures x (B, 3, H, W), 0..255, to the means of scale x scale pixels.

    quality: (B,).
    """
    needed, sums = stages(net.shape), {}
    for i in range(len(x)):  # one at a time, for the memory
        features: list[Tensor] = []
        net(x[i : i + 1], quality[i : i + 1], quantise, features)
        for scale, count in needed.items():
            f = features[count - 1]
            side = x.shape[2] // f.shape[2] // scale
            target = F.pixel_unshuffle(F.avg_pool2d((x[i : i + 1] - 128) / PIXEL_UNIT, scale), side)
            a = torch.cat([f, torch.ones_like(f[:, :1])], 1)[0].flatten(1).double()  # (C + 1, n)
            b = target[0].flatten(1).double()  # (3 side², n)
            old = sums.get(scale, (0, 0, 0))
            sums[scale] = (old[0] + a @ a.T, old[1] + a @ b.T, old[2] + a.shape[1])
    previews = []
    for scale, (square, cross, count) in sums.items():
        square = square / count + RIDGE * torch.eye(len(square), dtype=torch.double, device=square.device)
        solution = torch.linalg.solve(square, cross / count).T.float()  # (3 side², C + 1)
        head = nn.Conv2d(solution.shape[1] - 1, -(-len(solution) // CHANNELS) * CHANNELS, 1)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        head.weight[: len(solution), :, 0, 0] = solution[:, :-1].cpu()
        head.bias[: len(solution)] = solution[:, -1].cpu()
        previews.append(Preview(scale, needed[scale], head))
    return previews
