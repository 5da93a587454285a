"""Grows a trained network: wider features at 1/8 of the picture, more latents in the last stage, more residual blocks, a
stage for the preview.

The grown network computes what the trained one does, and goes on from there: function-preserving transformations, as in Net2Net
(Chen, Goodfellow and Shlens, ICLR 2016). What is new starts at zero, but for the new features: those are the DCT vectors that the
trained network loses, each with a latent of its own; and for the new stage: see grow_preview.py.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..network.codebook import Codebook
from ..network.modules import Modules
from ..network.network import Block, Network, set_steps
from ..network.transforms import BLOCK, dct_basis
from ..options import QUALITY_MAX
from . import grow_preview

LOST_SHARE = 0.7  # of its energy that a vector must lose to count as lost
SPREAD = 1.0  # of a new feature, in units of a coefficient: what sharp text needs of an int16's range
LOG_SIGMA = -2.0  # of a new latent: small, as photographs have little of it


@torch.no_grad()
def lost_directions(net: Network, pictures: Tensor, count: int) -> Tensor:
    """-> orthonormal columns (192, count): the DCT vectors of which even unquantised latents give the least back.

    pictures: (B, 3, H, W), 0..255. Of the vectors that are lost for the most part, those with the most energy.
    """
    quality = torch.tensor([float(QUALITY_MAX)], device=pictures.device)
    basis = dct_basis(3 * BLOCK**2).to(pictures.device)
    lost, energy = basis.new_zeros(len(basis)), basis.new_zeros(len(basis))
    for x in pictures.split(1):
        y, _ = net(x, quality, lambda residual, sigma, index: (residual, residual.new_zeros(1)))
        for_vectors = [(basis @ F.pixel_unshuffle(p, BLOCK)[0].flatten(1)).square().sum(1) for p in (x - y, x)]
        lost, energy = lost + for_vectors[0], energy + for_vectors[1]
    return basis[torch.argsort(torch.where(lost > LOST_SHARE * energy, lost, 0), descending=True)[:count]].T


@torch.no_grad()
def embed(layer: nn.Module, small: nn.Module, inputs: int = 1, outputs: int = 1) -> None:
    """Copies a layer into a wider one, and zeroes the rest; inputs, outputs: of how many maps, one after another, they consist."""
    for name, old in small.named_parameters():
        new = layer.get_parameter(name)
        new.zero_()
        for o, part in enumerate(old.chunk(outputs, 0)):
            rows = new.chunk(outputs, 0)[o][: len(part)]
            if old.dim() == 1:
                rows.copy_(part)
                continue
            for i, block in enumerate(part.chunk(inputs, 1)):
                rows.chunk(inputs, 1)[i][:, : block.shape[1]].copy_(block)


def embed_blocks(rows: Iterable[Modules[Block]], small: Iterable[Modules[Block]]) -> None:
    """Of every level, or stage. Blocks beyond the old ones stay as they are, with branches of zero."""
    for new, old in zip(rows, small, strict=True):
        for block, trained in zip(new, old, strict=False):
            for name, layer in trained.named_children():
                embed(block.get_submodule(name), layer)


@torch.no_grad()
def grow(net: Network, codebook: Codebook, small: Network, trained: Codebook, pictures: Tensor) -> None:
    """Makes `net` compute what `small` does, and code besides what `small` loses of the pictures (B, 3, H, W), 0..255.

    The networks may differ in the number of residual blocks, in the features of the finest level and in the latents of the
    last stage, which are to grow by equally many, and in the preview's last stage, which only the new one has. Raises
    ValueError if they differ in something else.
    """
    c, d = small.shape.channels[0], small.shape.stages[-1].latents
    more, early_stage = net.shape.channels[0] - c, net.shape.preview_stages - 1
    stages = list(range(len(net.stages)))  # those that both have
    if len(stages) > len(small.stages):
        stages.remove(early_stage)
    levels = [
        [shape.stages[i].level for i in which] for shape, which in ((net.shape, stages), (small.shape, range(len(small.stages))))
    ]
    widened = net.shape.channels[1:] == small.shape.channels[1:] and 0 <= more == net.shape.stages[-1].latents - d
    if not widened or levels[0] != levels[1]:
        raise ValueError(
            "a model grows by residual blocks, by features and latents of the finest level, and by the preview's stage"
        )
    for name in ("stem", "out"):
        embed(getattr(net, name), getattr(small, name))
    for name in ("down", "up"):
        for layer, old in zip(getattr(net, name), getattr(small, name), strict=True):
            embed(layer, old)
    embed(net.preview, small.preview)
    embed_blocks(net.analysis, small.analysis)
    embed_blocks([net.refine[i] for i in stages], small.refine)
    for i, old in zip(stages, small.stages, strict=True):
        stage = net.stages[i]
        embed(stage.select, old.select)
        embed(stage.posterior.first, old.posterior.first, inputs=2)
        embed(stage.posterior.last, old.posterior.last)
        embed(stage.prior.first, old.prior.first, inputs=3)
        embed(stage.prior.last, old.prior.last, outputs=2)
        embed(stage.log_gain, old.log_gain)
        embed(stage.inject, old.inject)
    for i, old in zip(stages, trained.stages, strict=True):
        book, groups = codebook.stages[i], len(old.fine)
        book.log_variance.copy_(old.log_variance)
        for table, values in ((book.fine, old.fine), (book.log_weight, old.log_weight)):
            table.copy_(torch.cat([values, values[-1:].expand(len(table) - groups, -1, -1)]))

    if more:
        v = lost_directions(small, pictures, more)
        net.stem.weight[c:, :, 0, 0] = v.T / SPREAD
        rest = small.out.weight[:, :, 0, 0]
        net.out.weight[:, :c, 0, 0] = rest - v @ (v.T @ rest)  # the new features alone answer for their directions
        net.out.bias.copy_(small.out.bias - v @ (v.T @ small.out.bias))
        net.out.weight[:, c:, 0, 0] = v * SPREAD
        stage, new = net.stages[-1], torch.arange(more)
        stage.select.weight[d + new, c + new] = 1
        stage.inject.weight[c + new, d + new] = 1
        stage.prior.last.bias[2 * d + more :] = LOG_SIGMA
        set_steps(stage, torch.full((more,), SPREAD), first=d)
    if early_stage not in stages:
        grow_preview.start(net, codebook, pictures)
