"""The learned codebooks of a network, and quantisation through them with gradients.

The search and its gradients run in C++ on the CPU (csrc/kernels/quantiser-inl.h) and in CUDA (csrc/training/quantiser.cu);
`reference` is the same arithmetic in torch, for other devices and for the tests.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from .. import _core
from .._core import constants, cuda_available
from .lattice import voronoi_code
from .modules import Modules
from .network import GROUP, Shape

TEMPERATURE = constants.TEMPERATURE  # of the soft assignment: twice the second moment of D4's unit cell, a dimension
BETA = 0.08  # squared steps that a bit is worth to the search while training
CELL_VARIANCE = TEMPERATURE / 2
SMOOTH = constants.SMOOTH  # σ in steps above which the codewords lie dense in the prior


class StageCodebook(nn.Module):
    """Codebooks of one stage: a learned one for every group's finest RVQ level, the lattice for the coarser ones."""

    coarse: Tensor  # (4, K), steps of the RVQ level; the same for every group

    def __init__(self, groups: int, rvq_levels: int):
        super().__init__()
        lattice = torch.from_numpy(voronoi_code()).float().T.contiguous()  # (4, K)
        self.rvq_levels = rvq_levels
        self.register_buffer("coarse", lattice, persistent=False)
        self.fine = nn.Parameter(lattice[None].repeat(groups, 1, 1))  # (G, 4, K), steps; codeword 0 stays zero
        self.log_weight = nn.Parameter(torch.zeros(groups, 2, lattice.shape[1]))  # (G, coarser codes zero or not, K)
        self.log_variance = nn.Parameter(torch.full((2,), math.log(CELL_VARIANCE)))  # finest RVQ level, coarser ones

    def tables(self) -> "Tables":
        return Tables(self.fine, self.coarse, self.log_weight, self.log_variance.exp())

    @torch.no_grad()
    def project(self) -> None:
        """After an optimiser's step: keeps what the fixed-point tables and the search rely on."""
        self.fine[:, :, 0] = 0
        self.fine.clamp_(-7.5, 7.5)
        self.log_weight.sub_(self.log_weight.amax(2, keepdim=True))
        self.log_weight.clamp_(min=-20)
        self.log_variance.clamp_(math.log(0.02), math.log(0.5))


class Tables(NamedTuple):
    """A stage's codebooks as the searches take them."""

    fine: Tensor  # (G, 4, K) steps
    coarse: Tensor  # (4, K) steps of the RVQ level
    log_weight: Tensor  # (G, 2, K)
    variance: Tensor  # (2,)


def to_array(t: Tensor) -> np.ndarray:
    return t.detach().contiguous().numpy()


def search(residual: Tensor, sigma: Tensor, tables: Tables, rvq_levels: int, beta: float) -> tuple[Tensor, Tensor, Tensor]:
    """The encoder's own search, on the CPU: residual, sigma (N, G, 4) -> code (N, G, rvq_levels), value (N, G, 4), bits (N, G)."""
    fine, coarse, log_weight, variance = map(to_array, tables)
    found = _core.quantise(to_array(residual), to_array(sigma), fine, coarse, log_weight, variance, rvq_levels, beta)
    code, value, bits = map(torch.from_numpy, found)
    return code, value, bits


def stream(t: Tensor) -> int:
    """Where a tensor's device takes its work from."""
    return torch.cuda.current_stream(t.device).cuda_stream if t.is_cuda else 0


def team_search(residual: Tensor, sigma: Tensor, tables: Tables, rvq_levels: int, beta: float) -> tuple[Tensor, ...]:
    """`search` by a team of threads a group, on the tensors' device: CUDA, or the CPU, for tests.

    Gives beside codes, values and bits what `team_gradient` reads of the tables, int32 (G + 1, SIGMA_COUNT).
    """
    n, g, _ = residual.shape
    prefix = torch.empty(g + 1, constants.SIGMA_COUNT, dtype=torch.int32, device=residual.device)
    code = torch.empty(n, g, rvq_levels, dtype=torch.uint8, device=residual.device)
    results = code, torch.empty_like(residual), residual.new_empty(n, g)
    addresses = [t.data_ptr() for t in (residual, sigma, *tables, prefix, *results)]
    sizes = n, g, tables.fine.shape[2], rvq_levels, beta
    _core.team_quantise(residual.device.type, *sizes, addresses, stream(residual))
    return *results, prefix


def team_gradient(
    residual: Tensor, sigma: Tensor, tables: Tables, rvq_levels: int, beta: float, prefix: Tensor, code: Tensor, *along: Tensor
) -> tuple[Tensor, ...]:
    """From the gradients along the values and bits those of residual, σ, fine, log_weight and variance."""
    n, g, _ = residual.shape
    sums = torch.zeros_like(tables.fine), torch.zeros_like(tables.log_weight)
    terms = torch.empty(n * g * _core.team_terms_size(), dtype=torch.uint8, device=residual.device)
    results = torch.empty_like(residual), torch.empty_like(sigma), residual.new_empty(n, g, 2)
    addresses = [t.data_ptr() for t in (residual, sigma, *tables, prefix, code, *along, *results, terms, *sums)]
    sizes = n, g, tables.fine.shape[2], rvq_levels, beta
    _core.team_quantise_gradient(residual.device.type, *sizes, addresses, stream(residual))
    return *results[:2], *sums, results[2].sum((0, 1))


