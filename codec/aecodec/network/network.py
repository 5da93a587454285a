"""The network: a hierarchical VQ-VAE, read top-down, one set of weights for every quality.

    picture ─► analysis: e8 ─► e16 ─► e32 ─► e64       features at 1/8 … 1/64 of the picture (levels 0 … 3)
                         │      │      │      │
    picture ◄─ f8 ◄──── f16 ◄─ f32 ◄─ f64 ◄───         what has been decoded so far, coarse to fine

At every stage the prior reads the decoded features f and predicts the latents, the posterior (encoder only) reads the
picture's features e and says what they are, the quantiser codes the difference, and `inject` adds the result to f.
The shape follows QARV (Duan et al., TPAMI 2023); the start from a DCT and Haar bands is our own.

csrc/ computes all of this in fixed point; the operations are chosen so that it can be exact.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._core import constants
from ..options import QUALITY_MAX, QUALITY_MIN, quality_to_lambda
from .modules import Conv, Modules, TwoConvs
from .transforms import BLOCK, dct_basis, haar_bands, haar_down, haar_up, means

LEAK = 2**-constants.LEAK_SHIFT  # slope of the leaky ReLU below zero: a shift in fixed point
PIXEL_UNIT = 64.0  # the network works on (pixel - 128) / PIXEL_UNIT
LOG_SIGMA_MIN, LOG_SIGMA_MAX = math.log(2**-4), math.log(2**8)  # of the prior's σ, in quantiser steps
QUALITY_FEATURES = 8
FEATURE_LAMBDAS = 0.0005, 0.65  # for which t below is -1 and 1: that of a λ is to stay what weights were trained with
GROUP = constants.GROUP  # latent dimensions that are quantised together


@dataclass(frozen=True)
class StageShape:
    level: int  # features at 1/(8·2^level) of the picture
    latents: int  # dimensions, a multiple of GROUP
    rvq_levels: int  # RVQ levels of the quantiser: its range is about ±2·4^(rvq_levels - 1) steps
    refine: int  # residual blocks after the stage
    first_dct: int  # where the latents start out: DCT channels (level 0), or channels of the level below (Haar bands)


# The stages' fields in model files and checkpoints, under the names that docs/format.md has.
STAGE_KEYS = {f.name: "digits" if f.name == "rvq_levels" else f.name for f in fields(StageShape)}


@dataclass(frozen=True)
class Shape:
    """Every size in the network. Levels are 1/8, 1/16, 1/32, 1/64 of the picture; stages run coarse to fine."""

    channels: tuple[int, ...] = (176, 192, 192, 128)  # of the features, a level
    hidden: tuple[int, ...] = (96, 192, 192, 128)  # inside residual blocks and the prior and posterior MLPs, a level
    analysis: tuple[int, ...] = (3, 2, 1, 1)  # residual blocks of the encoder, a level
    stages: tuple[StageShape, ...] = (
        StageShape(level=3, latents=16, rvq_levels=5, refine=2, first_dct=0),
        StageShape(level=2, latents=32, rvq_levels=5, refine=2, first_dct=0),
        StageShape(level=1, latents=16, rvq_levels=5, refine=0, first_dct=0),  # what the preview needs
        StageShape(level=1, latents=64, rvq_levels=4, refine=2, first_dct=0),
        StageShape(level=1, latents=64, rvq_levels=4, refine=2, first_dct=16),
        StageShape(level=0, latents=32, rvq_levels=4, refine=1, first_dct=32),
        StageShape(level=0, latents=96, rvq_levels=4, refine=2, first_dct=64),
    )

    @property
    def multiple(self) -> int:
        """The picture's height and width are padded to multiples of this."""
        return BLOCK << (len(self.channels) - 1)

    @property
    def preview_stages(self) -> int:
        """How many stages the preview at 1/8 of the picture takes: those above 1/16, for its speed, and the first below."""
        return next(i for i, s in enumerate(self.stages) if s.level <= 1) + 1

    def to_json(self) -> dict:
        stages = [{key: getattr(s, name) for name, key in STAGE_KEYS.items()} for s in self.stages]
        return {**self.__dict__, "stages": stages}

    @classmethod
    def from_json(cls, d: dict) -> "Shape":
        stages = tuple(StageShape(**{name: int(s[key]) for name, key in STAGE_KEYS.items()}) for s in d["stages"])
        channels, hidden, analysis = (tuple(map(int, d[k])) for k in ("channels", "hidden", "analysis"))
        return cls(channels, hidden, analysis, stages)


