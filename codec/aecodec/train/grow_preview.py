"""Starts the preview's last stage in a network that was trained without it.

The stage codes what the picture has more than the features so far of the lowest DCT coefficients (and so of the blocks' means):
linear functions of the features, found by least squares, as are the directions in which the features follow them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..network.codebook import Codebook
from ..network.network import PIXEL_UNIT, Network, quality_features, set_steps, zero_
from ..network.transforms import BLOCK, dct_basis, haar_bands, haar_down
from ..options import QUALITY_MAX, QUALITY_MIN
from . import lloyd
from .draws import generator

RIDGE = 1e-5
MEAN_LOG_NORMAL = -0.635  # of |x|, x ~ N(0, 1)


def least_squares(a: Tensor, b: Tensor) -> Tensor:
    """a: (n, inputs), b: (n, outputs) -> (outputs, inputs)"""
    a, b = a.double(), b.double()
    square = a.T @ a / len(a) + RIDGE * torch.eye(a.shape[1], dtype=torch.double, device=a.device)
    return torch.linalg.solve(square, a.T @ b / len(a)).T.float()


def with_one(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones_like(x[:, :1])], 1)


def coefficients(x: Tensor, count: int) -> Tensor:
    """(B, 3, H, W), 0..255 -> (B, count, H / 16, W / 16): the four Haar bands of the lowest DCT coefficients, orthonormal."""
    kept = count // 4
    h = F.conv2d(F.pixel_unshuffle((x - 128) / PIXEL_UNIT, BLOCK), dct_basis(kept).to(x.device)[:, :, None, None])
    return F.conv2d(h, haar_down(kept, count).to(x.device), stride=2)[:, haar_bands(count, kept)]


@torch.no_grad()
def start(net: Network, codebook: Codebook, pictures: Tensor) -> None:
    """Sets the stage, its codebooks and the preview by pictures (B, 3, H, W), 0..255; all else is trained already."""
    index = net.shape.preview_stages - 1
    shape, stage, trained = net.shape.stages[index], net.stages[index], net.stages[index + 1]
    zero_(stage.select, stage.posterior.last, stage.inject, stage.prior.last)

    def rows(t: Tensor) -> Tensor:
        return t[0].flatten(1).T

    found: list[tuple[Tensor, ...]] = []
    evenly = torch.rand(len(pictures), generator=generator(len(pictures))).to(pictures.device)
    qualities = QUALITY_MIN + evenly * (QUALITY_MAX - QUALITY_MIN)
    for x, quality in zip(pictures.split(1), qualities.split(1), strict=True):
        q = quality_features(quality)
        decoded: list[Tensor] = []
        features = net.analyse(x, q)
        net.synthesise(features, q, codebook.quantise, decoded)
        f, e = decoded[index], features[shape.level]
        energy = f.abs()
        hidden = trained.prior.hidden(torch.cat([f, energy, F.avg_pool2d(energy, 3, 1, 1)], 1))
        means = F.pixel_unshuffle((F.avg_pool2d(x, BLOCK) - 128) / PIXEL_UNIT, 1 << shape.level)
        found.append(tuple(map(rows, (f, e, hidden, coefficients(x, shape.latents), means))))
    f, e, hidden, wanted, means = (torch.cat(column) for column in zip(*found, strict=True))

    unit = wanted.std(0)
    stage.select.weight.copy_((least_squares(with_one(e), wanted)[:, :-1] / unit[:, None])[:, :, None, None])
    difference = e - f
    latents = difference @ stage.select.weight[:, :, 0, 0].T
    stage.inject.weight.copy_(least_squares(latents, difference)[:, :, None, None])
    preview = least_squares(with_one(e), means)
    net.preview.weight.copy_(preview[:, :-1, None, None])
    net.preview.bias.copy_(preview[:, -1])
    set_steps(stage, unit)

    stage.posterior.first.load_state_dict(trained.posterior.first.state_dict())
    stage.prior.first.load_state_dict(trained.prior.first.state_dict())
    mean = least_squares(with_one(hidden), latents)
    rest = latents - with_one(hidden) @ mean.T
    spread = least_squares(with_one(hidden), torch.log(rest.abs() + 1e-3) - MEAN_LOG_NORMAL)
    log_sigma = with_one(hidden) @ spread.T
    spread[:, -1] += 0.5 * torch.log((rest.square() / torch.exp(2 * log_sigma).clamp_min(1e-6)).mean(0)).clamp(-1, 1)
    both = torch.cat([mean, spread])
    stage.prior.last.weight.copy_(both[:, :-1, None, None])
    stage.prior.last.bias.copy_(both[:, -1])
    lloyd.fit(net, codebook, pictures, qualities, [index])
