"""Turns a trained network into the fixed-point tables that the runtime executes, and back, to train on.

docs/format.md describes the arithmetic; csrc/runtime/network.cpp carries it out. Activations have FEATURE_BITS fractional bits in
int16; weights are int16 with a power-of-two scale for every output channel, as fine as int32 sums provably allow, or int8
in the blocks' 3×3 convolutions, which would be half of the file.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from .._core import constants
from ..model import identity_of
from ..options import QUALITY_MAX, QUALITY_MIN
from .codebook import BETA, Codebook, StageCodebook
from .lattice import voronoi_code
from .network import PIXEL_UNIT, Block, Network, Shape, Stage, quality_features
from .previews import padded, previews
from .transforms import BLOCK

FEATURE_BITS = 8
PIXEL_BITS = int(math.log2(PIXEL_UNIT))  # so that an integer is a whole pixel value
CONV_INPUT_MAX, SPATIAL_INPUT_MAX = constants.CONV_INPUT_MAX, constants.SPATIAL_INPUT_MAX
FILM_BITS, STEP_BITS, CODEWORD_BITS = constants.FILM_BITS, constants.STEP_BITS, constants.CODEWORD_BITS
WEIGHT_BITS, INVERSE_BITS = constants.WEIGHT_BITS, constants.INVERSE_VARIANCE_BITS
SIGMA_FINE = 2**constants.LOG_GAIN_BITS  # of log2 σ and log2 of the gain, an octave
SIGMAS = 2.0 ** (np.arange(constants.SIGMA_COUNT) / constants.SIGMA_PER_OCTAVE + constants.SIGMA_OCTAVE_MIN)

Tensors = dict[str, np.ndarray]


def to_int(x: np.ndarray, dtype: type) -> np.ndarray:
    """Rounds; raises ValueError if a value does not fit."""
    rounded, info = np.round(x), np.iinfo(dtype)
    if rounded.min(initial=0) < info.min or rounded.max(initial=0) > info.max or np.isnan(rounded).any():
        raise ValueError(f"a value does not fit {info.dtype}")
    return rounded.astype(dtype)


@dataclass(frozen=True)
class Placement:
    """How a convolution of the float network lies in the model file."""

    name: str
    layer: torch.nn.Conv2d
    in_bits: int = FEATURE_BITS  # fractional bits of its inputs
    out_bits: np.ndarray | int = FEATURE_BITS  # and of its outputs, of each channel or of all
    order: np.ndarray | None = None  # the file's output channels, as indices of the layer's
    gain: np.ndarray | None = None  # factors of the layer's outputs
    dtype: type[np.int16] | type[np.int8] = np.int16  # of the weights in the file


def blocks(net: Network) -> Iterator[tuple[str, Block]]:
    for level, row in enumerate(net.analysis):
        yield from ((f"analysis.{level}.{i}", block) for i, block in enumerate(row))
    for index, row in enumerate(net.refine):
        yield from ((f"stages.{index}.refine.{i}", block) for i, block in enumerate(row))


def placements(net: Network) -> Iterator[Placement]:
    """Every convolution, under the name that csrc/runtime/network.cpp asks for."""
    yield Placement("stem", net.stem, in_bits=PIXEL_BITS)
    yield Placement("out", net.out, out_bits=PIXEL_BITS)
    for i, layer in enumerate(net.down):
        yield Placement(f"down.{i}", layer)
    for i, layer in enumerate(net.up):
        c = layer.out_channels // 4  # from pixel_shuffle's (C, 2, 2) to the runtime's (2, 2, C)
        yield Placement(f"up.{i}", layer, order=np.arange(4 * c).reshape(c, 2, 2).transpose(1, 2, 0).ravel())
    for name, block in blocks(net):
        yield Placement(f"{name}.spatial", block.spatial, dtype=np.int8)
        yield Placement(f"{name}.mix", block.mix)
    for i, stage in enumerate(net.stages):
        name, d = f"stages.{i}", stage.inject.in_channels
        yield Placement(f"{name}.select", stage.select)
        yield Placement(f"{name}.posterior.0", stage.posterior.first)
        yield Placement(f"{name}.posterior.2", stage.posterior.last)
        yield Placement(f"{name}.prior.0", stage.prior.first)
        # μ leaves as a feature, log σ as log2 in units of 1/SIGMA_FINE octave
        bits, gain = np.repeat([FEATURE_BITS, 0], d), np.repeat([1.0, SIGMA_FINE / math.log(2)], d)
        yield Placement(f"{name}.prior.2", stage.prior.last, out_bits=bits, gain=gain)
        yield Placement(f"{name}.inject", stage.inject)


def conv(p: Placement) -> Tensors:
    """out = (Σ weight·in + bias) >> shift.

    Every output channel takes the largest scale for which its weights fit their dtype and Σ|weight|·CONV_INPUT_MAX + |bias| +
    the rounding offset stays below 2^31; of 3×3 weights, 4·Σ|weight|·SPATIAL_INPUT_MAX does, which lets the runtime compute
    them by Winograd's minimal filtering. Raises ValueError if there is none.
    """
    weight = p.layer.weight.detach().double().numpy()  # (O, I, h, w)
    bias = np.zeros(len(weight)) if p.layer.bias is None else p.layer.bias.detach().double().numpy()
    if p.gain is not None:
        weight, bias = weight * p.gain[:, None, None, None], bias * p.gain
    if p.order is not None:
        weight, bias = weight[p.order], bias[p.order]
    count, out_bits = len(weight), np.broadcast_to(p.out_bits, len(weight))
    input_max = 4 * SPATIAL_INPUT_MAX if weight.shape[2] == 3 else CONV_INPUT_MAX
    weights, biases, shifts = np.zeros(weight.shape, p.dtype), np.zeros(count, np.int32), np.zeros(count, np.int32)
    for o in range(count):
        for shift in range(30, 0, -1):
            scale = 2.0 ** (shift + int(out_bits[o]) - p.in_bits)
            w, b = np.round(weight[o] * scale), np.round(bias[o] * scale * 2.0**p.in_bits)
            bound = np.abs(w).sum() * input_max + abs(b) + 2.0 ** (shift - 1)
            if np.abs(w).max() <= np.iinfo(p.dtype).max and bound < 2.0**31:
                weights[o], biases[o], shifts[o] = w, b, shift
                break
        else:
            raise ValueError(f"{p.name}: a channel's weights are too large for fixed point")
    return {f"{p.name}.weight": weights, f"{p.name}.bias": biases, f"{p.name}.shift": shifts}


@torch.no_grad()
def restore_conv(p: Placement, tensors: Tensors) -> None:
    """The inverse of `conv`, as far as rounding lets it be."""
    out_bits = np.broadcast_to(p.out_bits, len(tensors[f"{p.name}.bias"]))
    scale = 2.0 ** (tensors[f"{p.name}.shift"] + out_bits - p.in_bits)
    weight = tensors[f"{p.name}.weight"] / scale[:, None, None, None]
    bias = tensors[f"{p.name}.bias"] / (scale * 2.0**p.in_bits)
    if p.order is not None:
        back = np.argsort(p.order)
        weight, bias = weight[back], bias[back]
    if p.gain is not None:
        weight, bias = weight / p.gain[:, None, None, None], bias / p.gain
    p.layer.weight.copy_(torch.from_numpy(weight))
    if p.layer.bias is not None:
        p.layer.bias.copy_(torch.from_numpy(bias))


def every_quality() -> Tensor:
    """-> the features (100, 8) of the qualities 1 to 100."""
    return quality_features(torch.arange(QUALITY_MIN, QUALITY_MAX + 1, dtype=torch.float64))


def table(layer: torch.nn.Linear) -> np.ndarray:
    """-> the layer's outputs (100, n) at every quality."""
    return (every_quality() @ layer.weight.detach().double().T + layer.bias.detach().double()).numpy()


