"""The fixed orthonormal transforms that the network starts from: an 8x8 DCT in opponent colours, and 2x2 Haar bands."""

import math

import torch
from torch import Tensor

from .._core import constants

BLOCK = constants.BLOCK  # pixels on a side of a DCT block, and the step between the features of the finest level


def dct_basis(count: int) -> Tensor:
    """The `count` lowest-frequency vectors of a colour 8x8 DCT, lowest first.

    Colour is an orthonormal luma/chroma basis; chroma frequencies count as higher than luma's, as in every picture
    codec since JPEG, because pictures have less energy there. All of luma is among the first 160: without its last eight
    vectors text and line art end at 23 to 30 dB, however high the rate.

    Returns float32 (count, 192); a row is laid out as `torch.nn.functional.pixel_unshuffle(rgb, 8)` lays out a block.
    """
    n = torch.arange(BLOCK, dtype=torch.float64)
    dct = torch.cos(math.pi * (2 * n[None, :] + 1) * n[:, None] / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    dct[0] /= math.sqrt(2)
    colour = torch.tensor([[1, 1, 1], [1, 0, -1], [-1, 2, -1]], dtype=torch.float64)
    colour /= colour.norm(dim=1, keepdim=True)

    rows, frequencies = [], []
    for c in range(3):
        for u in range(BLOCK):
            for v in range(BLOCK):
                rows.append(torch.einsum("c,i,j->cij", colour[c], dct[u], dct[v]).flatten())
                radius = float(u * u + v * v)
                frequencies.append(radius if c == 0 else 0.5 + 2 * radius)
    order = sorted(range(len(rows)), key=lambda i: frequencies[i])
    return torch.stack([rows[i] for i in order[:count]]).float()


def haar_down(c_in: int, c_out: int) -> Tensor:
    """Weights (c_out, c_in, 2, 2) of a stride-2 convolution: the four Haar bands of the first c_out/4 channels."""
    bands = 0.5 * torch.tensor([[[1.0, 1], [1, 1]], [[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]])
    weight, kept = torch.zeros(c_out, c_in, 2, 2), c_out // 4
    for band in range(4):
        for i in range(min(kept, c_in)):
            weight[band * kept + i, i] = bands[band]
    return weight


def haar_up(c_in: int, c_out: int) -> Tensor:
    """Weights (4*c_out, c_in, 1, 1) of a 1x1 convolution that, followed by pixel_shuffle(2), inverts `haar_down`."""
    return haar_down(c_out, c_in).permute(1, 2, 3, 0).reshape(4 * c_out, c_in, 1, 1)


def haar_bands(channels: int, count: int, first: int = 0) -> list[int]:
    """Where `haar_down` puts the four bands of its input channels first..first+count-1: four indices a channel."""
    return [band * (channels // 4) + i for i in range(first, first + count) for band in range(4)]


def means(weight: Tensor, bias: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """What gives the means of scale x scale pixels, if weight (3·BLOCK², C) and bias (3·BLOCK²,) give a block's pixels.

    Returns (3·side², C) and (3·side²,), side = BLOCK / scale, laid out as `pixel_unshuffle(rgb, side)` would.
    """
    side = BLOCK // scale
    table = torch.cat([weight, bias[:, None]], 1).reshape(3, side, scale, side, scale, -1).mean((2, 4)).flatten(0, 2)
    return table[:, :-1], table[:, -1]