@torch.library.custom_op("aecodec::quantise", mutates_args=())
def quantise(
    residual: Tensor,
    sigma: Tensor,
    fine: Tensor,
    coarse: Tensor,
    log_weight: Tensor,
    variance: Tensor,
    rvq_levels: int,
    beta: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A residual and σ (N, G, 4) in steps -> the coded residual (N, G, 4), its bits (N, G), the codes (N, G, rvq_levels), and what
    the gradients on a GPU want of the tables.

    The codes are piecewise constant in the residual; it takes the gradients of the value's and the bits' expectations under
    a soft assignment (Agustsson et al., NIPS 2017). They vanish if a residual is surely coded as zero, as they should: a
    straight-through gradient there credits a stage with corrections that it never codes, and training with it moved bits to
    the finest stages and raised the validation loss by 4 % in 15 minutes. But if σ is above SMOOTH, or a coarse code is
    not zero, the quantiser is noise: the value's gradient goes straight through, the bits' is that of the prior's density.
    Without this the slope of the loss along the scale of the finest residuals, at quality 75, was a quarter of what
    differences show. σ and the tables take the gradients of the chosen codes.

    An operator of torch, so that torch.compile takes it as it is. Beside the residual and σ it takes the four tensors of
    `Tables`, as operators take no tuples.
    """
    residual, sigma, *rest = (t.contiguous() for t in (residual, sigma, fine, coarse, log_weight, variance))
    if residual.is_cuda:
        code, value, bits, prefix = team_search(residual, sigma, Tables(*rest), rvq_levels, beta)
    else:
        code, value, bits = search(residual, sigma, Tables(*rest), rvq_levels, beta)
        prefix = torch.empty(0, dtype=torch.int32)
    return value, bits, code, prefix


@torch.library.custom_op("aecodec::quantise_gradient", mutates_args=())
def quantise_gradient(
    residual: Tensor,
    sigma: Tensor,
    fine: Tensor,
    coarse: Tensor,
    log_weight: Tensor,
    variance: Tensor,
    rvq_levels: int,
    beta: float,
    prefix: Tensor,
    code: Tensor,
    grad_value: Tensor,
    grad_bits: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of `quantise` with respect to residual, σ, fine, log_weight and variance."""
    residual, sigma, *rest = (t.contiguous() for t in (residual, sigma, fine, coarse, log_weight, variance))
    tables, along = Tables(*rest), (code, grad_value.contiguous(), grad_bits.contiguous())
    if residual.is_cuda:
        of_residual, of_sigma, of_fine, of_weight, of_variance = team_gradient(
            residual, sigma, tables, rvq_levels, beta, prefix, *along
        )
    else:
        r, s, fine_, coarse_, weight_, variance_, value_, bits_ = map(to_array, (residual, sigma, *tables, *along[1:]))
        found = _core.quantise_gradient(r, s, fine_, coarse_, weight_, variance_, rvq_levels, beta, code.numpy(), value_, bits_)
        of_rate, of_value, of_sigma, of_fine, of_weight, of_variance = map(torch.from_numpy, found)
        of_residual = of_rate + of_value
    return of_residual, of_sigma, of_fine, of_weight, of_variance


@quantise.register_fake
def _(
    residual: Tensor,
    sigma: Tensor,
    fine: Tensor,
    coarse: Tensor,
    log_weight: Tensor,
    variance: Tensor,
    rvq_levels: int,
    beta: float,
) -> Any:
    n, g, _ = residual.shape
    prefix = residual.new_empty((g + 1, constants.SIGMA_COUNT) if residual.is_cuda else (0,), dtype=torch.int32)
    code = residual.new_empty((n, g, rvq_levels), dtype=torch.uint8)
    return residual.new_empty(residual.shape), residual.new_empty((n, g)), code, prefix


@quantise_gradient.register_fake
def _(residual: Tensor, sigma: Tensor, fine: Tensor, coarse: Tensor, log_weight: Tensor, variance: Tensor, *_: Any) -> Any:
    return tuple(t.new_empty(t.shape) for t in (residual, sigma, fine, log_weight, variance))


def keep_for_gradient(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, ctx.rvq_levels, ctx.beta = inputs
    _, _, code, prefix = output
    ctx.save_for_backward(*tensors, prefix, code)


def gradient(ctx: Any, grad_value: Tensor, grad_bits: Tensor, *_: None) -> tuple[Tensor | None, ...]:
    *tensors, prefix, code = ctx.saved_tensors
    found = quantise_gradient(*tensors, ctx.rvq_levels, ctx.beta, prefix, code, grad_value, grad_bits)
    of_residual, of_sigma, of_fine, of_weight, of_variance = found
    return of_residual, of_sigma, of_fine, None, of_weight, of_variance, None, None


quantise.register_autograd(gradient, setup_context=keep_for_gradient)


def reference(
    residual: Tensor, sigma: Tensor, tables: Tables, rvq_levels: int, beta: float, code: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A greedy search, and along its codes (or the given ones) what they give, with gradients.

    residual, sigma: (N, G, 4). Returns code (N, G, rvq_levels), value (N, G, 4) and bits (N, G), with gradients to σ and the
    tables, and the expected value and bits, under the soft assignment or as of noise, with gradients to the residual. No
    codeword is left out, however unlikely.
    """
    n, g, _ = residual.shape
    value, bits = torch.zeros_like(residual), residual.new_zeros(n, g)
    soft_value, soft_bits, codes = value, bits, []
    has_coarser_code = torch.zeros(n, g, dtype=torch.long, device=residual.device)  # whether any code so far is not zero
    smooth = sigma.detach().amax(2) > SMOOTH
    for rvq_level in reversed(range(rvq_levels)):
        scale = 4.0**rvq_level
        words = (tables.coarse.expand(g, -1, -1) if rvq_level else tables.fine)[None]  # (1, G, 4, K)
        variance = (sigma / scale) ** 2 + tables.variance[1 if rvq_level else 0]
        t = (value.detach() / scale)[..., None] + words
        energy = (t**2 / (2 * variance[..., None])).sum(2)  # (N, G, K)
        if rvq_level == 0:
            energy = energy - tables.log_weight[torch.arange(g, device=has_coarser_code.device), has_coarser_code]
        rates = (energy + torch.logsumexp(-energy, 2, keepdim=True)) / math.log(2)
        distance = (((residual - value.detach()) / scale)[..., None] - words.detach()).square().sum(2)
        if code is None:
            chosen = (distance + (0 if rvq_level else beta) * rates).argmin(2)
        else:
            chosen = code[..., rvq_levels - 1 - rvq_level].long()
        soft = torch.softmax(-(distance + beta / scale**2 * rates.detach()) / TEMPERATURE, 2)
        bits, soft_bits = bits + rates.gather(2, chosen[..., None])[..., 0], soft_bits + (soft * rates.detach()).sum(2)
        soft_value = value.detach() + scale * (soft[:, :, None] * words.detach()).sum(3)
        index = chosen[:, :, None, None].expand(-1, -1, GROUP, -1)
        value = value + scale * words.expand(n, -1, -1, -1).gather(3, index)[..., 0]
        smooth = smooth | (has_coarser_code > 0)  # before this RVQ level
        has_coarser_code = has_coarser_code | (chosen != 0).long()
        codes.append(chosen)
    energy = residual**2 / (2 * math.log(2) * (sigma.detach() ** 2 + tables.variance[0].detach()))
    soft_value = torch.where(smooth[..., None], residual, soft_value)
    soft_bits = torch.where(smooth, energy.sum(2), soft_bits)
    return torch.stack(codes, 2), value, bits, soft_value, soft_bits


def quantise_torch(residual: Tensor, sigma: Tensor, tables: Tables, rvq_levels: int, beta: float) -> tuple[Tensor, Tensor, Tensor]:
    """What the operator does, in torch, with a greedy search: for devices that it does not know."""
    code, value, bits, soft_value, soft_bits = reference(residual, sigma, tables, rvq_levels, beta)
    return value + soft_value - soft_value.detach(), bits + soft_bits - soft_bits.detach(), code


class Codebook(nn.Module):
    """The codebooks of every stage; an instance's `quantise` is what `Network` wants."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.stages = Modules(StageCodebook(s.latents // GROUP, s.rvq_levels) for s in shape.stages)
        self.usage: dict[int, Tensor] = {}  # counts (K,) of the finest RVQ level's codewords in the last batch, a stage

    def project(self) -> None:
        for stage in self.stages:
            stage.project()

    def quantise(self, residual: Tensor, sigma: Tensor, index: int) -> tuple[Tensor, Tensor]:
        """See `network.Quantise`."""
        book, (b, d, h, w) = self.stages[index], residual.shape
        vectors, spread = (t.permute(0, 2, 3, 1).reshape(b * h * w, d // GROUP, GROUP) for t in (residual, sigma))
        if residual.device.type == "cpu" or (residual.is_cuda and cuda_available()):
            value, bits, code, _ = quantise(vectors, spread, *book.tables(), book.rvq_levels, BETA)
        else:
            value, bits, code = quantise_torch(vectors, spread, book.tables(), book.rvq_levels, BETA)
        if not (residual.is_cuda and torch.cuda.is_current_stream_capturing()):  # a graph cannot count
            self.usage[index] = torch.bincount(code[..., -1].flatten().long(), minlength=book.coarse.shape[1])
        return value.reshape(b, h, w, d).permute(0, 3, 1, 2), bits.reshape(b, -1).sum(1)

    def perplexity(self) -> list[float]:
        """Of every stage's codeword usage in the last batch, 1 to K."""
        result = []
        for index in sorted(self.usage):
            p = self.usage[index].float() / self.usage[index].sum()
            result.append(float(torch.exp(-(p * p.clamp_min(1e-12).log()).sum())))
        return result