@torch.no_grad()
def restore_table(layer: torch.nn.Linear, values: np.ndarray) -> None:
    """The inverse of `table`, by least squares."""
    layer.weight.copy_(torch.linalg.lstsq(every_quality(), torch.from_numpy(values)).solution.T)
    layer.bias.zero_()


def shifts(block: Block) -> np.ndarray:
    """What its FiLM layer adds, (100, hidden)."""
    return np.split(table(block.film), 2, axis=1)[1]


def film(block: Block) -> np.ndarray:
    scale, shift = np.split(table(block.film), 2, axis=1)
    return to_int(np.stack([(1 + scale) * 2**FILM_BITS, shift * 2**FEATURE_BITS], 1), np.int16)  # (100, 2, hidden)


def restore_film(block: Block, values: np.ndarray) -> None:
    restore_table(block.film, np.concatenate([values[:, 0] / 2**FILM_BITS - 1, values[:, 1] / 2**FEATURE_BITS], 1))


def quantiser(name: str, stage: Stage, book: StageCodebook) -> Tensors:
    """The tables of a stage's steps, codebooks and weights."""
    log2_gain = table(stage.log_gain) / math.log(2)
    variance = book.log_variance.detach().double().exp().numpy()
    inverse = math.log2(math.e) / (2 * (SIGMAS[None] ** 2 + variance[:, None])) * 2**INVERSE_BITS  # (2, 96)
    words = to_int(book.fine.detach().double().numpy().transpose(0, 2, 1) * 2**CODEWORD_BITS, np.int16)  # (G, K, 4)
    bits = -book.log_weight.detach().double().numpy() / math.log(2)  # (G, 2, K)
    bits = np.minimum((bits - bits.min(2, keepdims=True)) * 2**WEIGHT_BITS, 32767)
    order = np.argsort((words.astype(np.int64) ** 2).sum(2), axis=1, kind="stable")  # shortest first, as prefixes want
    return {
        f"{name}.log_gain": to_int(log2_gain * SIGMA_FINE, np.int16),
        f"{name}.step": to_int(2.0 ** (STEP_BITS - log2_gain), np.int32),
        f"{name}.inverse_variance": to_int(np.minimum(inverse, 32767), np.int32),
        f"{name}.variance": variance.astype(np.float32),
        f"{name}.codebook": np.take_along_axis(words, order[:, :, None], 1),
        f"{name}.weight_bits": to_int(np.take_along_axis(bits, order[:, None], 2), np.int16),
    }


