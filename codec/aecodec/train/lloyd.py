"""Fits the codebooks to a network's latents, at the switch from scalar quantisation.

Entropy-constrained Lloyd iterations (Chou, Lookabaugh and Gray, IEEE TASSP 1989): assign with the rate term, move each
codeword to the mean of its vectors, and set its weight so that the prior expects it as often as it is used.
"""

from collections.abc import Collection

import torch
from torch import Tensor

from ..network.codebook import BETA, Codebook, StageCodebook, search
from ..network.network import GROUP, Network
from .draws import generator

ITERATIONS = 12
VECTORS = 16384  # of every group that are looked at
PRIOR_COUNT = 8.0  # vectors that a codeword's old place and weight count for


@torch.no_grad()
def fit(net: Network, codebook: Codebook, x: Tensor, quality: Tensor, stages: Collection[int] | None = None) -> None:
    """x: (B, 3, H, W) pixels 0..255; quality: (B,). Sets the finest RVQ levels and their weights, of all stages or of some."""
    samples: dict[int, tuple[Tensor, Tensor]] = {}

    def capture(residual: Tensor, sigma: Tensor, index: int) -> tuple[Tensor, Tensor]:
        if stages is None or index in stages:
            samples[index] = some(residual, sigma, generator(index))
        return codebook.quantise(residual, sigma, index)

    def some(residual: Tensor, sigma: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        vectors, spread = (t.permute(0, 2, 3, 1).reshape(-1, t.shape[1] // GROUP, GROUP) for t in (residual, sigma))
        keep = torch.randperm(len(vectors), generator=random)[:VECTORS]
        return vectors[keep].contiguous().cpu(), spread[keep].contiguous().cpu()

    net(x, quality, capture)
    device = x.device
    codebook.cpu()  # the search runs there
    for index, (residual, sigma) in samples.items():
        for _ in range(ITERATIONS):
            iterate(codebook.stages[index], residual, sigma)
        sort(codebook.stages[index])
    codebook.to(device).project()


def iterate(book: StageCodebook, residual: Tensor, sigma: Tensor) -> None:
    """One iteration on residuals and their σ, (N, G, 4) in steps.

    Vectors are assigned by the encoder's own search: the codebook is that of the finest of several RVQ levels, each with a
    prior that depends on the coarser ones, so the plain search of `aecodec.nearest` would assign other vectors than those it
    will code.
    """
    n, groups, _ = residual.shape
    tables = book.tables()
    code, value, _ = search(residual, sigma, tables, book.rvq_levels, BETA)
    finest, has_coarser_code = code[..., -1].long(), (code[..., :-1] != 0).any(2)
    for g in range(groups):
        k = finest[:, g]
        offset = value[:, g] - book.fine[g].T[k]  # what the coarser RVQ levels give
        count = torch.bincount(k, minlength=book.fine.shape[2]).float()
        total = torch.zeros(len(count), GROUP).index_add_(0, k, residual[:, g] - offset)
        book.fine[g] = ((total + PRIOR_COUNT * book.fine[g].T) / (count + PRIOR_COUNT)[:, None]).T
        book.fine[g, :, 0] = 0
        for m in (0, 1):
            rows = has_coarser_code[:, g] == bool(m)
            if not rows.any():
                continue
            t = offset[rows][:, :, None] + book.fine[g][None]
            energy = (t**2 / (2 * (sigma[rows, g] ** 2 + tables.variance[0])[:, :, None])).sum(1)
            expected = torch.softmax(book.log_weight[g, m] - energy, 1).sum(0)
            used = torch.bincount(k[rows], minlength=len(expected)).float()
            book.log_weight[g, m] += torch.log((used + PRIOR_COUNT) / (expected + PRIOR_COUNT))


def sort(book: StageCodebook) -> None:
    """Orders every codebook by length, so that the possible codewords of a small σ come first."""
    for g in range(len(book.fine)):
        order = book.fine[g].square().sum(0).argsort(stable=True)
        book.fine[g] = book.fine[g][:, order]
        book.log_weight[g] = book.log_weight[g][:, order]