def quality_features(quality: Tensor) -> Tensor:
    """(B,) qualities 1..100, or a map of them (B, rows, columns) -> (..., 8) smooth features, the second linear in log λ."""
    low, high = map(math.log, FEATURE_LAMBDAS)
    t = (quality_to_lambda(quality).log() - low) / (high - low) * 2 - 1
    waves = [f(k * math.pi * t) for k in (1, 2) for f in (torch.sin, torch.cos)]
    return torch.stack([torch.ones_like(t), t, t * t, t**3, *waves], -1)


def per_position(values: Tensor, size: torch.Size) -> Tensor:
    """What a layer makes of qualities, (B, C), or of a map, (B, rows, columns, C) -> (B, C, 1, 1), or of size (..., h, w)."""
    if values.dim() == 2:
        return values[:, :, None, None]
    return F.interpolate(values.movedim(3, 1), tuple(size[2:]), mode="nearest")


def zero_(*layers: nn.Module) -> None:
    for layer in layers:
        for p in layer.parameters():
            nn.init.zeros_(p)


class Mixed(nn.Module):
    """A module that does most of its multiplications in `compute`: float32, or bfloat16 if the trainer sets it.

    bfloat16 takes half the time if the processor multiplies it. Only branches are computed so: what is added to the
    features, the steps and the probabilities stays float32.
    """

    compute = torch.float32

    def fast(self, x: Tensor) -> torch.autocast:
        return torch.autocast(x.device.type, self.compute, enabled=self.compute != torch.float32)


def compute_in(net: nn.Module, dtype: torch.dtype) -> None:
    """Sets what the branches of a network are computed in."""
    for module in net.modules():
        if isinstance(module, Mixed):
            module.compute = dtype


class Block(Mixed):
    """x + mix(leaky(spatial(x)·(1 + scale(q)) + shift(q))). The branch starts at zero, so a new block changes nothing.

    Scale and shift are how one network serves every quality: FiLM (Perez et al., AAAI 2018).
    """

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.spatial = Conv(channels, hidden, 3, padding=1)
        self.film = nn.Linear(QUALITY_FEATURES, 2 * hidden)
        self.mix = Conv(hidden, channels, 1)
        zero_(self.film, self.mix)

    def forward(self, x: Tensor, q: Tensor) -> Tensor:  # (B, C, h, w), (B, 8) -> (B, C, h, w)
        scale, shift = per_position(self.film(q), x.shape).to(self.compute).chunk(2, 1)
        with self.fast(x):
            return x + self.mix(F.leaky_relu(torch.addcmul(shift, self.spatial(x), 1 + scale), LEAK))


# The residual z - μ and σ in quantiser steps, (B, D, h, w) each, and the stage's index -> (the coded residual, bits (B,))
Quantise = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


class Stage(Mixed):
    """Codes what the picture's features e add to the decoded features f."""

    def __init__(self, index: int, shape: StageShape, channels: int, hidden: int, source: list[int]):
        super().__init__()
        d = shape.latents
        self.index, self.source = index, source
        self.select = nn.Conv2d(channels, d, 1, bias=False)
        self.posterior = TwoConvs(2 * channels, hidden, d, LEAK, kernel=3)
        self.prior = TwoConvs(3 * channels, hidden, 2 * d, LEAK)
        self.log_gain = nn.Linear(QUALITY_FEATURES, d)  # natural log of quantiser steps per unit of the latent
        self.inject = Conv(d, channels, 1)
        zero_(self.select, self.posterior.last, self.prior.last, self.log_gain, self.inject)
        self.select.weight.data[range(d), source] = 1
        self.inject.weight.data[source, range(d)] = 1

    def gain(self, q: Tensor, size: torch.Size) -> Tensor:  # (B, 8) -> (B, D, 1, 1); of a map (B, D, h, w)
        return per_position(self.log_gain(q).exp(), size)

    def latents(self, f: Tensor, e: Tensor) -> Tensor:  # (B, C, h, w) each -> (B, D, h, w)
        difference = e - f
        with self.fast(f):
            correction = self.posterior(torch.cat([f, difference], 1).to(self.compute))
        return self.select(difference) + correction

    def predict(self, f: Tensor) -> tuple[Tensor, Tensor]:
        """-> μ and the natural log of σ, (B, D, h, w) each, in the latents' unit; from f and its local energy."""
        energy = f.abs()
        with self.fast(f):
            hidden = self.prior.hidden(torch.cat([f, energy, F.avg_pool2d(energy, 3, 1, 1)], 1).to(self.compute))
        return self.prior.last(hidden.float()).chunk(2, 1)

    def forward(self, f: Tensor, e: Tensor, q: Tensor, quantise: Quantise, correction: Tensor | float = 0) -> tuple[Tensor, Tensor]:
        z, (mu, log_sigma), gain = self.latents(f, e) + correction, self.predict(f), self.gain(q, f.shape)
        sigma = (log_sigma + gain.log()).clamp(LOG_SIGMA_MIN, LOG_SIGMA_MAX).exp()
        residual, bits = quantise((z - mu) * gain, sigma, self.index)
        return f + self.inject(mu + residual / gain), bits