@torch.no_grad()
def restore_quantiser(name: str, stage: Stage, book: StageCodebook, tensors: Tensors) -> None:
    restore_table(stage.log_gain, (STEP_BITS - np.log2(tensors[f"{name}.step"])) * math.log(2))
    book.fine.copy_(torch.from_numpy(tensors[f"{name}.codebook"].transpose(0, 2, 1) / 2**CODEWORD_BITS))
    book.log_weight.copy_(torch.from_numpy(tensors[f"{name}.weight_bits"] * (-math.log(2) / 2**WEIGHT_BITS)))
    book.log_variance.copy_(torch.from_numpy(np.log(tensors[f"{name}.variance"])))


def streams(shape: Shape) -> list[int]:
    """The stream that each stage is coded in: one for all that the preview takes, then one a level."""
    levels = [-1 if i < shape.preview_stages else s.level for i, s in enumerate(shape.stages)]
    order = list(dict.fromkeys(levels))
    return [order.index(level) for level in levels]


def export(net: Network, codebook: Codebook, path: Path, record: dict, beside: Tensors | None = None) -> None:
    """Writes the model file; `record` says where the weights come from. Raises ValueError if they do not fit.

    beside: tensors that no decoder reads.
    """
    shape = net.shape.to_json()
    for stage, stream in zip(shape["stages"], streams(net.shape), strict=True):
        stage["stream"] = stream
    shape = {**shape, "feature_bits": FEATURE_BITS, "codewords": codebook.stages[0].coarse.shape[1]}
    reduced = previews(net)
    shape["previews"] = [{"scale": p.scale, "stages": p.stages} for p in reduced]
    tensors: Tensors = {"lattice": to_int(voronoi_code() * 2**CODEWORD_BITS, np.int16), **(beside or {})}
    for placement in placements(net):
        tensors |= conv(placement)
    for preview in reduced:
        tensors |= conv(Placement(f"preview.{preview.scale}", preview.head, out_bits=PIXEL_BITS))
    for name, block in blocks(net):
        tensors[f"{name}.film"] = film(block)
    for i, (stage, book) in enumerate(zip(net.stages, codebook.stages, strict=True)):
        tensors |= quantiser(f"stages.{i}", stage, book)
    tensors = {k: np.ascontiguousarray(v) for k, v in tensors.items()}
    metadata = {
        "identity": identity_of(shape, tensors),
        "shape": shape,
        "beta": BETA,
        "record": record,
    }
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata={"aecodec": json.dumps(metadata)})
    temporary.chmod(0o644)
    temporary.replace(path)


@torch.no_grad()
def restore(net: Network, codebook: Codebook, tensors: Tensors) -> None:
    """Gives a network of the model's shape the model's weights, to train on from there. Raises ValueError if some are not there."""
    if f"preview.{BLOCK}.weight" not in tensors:  # decoders do without
        raise ValueError(f"the model has no previews of 1/{BLOCK}")
    for placement in placements(net):
        restore_conv(placement, tensors)
    head = padded(net.preview.weight[:, :, 0, 0], net.preview.bias)
    restore_conv(Placement(f"preview.{BLOCK}", head, out_bits=PIXEL_BITS), tensors)
    net.preview.weight.copy_(head.weight[: len(net.preview.weight)])
    net.preview.bias.copy_(head.bias[: len(net.preview.bias)])
    for name, block in blocks(net):
        restore_film(block, tensors[f"{name}.film"])
    for i, (stage, book) in enumerate(zip(net.stages, codebook.stages, strict=True)):
        restore_quantiser(f"stages.{i}", stage, book, tensors)
    codebook.project()
