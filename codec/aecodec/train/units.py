"""The units of hidden features and latents in a model file, chosen so that fixed point rounds little and clamps nothing.

Scaling what a layer gives, and what the next makes of it back, leaves the function as it is, as a leaky ReLU lets positive factors
through. So an exported model may have other units than the network that was trained: blocks' hidden features use more of their 16
bits, rows of int8 weights reach ±127, and latents that sharp edges drive beyond the decoder's clamps come to lie inside.
(Cross-layer equalisation: Nagel et al., Data-Free Quantization, ICCV 2019.) Others stay as they are: features of a level share rows
of int8 weights, which other units made worse; hidden features of priors and posteriors are precise enough, and larger ones were
clamped in pictures with stronger contrast than any that the units were found on.

A model file has its units beside the weights, for the trainer alone, which goes on in those that it knows.
"""

import copy
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import torch
from torch import Tensor

from ..network.fixed_point import CONV_INPUT_MAX, FEATURE_BITS, Tensors, blocks, shifts
from ..network.network import Block, Network, Quantise, Stage

PREFIX = "units."  # of the tensors' names in a model file
QUALITIES = (1.0, 5.0, 20.0, 50.0, 80.0, 100.0)  # that ranges are found at
ROOM = 0.875 * CONV_INPUT_MAX / 2**FEATURE_BITS  # for the largest value that is seen
SHIFT_MAX = 127.9  # of a FiLM layer, which int16 features hold
MOST, LEAST = 8.0, 1 / 8  # of a unit
READ_MOST = 256.0  # of a unit, or of one over it, in a model file: later constants may be others
INT8 = 127 / 128  # of a power of two: what the largest weight of a row is to be
BATCH = 8

Units = dict[str, Tensor]  # factors (n,) of what a network gives, by the name of what gives it


def stages(net: Network) -> Iterator[tuple[str, Stage]]:
    yield from ((f"stages.{i}", stage) for i, stage in enumerate(net.stages))


def scale_rows(layer: torch.nn.Conv2d, by: Tensor, count: int | None = None) -> None:
    layer.weight[:count] *= by[:, None, None, None]
    if layer.bias is not None:
        layer.bias[:count] *= by


def scale_columns(layer: torch.nn.Conv2d, by: Tensor) -> None:
    layer.weight *= by[None, :, None, None]


def rescale_block(block: Block, by: Tensor) -> None:
    scale_rows(block.spatial, by)
    block.film.weight[len(by) :] *= by[:, None]  # the shifts, which come after the scales
    block.film.bias[len(by) :] *= by
    scale_columns(block.mix, 1 / by)


def rescale_latents(stage: Stage, by: Tensor) -> None:
    scale_rows(stage.select, by)
    scale_rows(stage.posterior.last, by)
    scale_rows(stage.prior.last, by, len(by))  # μ
    stage.prior.last.bias[len(by) :] += by.log()  # log σ
    stage.log_gain.bias.sub_(by.log())
    scale_columns(stage.inject, 1 / by)


@torch.no_grad()
def rescale(net: Network, units: Units) -> None:
    """Multiplies what the network computes inside by these factors; what it codes and gives stays the same."""
    for name, block in blocks(net):
        if name in units:
            rescale_block(block, units[name])
    for name, stage in stages(net):
        if f"{name}.latents" in units:
            rescale_latents(stage, units[f"{name}.latents"])


@torch.no_grad()
def ranges(net: Network, quantise: Quantise, x: Tensor) -> Units:
    """The largest magnitudes (n,) on pictures x (B, 3, H, W), 0..255: of hidden features and latents by their names, and of what
    blocks' 3×3 convolutions give."""
    seen: Units = {}

    def see(name: str, values: Tensor) -> None:
        largest = values.abs().amax((0, 2, 3))
        seen[name] = torch.maximum(seen[name], largest) if name in seen else largest

    def inputs_of(layer: torch.nn.Module, name: str) -> None:
        hooks.enter_context(layer.register_forward_pre_hook(lambda _, inputs: see(name, inputs[0])))

    def outputs_of(layer: torch.nn.Module, name: str) -> None:
        hooks.enter_context(layer.register_forward_hook(lambda _, inputs, output: see(name, output)))

    with ExitStack() as hooks:
        for name, block in blocks(net):
            inputs_of(block.mix, name)
            outputs_of(block.spatial, f"{name}.spatial")
        for name, stage in stages(net):
            inputs_of(stage.inject, f"{name}.latents")
        for batch in x.split(BATCH):
            for quality in QUALITIES:
                net(batch, torch.full((len(batch),), quality), quantise)
    return seen


def power_of_two(x: Tensor) -> Tensor:
    """The largest that is not above."""
    return torch.exp2(torch.floor(torch.log2(x)))


@torch.no_grad()
def chosen(net: Network, quantise: Quantise, x: Tensor) -> Units:
    """The units that suit the network on pictures x (B, 3, H, W), 0..255."""
    found, result = ranges(net, quantise, x), {}
    room = {name: ROOM / largest.clamp_min(1e-3) for name, largest in found.items()}
    for name, block in blocks(net):
        # before the FiLM layer sums have all 16 bits, twice the range of a convolution's input
        most = torch.minimum(room[name], 2 * room[f"{name}.spatial"])
        largest_shift = torch.from_numpy(shifts(block)).float().abs().amax(0)
        most = torch.minimum(most, SHIFT_MAX / largest_shift.clamp_min(1e-3)).clamp(LEAST, MOST)
        largest = block.spatial.weight.abs().amax((1, 2, 3)).clamp_min(1e-6)
        result[name] = INT8 * power_of_two(most * largest / INT8) / largest
    for name, _ in stages(net):
        result[f"{name}.latents"] = power_of_two(room[f"{name}.latents"].clamp(LEAST, 1))
    return result


def fitted(net: Network, quantise: Quantise, x: Tensor) -> tuple[Network, Tensors]:
    """A copy of the network in units that suit it, and these as tensors of a model file. All on the CPU."""
    net = copy.deepcopy(net)
    units = chosen(net, quantise, x)
    rescale(net, units)
    return net, {PREFIX + name: by.numpy() for name, by in units.items()}


def undo(net: Network, tensors: Tensors) -> None:
    """Gives a network with the weights of a model file the units that it was trained in. Raises ValueError if they are none."""
    stored = {name.removeprefix(PREFIX): t for name, t in tensors.items() if name.startswith(PREFIX)}
    sizes = {name: block.mix.in_channels for name, block in blocks(net)}
    for name, stage in stages(net):
        sizes[f"{name}.latents"] = stage.inject.in_channels
    for name, by in stored.items():
        fits = by.dtype == np.float32 and by.shape == (sizes.get(name),)
        if not (fits and 1 / READ_MOST <= by.min() and by.max() <= READ_MOST):
            raise ValueError(f"the model's tensor {PREFIX + name!r:.60} holds no units")
    rescale(net, {name: 1 / torch.from_numpy(by) for name, by in stored.items()})