class Network(nn.Module):
    def __init__(self, shape: Shape = Shape()):
        super().__init__()
        self.shape = shape
        levels, channels, hidden = range(len(shape.channels)), shape.channels, shape.hidden
        self.stem = Conv(3 * BLOCK**2, channels[0], 1)
        self.analysis = Modules(Modules(Block(channels[i], hidden[i]) for _ in range(shape.analysis[i])) for i in levels)
        self.down = Modules(Conv(channels[i], channels[i + 1], 2, 2) for i in levels[:-1])
        self.stages: Modules[Stage] = Modules()
        self.refine: Modules[Modules[Block]] = Modules()
        for index, s in enumerate(shape.stages):
            if s.level == 0:
                source = list(range(s.first_dct, s.first_dct + s.latents))
            else:
                source = haar_bands(channels[s.level], s.latents // 4, s.first_dct)
            self.stages.append(Stage(index, s, channels[s.level], hidden[s.level], source))
            self.refine.append(Modules(Block(channels[s.level], hidden[s.level]) for _ in range(s.refine)))
        self.up = Modules(Conv(channels[i + 1], 4 * channels[i], 1) for i in levels[:-1])
        self.out = Conv(channels[0], 3 * BLOCK**2, 1)
        level = shape.stages[shape.preview_stages - 1].level
        self.preview = Conv(channels[level], 3 * 4**level, 1)  # the means of BLOCK x BLOCK pixels

    def analyse(self, x: Tensor, q: Tensor) -> list[Tensor]:
        """(B, 3, H, W) pixels 0..255 and (B, 8) -> the features e of every level, finest first."""
        features, e = [], self.stem(F.pixel_unshuffle((x - 128) / PIXEL_UNIT, BLOCK))
        for level, blocks in enumerate(self.analysis):
            if level:
                e = self.down[level - 1](e)
            for block in blocks:
                e = block(e, q)
            features.append(e)
        return features

    def forward(self, x: Tensor, quality: Tensor, quantise: Quantise, decoded: list[Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Codes and decodes a batch.

        x: (B, 3, H, W) float, pixels 0..255, H and W multiples of `shape.multiple`; quality: (B,) float, 1..100.
        Returns the decoded pictures (B, 3, H, W), not clamped, and the bits of every stage (B, stages). `decoded` takes the
        decoded features after every stage.
        """
        q = quality_features(quality)
        return self.synthesise(self.analyse(x, q), q, quantise, decoded)

    def synthesise(
        self,
        features: list[Tensor],
        q: Tensor,
        quantise: Quantise,
        decoded: list[Tensor] | None = None,
        corrections: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The same from the features that `analyse` gives; corrections are added to the latents of every stage."""
        bits, level = [], len(features) - 1
        f = torch.zeros_like(features[level])
        for i, (stage, refine, s) in enumerate(zip(self.stages, self.refine, self.shape.stages, strict=True)):
            while level > s.level:
                level -= 1
                f = F.pixel_shuffle(self.up[level](f), 2)
            f, b = stage(f, features[level], q, quantise, corrections[i] if corrections else 0)
            bits.append(b)
            for block in refine:
                f = block(f, q)
            if decoded is not None:
                decoded.append(f)
        return F.pixel_shuffle(self.out(f), BLOCK) * PIXEL_UNIT + 128, torch.stack(bits, 1)

    def reduced(self, decoded: list[Tensor]) -> Tensor:
        """The preview (B, 3, H / BLOCK, W / BLOCK), 0..255, not clamped, from the decoded features after every stage."""
        count = self.shape.preview_stages
        return F.pixel_shuffle(self.preview(decoded[count - 1]), 1 << self.shape.stages[count - 1].level) * PIXEL_UNIT + 128


def set_steps(stage: Stage, unit: Tensor, first: int = 0) -> None:
    """The high-rate optimum of bits + λ·MSE: Δ = sqrt(26/λ), on 0..255, for an orthonormal coefficient.

    unit: (n,) of the latents from the first on, in orthonormal coefficients of (pixel - 128) / PIXEL_UNIT.
    """
    middle, half = 0.5 * math.log(math.prod(FEATURE_LAMBDAS)), 0.5 * math.log(FEATURE_LAMBDAS[1] / FEATURE_LAMBDAS[0])
    stage.log_gain.weight[first:, 1] = 0.5 * half
    stage.log_gain.bias[first:] = torch.log(unit * PIXEL_UNIT / math.sqrt(26)) + 0.5 * middle


@torch.no_grad()
def initialise(net: Network, x: Tensor) -> None:
    """Starts the network as a transform codec fitted to the pictures x (B, 3, H, W), pixels 0..255.

    Stem, output, down- and upsampling become a DCT, Haar bands and their inverses, rescaled so that every feature has
    unit spread; the steps become the high-rate optimum for their λ; the prior's σ starts from the measured spread.
    """
    channels = net.shape.channels
    for layer in (net.stem, net.out, *net.down, *net.up):
        zero_(layer)
    basis = dct_basis(channels[0]).to(x.device)
    h = F.conv2d(F.pixel_unshuffle((x - 128) / PIXEL_UNIT, BLOCK), basis[:, :, None, None])
    spread = [h.std((0, 2, 3)) + 0.02]
    net.stem.weight.copy_((basis / spread[0][:, None])[:, :, None, None])
    net.out.weight.copy_((basis * spread[0][:, None]).T[:, :, None, None])
    for i, (down, up) in enumerate(zip(net.down, net.up, strict=True)):
        weight = haar_down(channels[i], channels[i + 1]).to(x.device)
        h = F.conv2d(h, weight, stride=2)
        spread.append(h.std((0, 2, 3)) + 0.02)
        fine, coarse = spread[i], spread[i + 1]
        down.weight.copy_(weight * fine[None, :, None, None] / coarse[:, None, None, None])
        weight = haar_up(channels[i + 1], channels[i]).to(x.device)
        up.weight.copy_(weight * coarse[None, :, None, None] / fine.repeat_interleave(4)[:, None, None, None])

    for stage, s in zip(net.stages, net.shape.stages, strict=True):
        set_steps(stage, spread[s.level][stage.source])
    weight, bias = means(net.out.weight[:, :, 0, 0], net.out.bias, BLOCK)
    if len(net.preview.weight) > len(weight):  # it reads the level above the finest
        fine = net.up[0].weight.unflatten(0, (-1, 4)).flatten(2)  # (C, 4, C above)
        weight, bias = torch.einsum("oc,cnk->onk", weight, fine).flatten(0, 1), bias.repeat_interleave(4)
    net.preview.weight.copy_(weight[:, :, None, None])
    net.preview.bias.copy_(bias)

    def measure(residual: Tensor, sigma: Tensor, index: int) -> tuple[Tensor, Tensor]:
        stage = net.stages[index]
        gain = stage.gain(quality_features(middle_quality), residual.shape)
        stage.prior.last.bias[stage.select.out_channels :] = torch.log(0.5 * (residual / gain).std((0, 2, 3)) + 1e-3)
        return torch.round(residual), residual.new_zeros(len(residual))

    middle_quality = torch.full((len(x),), 0.5 * (QUALITY_MIN + QUALITY_MAX), device=x.device)
    net(x, middle_quality, measure)
