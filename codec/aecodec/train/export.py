"""Turns a trained network into the fixed-point tables that the runtime executes.

docs/format.md describes the arithmetic; csrc/network.cpp carries it out. Activations have FEATURE_BITS fractional bits in
int16; weights are int16 with a power-of-two scale for every output channel, as fine as int32 sums provably allow.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from ..quality import QUALITY_MAX, QUALITY_MIN
from .codebook import BETA, Codebook, StageCodebook
from .lattice import voronoi_code
from .network import PIXEL_UNIT, Block, Network, Shape, Stage, quality_features

FEATURE_BITS = 8
PIXEL_BITS = int(math.log2(PIXEL_UNIT))  # so that an integer is a whole pixel value
CONV_INPUT_MAX = 4095
FILM_BITS, STEP_BITS, CODEWORD_BITS, WEIGHT_BITS, INVERSE_BITS = 12, 16, 8, 8, 10
SIGMA_FINE = 64  # of log2 σ and log2 of the gain, an octave
SIGMAS = 2.0 ** (np.arange(96) / 8 - 4)

Tensors = dict[str, np.ndarray]


def to_int(x: np.ndarray, dtype: type) -> np.ndarray:
    """Rounds; raises ValueError where a value does not fit."""
    rounded, info = np.round(x), np.iinfo(dtype)
    if rounded.min(initial=0) < info.min or rounded.max(initial=0) > info.max or np.isnan(rounded).any():
        raise ValueError(f"a value does not fit {info.dtype}")
    return rounded.astype(dtype)


def conv(weight: np.ndarray, bias: np.ndarray, in_bits: int, out_bits: np.ndarray | int) -> Tensors:
    """weight float64 (O, I, kh, kw), bias (O,); fractional bits of inputs and outputs -> weight, bias and shift.

    out = (Σ weight·in + bias) >> shift. Every output channel takes the largest scale for which
    Σ|weight|·CONV_INPUT_MAX + |bias| + the rounding offset stays below 2^31.
    """
    count = len(weight)
    out_bits = np.broadcast_to(out_bits, count)
    weights, biases, shifts = np.zeros(weight.shape, np.int16), np.zeros(count, np.int32), np.zeros(count, np.int32)
    for o in range(count):
        for shift in range(30, 0, -1):
            scale = 2.0 ** (shift + int(out_bits[o]) - in_bits)
            w, b = np.round(weight[o] * scale), np.round(bias[o] * scale * 2.0**in_bits)
            bound = np.abs(w).sum() * CONV_INPUT_MAX + abs(b) + 2.0 ** (shift - 1)
            if np.abs(w).max() <= 32767 and bound < 2.0**31:
                weights[o], biases[o], shifts[o] = w, b, shift
                break
        else:
            raise ValueError("a channel's weights are too large for fixed point")
    return {"weight": weights, "bias": biases, "shift": shifts}


class Exporter:
    """Collects the tensors of a network under the names that csrc/network.cpp asks for."""

    def __init__(self, net: Network, codebook: Codebook):
        self.tensors: Tensors = {}
        quality = torch.arange(QUALITY_MIN, QUALITY_MAX + 1, dtype=torch.float64)
        self.q = quality_features(quality)  # (100, 8)
        self.conv("stem", net.stem, PIXEL_BITS)
        self.conv("out", net.out, FEATURE_BITS, PIXEL_BITS)
        for level, blocks in enumerate(net.analysis):
            for i, block in enumerate(blocks):
                self.block(f"analysis.{level}.{i}", block)
        for i, layer in enumerate(net.down):
            self.conv(f"down.{i}", layer)
        for i, layer in enumerate(net.up):
            c = layer.out_channels // 4  # from pixel_shuffle's (C, 2, 2) to the runtime's (2, 2, C)
            order = np.arange(4 * c).reshape(c, 2, 2).transpose(1, 2, 0).ravel()
            self.conv(f"up.{i}", layer, order=order)
        self.tensors["lattice"] = to_int(voronoi_code() * 2**CODEWORD_BITS, np.int16)
        for i, (stage, book, blocks) in enumerate(zip(net.stages, codebook.stages, net.refine, strict=True)):
            self.stage(f"stages.{i}", stage, book)
            for j, block in enumerate(blocks):
                self.block(f"stages.{i}.refine.{j}", block)

    def conv(self, name: str, layer: torch.nn.Conv2d, in_bits: int = FEATURE_BITS, out_bits=FEATURE_BITS, order=None, gain=None):
        weight = layer.weight.detach().double().numpy()
        bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().double().numpy()
        if gain is not None:
            weight, bias = weight * gain[:, None, None, None], bias * gain
        if order is not None:
            weight, bias = weight[order], bias[order]
        for key, value in conv(weight, bias, in_bits, out_bits).items():
            self.tensors[f"{name}.{key}"] = value

    def table(self, layer: torch.nn.Linear) -> np.ndarray:
        """-> the layer's outputs (100, n) at every quality."""
        return (self.q @ layer.weight.detach().double().T + layer.bias.detach().double()).numpy()

    def block(self, name: str, block: Block) -> None:
        self.conv(f"{name}.spatial", block.spatial)
        self.conv(f"{name}.mix", block.mix)
        scale, shift = np.split(self.table(block.film), 2, axis=1)
        film = np.stack([(1 + scale) * 2**FILM_BITS, shift * 2**FEATURE_BITS], 1)
        self.tensors[f"{name}.film"] = to_int(film, np.int16)  # (100, 2, hidden)

    def stage(self, name: str, stage: Stage, book: StageCodebook) -> None:
        d = stage.inject.in_channels
        self.conv(f"{name}.select", stage.select)
        for i in (0, 2):
            self.conv(f"{name}.posterior.{i}", stage.posterior[i])
        self.conv(f"{name}.prior.0", stage.prior[0])
        # μ leaves as a feature, log σ as log2 in units of 1/SIGMA_FINE octave
        gain = np.repeat([1.0, SIGMA_FINE / math.log(2)], d)
        self.conv(f"{name}.prior.2", stage.prior[2], out_bits=np.repeat([FEATURE_BITS, 0], d), gain=gain)
        self.conv(f"{name}.inject", stage.inject)
        log2_gain = self.table(stage.log_gain) / math.log(2)
        self.tensors[f"{name}.log_gain"] = to_int(log2_gain * SIGMA_FINE, np.int16)
        self.tensors[f"{name}.step"] = to_int(2.0 ** (STEP_BITS - log2_gain), np.int32)
        self.codebook(name, book)

    def codebook(self, name: str, book: StageCodebook) -> None:
        variance = book.log_variance.detach().double().exp().numpy()
        inverse = math.log2(math.e) / (2 * (SIGMAS[None] ** 2 + variance[:, None])) * 2**INVERSE_BITS
        self.tensors[f"{name}.inverse_variance"] = to_int(np.minimum(inverse, 32767), np.int32)  # (2, 96)
        self.tensors[f"{name}.variance"] = variance.astype(np.float32)
        words = to_int(book.fine.detach().double().numpy().transpose(0, 2, 1) * 2**CODEWORD_BITS, np.int16)  # (G, K, 4)
        bits = -book.log_weight.detach().double().numpy() / math.log(2)  # (G, 2, K)
        bits = np.minimum((bits - bits.min(2, keepdims=True)) * 2**WEIGHT_BITS, 32767)
        order = np.argsort((words.astype(np.int64) ** 2).sum(2), axis=1, kind="stable")  # shortest first, as prefixes want
        self.tensors[f"{name}.codebook"] = np.take_along_axis(words, order[:, :, None], 1)
        self.tensors[f"{name}.weight_bits"] = to_int(np.take_along_axis(bits, order[:, None], 2), np.int16)


def streams(shape: Shape) -> list[int]:
    """The stream that each stage is coded in: one a level, but one for all the small levels above 1/16."""
    coarse = max(s.level for s in shape.stages)
    levels = [coarse if s.level >= 2 else s.level for s in shape.stages]
    order = list(dict.fromkeys(levels))
    return [order.index(level) for level in levels]


def export(net: Network, codebook: Codebook, path: Path, record: dict) -> None:
    """Writes the model file; `record` says where the weights come from. Raises ValueError where they do not fit."""
    shape = net.shape.to_json()
    for stage, stream in zip(shape["stages"], streams(net.shape), strict=True):
        stage["stream"] = stream
    shape = {**shape, "feature_bits": FEATURE_BITS, "codewords": codebook.stages[0].coarse.shape[1]}
    tensors = {k: np.ascontiguousarray(v) for k, v in Exporter(net, codebook).tensors.items()}
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].tobytes())
    metadata = {"identity": int.from_bytes(digest.digest()[:4], "little"), "shape": shape, "beta": BETA, "record": record}
    save_file(tensors, path, metadata={"aecodec": json.dumps(metadata)})
